/* Transforms of Winograd's F(4×4, 3×3) (Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016):

    Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A,

with a 3×3 filter g, a 6×6 tile d of the input and a 4×4 tile Y of the output; d and g become 36 numbers each. The
interpolation points are 0, ±5/8, ±3/2 and ∞: their rounding error is about that of a direct fp32 convolution, half that
of the usual 0, ±1, ±2, ∞ (on the choice of points: Barabasz et al., ACM TOMS 2020). */
#pragma once
#include "fused_conv.h"

#define P 0.625f /* points ±P and ±Q of F(4, 3) */
#define Q 1.5f
#define P2 (P * P)
#define Q2 (Q * Q)
#define R 0.5f /* points ±R and ±S of F(4, 2), see winograd_strided.h */
#define S 1.25f
#define R2 (R * R)
#define S2 (S * S)
enum { OUT_TILE = 4, IN_TILE = 6, TILE_POINTS = IN_TILE * IN_TILE };

/* Bᵀ d, in place, for six values `s` vectors apart. */
INLINE void input_transform_1d(vec *d, int s) {
    vec d0 = d[0], d1 = d[s], d2 = d[2 * s], d3 = d[3 * s], d4 = d[4 * s], d5 = d[5 * s];
    vec even_p = d4 - Q2 * d2, odd_p = d3 - Q2 * d1, even_q = d4 - P2 * d2, odd_q = d3 - P2 * d1;
    d[0] = P2 * Q2 * d0 + (d4 - (P2 + Q2) * d2);
    d[s] = even_p + P * odd_p;
    d[2 * s] = even_p - P * odd_p;
    d[3 * s] = even_q + Q * odd_q;
    d[4 * s] = even_q - Q * odd_q;
    d[5 * s] = P2 * Q2 * d1 + (d5 - (P2 + Q2) * d3);
}

/* Aᵀ m, in place: six values, `s` vectors apart, to four. */
INLINE void output_transform_1d(vec *m, int s) {
    vec sum_p = m[s] + m[2 * s], diff_p = m[s] - m[2 * s], sum_q = m[3 * s] + m[4 * s], diff_q = m[3 * s] - m[4 * s];
    m[0] += sum_p + sum_q;
    m[s] = P * diff_p + Q * diff_q;
    m[2 * s] = P2 * sum_p + Q2 * sum_q;
    m[3 * s] = P * P2 * diff_p + (Q * Q2 * diff_q + m[5 * s]);
}

/* A y, in place: four values, `s` vectors apart, to six. */
INLINE void grad_transform_1d(vec *y, int s) {
    vec y0 = y[0], y1 = y[s], y2 = y[2 * s], y3 = y[3 * s];
    vec even_p = y0 + P2 * y2, odd_p = y1 + P2 * y3, even_q = y0 + Q2 * y2, odd_q = y1 + Q2 * y3;
    y[s] = even_p + P * odd_p;
    y[2 * s] = even_p - P * odd_p;
    y[3 * s] = even_q + Q * odd_q;
    y[4 * s] = even_q - Q * odd_q;
    y[5 * s] = y3;
}

/* G of F(4, 3). */
static const float FILTER_TRANSFORM[IN_TILE][3] = {
    {1 / (P2 * Q2), 0, 0},
    {0.5f / (P2 * (P2 - Q2)), 0.5f / (P * (P2 - Q2)), 0.5f / (P2 - Q2)},
    {0.5f / (P2 * (P2 - Q2)), -0.5f / (P * (P2 - Q2)), 0.5f / (P2 - Q2)},
    {0.5f / (Q2 * (Q2 - P2)), 0.5f / (Q * (Q2 - P2)), 0.5f / (Q2 - P2)},
    {0.5f / (Q2 * (Q2 - P2)), -0.5f / (Q * (Q2 - P2)), 0.5f / (Q2 - P2)},
    {0, 0, 1},
};

/* G for stride 2 (winograd_strided.h): five points of the outer two taps by F(4, 2), then the middle tap unchanged. */
static const float STRIDED_FILTER_TRANSFORM[IN_TILE][3] = {
    {0.5f / (R * (R2 - S2)), 0, 0.5f / (R2 - S2)},
    {-0.5f / (R * (R2 - S2)), 0, 0.5f / (R2 - S2)},
    {0.5f / (S * (S2 - R2)), 0, 0.5f / (S2 - R2)},
    {-0.5f / (S * (S2 - R2)), 0, 0.5f / (S2 - R2)},
    {0, 0, 1},
    {0, 1, 0},
};

/* Zero padding: a mask for load_act_if, and an index that can be read wherever i lies. */
INLINE uint32_t in_bounds_mask(long i, long size) { return i >= 0 && i < size ? ~0u : 0; }
INLINE long clamp_index(long i, long size) { return MIN(MAX(i, 0), size - 1); }

/* IN_TILE rows or columns of an image from `first` on: offsets, `stride` elements apart, and bounds masks. */
struct axis { long offset[IN_TILE]; uint32_t mask[IN_TILE]; };
INLINE struct axis axis(long first, long size, long stride) {
    struct axis a;
    UNROLL for (int i = 0; i < IN_TILE; i++) {
        a.offset[i] = clamp_index(first + i, size) * stride;
        a.mask[i] = in_bounds_mask(first + i, size);
    }
    return a;
}

/* Bᵀ d B of `tiles` neighbouring tiles in a row of tiles of x (images, height, width, channels), for `count` channels
starting with the one that x points to: element q of channel c of tile r goes to v[q * stride + r * count + c].
Neighbours overlap by two columns, whose vertical transform is shared. */
INLINE void transform_input_tiles(const act_t *x, struct pixel first, long tiles, long height, long width,
                                  long channels, long count, float *v, long stride) {
    struct axis rows = axis(first.i * OUT_TILE - 1, height, width * channels);
#define COLUMN(j)                                                                                 \
    {                                                                                             \
        const act_t *column = image + clamp_index(left + (j), width) * channels + c;              \
        uint32_t mask = in_bounds_mask(left + (j), width);                                        \
        UNROLL for (int i = 0; i < IN_TILE; i++)                                                  \
            d[i * IN_TILE + (j)] = load_act_if(rows.mask[i] & mask, column + rows.offset[i]);     \
        input_transform_1d(d + (j), IN_TILE);                                                     \
    }
    const act_t *image = x + first.image * height * width * channels;
    for (long c = 0; c < count; c += LANES) {
        float *to = v + c;
        long left = first.j * OUT_TILE - 1, last = left + tiles * OUT_TILE;
        vec d[TILE_POINTS];
        UNROLL for (int j = 0; j < IN_TILE - OUT_TILE; j++) COLUMN(j)
        for (; left < last; left += OUT_TILE, to += count) {
            UNROLL for (int j = IN_TILE - OUT_TILE; j < IN_TILE; j++) COLUMN(j)
            UNROLL for (int i = 0; i < IN_TILE; i++) {
                vec row[IN_TILE];
                UNROLL for (int j = 0; j < IN_TILE; j++) row[j] = d[i * IN_TILE + j];
                input_transform_1d(row, 1);
                UNROLL for (int j = 0; j < IN_TILE; j++) store(to + (i * IN_TILE + j) * stride, row[j]);
                UNROLL for (int j = 0; j < IN_TILE - OUT_TILE; j++)
                    d[i * IN_TILE + j] = d[i * IN_TILE + OUT_TILE + j];
            }
        }
    }
#undef COLUMN
}

/* A dY Aᵀ of a 4×4 tile of the gradient to the output, for the gradient to the weights: element q of channel k goes to
z[q * stride + k], k < count. */
INLINE void transform_grad_tile(const act_t *grad, struct pixel tile, long height, long width, long channels,
                                long count, float *z, long stride) {
    struct axis rows = axis(tile.i * OUT_TILE, height, width * channels);
    struct axis columns = axis(tile.j * OUT_TILE, width, channels);
    const act_t *image = grad + tile.image * height * width * channels;
    for (long k = 0; k < count; k += LANES) {
        vec d[TILE_POINTS];
        UNROLL for (int j = 0; j < OUT_TILE; j++) {
            UNROLL for (int i = 0; i < OUT_TILE; i++)
                d[i * IN_TILE + j] =
                    load_act_if(rows.mask[i] & columns.mask[j], image + rows.offset[i] + columns.offset[j] + k);
            grad_transform_1d(d + j, IN_TILE);
        }
        UNROLL for (int i = 0; i < IN_TILE; i++) {
            grad_transform_1d(d + i * IN_TILE, 1);
            UNROLL for (int j = 0; j < IN_TILE; j++) store(z + (i * IN_TILE + j) * stride + k, d[i * IN_TILE + j]);
        }
    }
}

/* Gᵀ M G for LANES inputs × LANES outputs: the gradient to their filters, in a tensor (outputs, 3, 3, inputs) from
`filters` on. M's element q of input c and output k is the sum over parts p of
total[p * part_stride + q * point_stride + c * row_stride + k]; `transform` is G. */
INLINE void transform_filter_grads(const float (*transform)[3], const float *total, long parts, long part_stride,
                                   long point_stride, long row_stride, float *filters, long inputs) {
    float g[9][LANES][LANES]; /* tap, input, output */
    for (int c = 0; c < LANES; c++) {
        vec rows[3][IN_TILE];
        UNROLL for (int j = 0; j < IN_TILE; j++) {
            vec m[IN_TILE];
            UNROLL for (int i = 0; i < IN_TILE; i++) {
                const float *from = total + (i * IN_TILE + j) * point_stride + c * row_stride;
                m[i] = load(from);
                for (long p = 1; p < parts; p++) m[i] += load(from + p * part_stride);
            }
            UNROLL for (int t = 0; t < 3; t++) {
                rows[t][j] = transform[0][t] * m[0];
                UNROLL for (int i = 1; i < IN_TILE; i++) rows[t][j] += transform[i][t] * m[i];
            }
        }
        UNROLL for (int s = 0; s < 3; s++) UNROLL for (int t = 0; t < 3; t++) {
            vec tap = transform[0][t] * rows[s][0];
            UNROLL for (int j = 1; j < IN_TILE; j++) tap += transform[j][t] * rows[s][j];
            store(g[s * 3 + t][c], tap);
        }
    }
    for (int k = 0; k < LANES; k++)
        for (int t = 0; t < 9; t++)
            for (int c = 0; c < LANES; c++) filters[(k * 9 + t) * inputs + c] = g[t][c][k];
}

/* The domain of Winograd's F(4×4, 3×3) (Lavin and Gray, CVPR 2016): tiles of 6×6 pixels of what comes in, of 4×4 of what goes out,
and filters of 3×3 taps become 36 numbers each. The polynomials are interpolated at 0, ±5/8, ±3/2 and ∞, which rounds as a direct
fp32 convolution does, where the usual 0, ±1, ±2, ∞ round twice as coarsely (Barabasz et al., ACM TOMS 2020, on the choice of
points). */
#pragma once
#include "fused_conv.h"

#define P 0.625f
#define Q 1.5f
#define P2 (P * P)
#define Q2 (Q * Q)
#define R 0.5f
#define S 1.25f
#define R2 (R * R)
#define S2 (S * S)
enum { TILE = 4, SIDE = 6, DOMAIN = SIDE * SIDE };

/* Six values `s` apart: Bᵀ d. */
INLINE void to_domain(vec *d, int s) {
    vec d0 = d[0], d1 = d[s], d2 = d[2 * s], d3 = d[3 * s], d4 = d[4 * s], d5 = d[5 * s];
    vec even_p = d4 - Q2 * d2, odd_p = d3 - Q2 * d1, even_q = d4 - P2 * d2, odd_q = d3 - P2 * d1;
    d[0] = P2 * Q2 * d0 + (d4 - (P2 + Q2) * d2);
    d[s] = even_p + P * odd_p;
    d[2 * s] = even_p - P * odd_p;
    d[3 * s] = even_q + Q * odd_q;
    d[4 * s] = even_q - Q * odd_q;
    d[5 * s] = P2 * Q2 * d1 + (d5 - (P2 + Q2) * d3);
}

/* Six values to four: Aᵀ m. */
INLINE void from_domain(vec *m, int s) {
    vec sum_p = m[s] + m[2 * s], less_p = m[s] - m[2 * s], sum_q = m[3 * s] + m[4 * s], less_q = m[3 * s] - m[4 * s];
    m[0] += sum_p + sum_q;
    m[s] = P * less_p + Q * less_q;
    m[2 * s] = P2 * sum_p + Q2 * sum_q;
    m[3 * s] = P * P2 * less_p + (Q * Q2 * less_q + m[5 * s]);
}

/* Four values to six: A y, the transpose of the above. */
INLINE void spread(vec *y, int s) {
    vec y0 = y[0], y1 = y[s], y2 = y[2 * s], y3 = y[3 * s];
    vec even_p = y0 + P2 * y2, odd_p = y1 + P2 * y3, even_q = y0 + Q2 * y2, odd_q = y1 + Q2 * y3;
    y[s] = even_p + P * odd_p;
    y[2 * s] = even_p - P * odd_p;
    y[3 * s] = even_q + Q * odd_q;
    y[4 * s] = even_q - Q * odd_q;
    y[5 * s] = y3;
}

/* G: a filter's three values to six. */
static const float FILTER[SIDE][3] = {
    {1 / (P2 * Q2), 0, 0},
    {0.5f / (P2 * (P2 - Q2)), 0.5f / (P * (P2 - Q2)), 0.5f / (P2 - Q2)},
    {0.5f / (P2 * (P2 - Q2)), -0.5f / (P * (P2 - Q2)), 0.5f / (P2 - Q2)},
    {0.5f / (Q2 * (Q2 - P2)), 0.5f / (Q * (Q2 - P2)), 0.5f / (Q2 - P2)},
    {0.5f / (Q2 * (Q2 - P2)), -0.5f / (Q * (Q2 - P2)), 0.5f / (Q2 - P2)},
    {0, 0, 1},
};

/* The same of strided.h's domain: its five points take the outer taps, the sixth number is the middle one. */
static const float FILTER_OF_TWO[SIDE][3] = {
    {0.5f / (R * (R2 - S2)), 0, 0.5f / (R2 - S2)},
    {-0.5f / (R * (R2 - S2)), 0, 0.5f / (R2 - S2)},
    {0.5f / (S * (S2 - R2)), 0, 0.5f / (S2 - R2)},
    {-0.5f / (S * (S2 - R2)), 0, 0.5f / (S2 - R2)},
    {0, 0, 1},
    {0, 1, 0},
};

/* Whether the i-th of a line of pixels lies in an image of so many, as fetch_if takes it; and where it is read: at the edge if not. */
INLINE uint32_t inside(long i, long size) { return i >= 0 && i < size ? ~0u : 0; }
INLINE long within(long i, long size) { return MIN(MAX(i, 0), size - 1); }

/* A line of SIDE pixels from `first` on: where they are, `step` apart, and whether they lie in the image. */
struct line { long at[SIDE]; uint32_t inside[SIDE]; };
INLINE struct line line(long first, long size, long step) {
    struct line found;
    UNROLL for (int i = 0; i < SIDE; i++) {
        found.at[i] = within(first + i, size) * step;
        found.inside[i] = inside(first + i, size);
    }
    return found;
}

/* `count` channels of tiles of x (N, height, width, channels), neighbours in a row, in the domain: v[q * stride + r * count + c], q <
DOMAIN, of tile r. What two of them share, two columns of six, is transformed once. */
INLINE void tiles_to_domain(const stored *x, struct pixel first, long tiles, long height, long width, long channels, long count, float *v, long stride) {
    struct line rows = line(first.i * TILE - 1, height, width * channels);
#define COLUMN(j)                                                                                                   \
    {                                                                                                               \
        const stored *column = image + within(left + (j), width) * channels + c;                                    \
        uint32_t there = inside(left + (j), width);                                                                 \
        UNROLL for (int i = 0; i < SIDE; i++) d[i * SIDE + (j)] = fetch_if(rows.inside[i] & there, column + rows.at[i]); \
        to_domain(d + (j), SIDE);                                                                                   \
    }
    const stored *image = x + first.image * height * width * channels;
    for (long c = 0; c < count; c += L) {
        float *to = v + c;
        long left = first.j * TILE - 1, last = left + tiles * TILE;
        vec d[DOMAIN];
        UNROLL for (int j = 0; j < SIDE - TILE; j++) COLUMN(j)
        for (; left < last; left += TILE, to += count) {
            UNROLL for (int j = SIDE - TILE; j < SIDE; j++) COLUMN(j)
            UNROLL for (int i = 0; i < SIDE; i++) {
                vec row[SIDE];
                UNROLL for (int j = 0; j < SIDE; j++) row[j] = d[i * SIDE + j];
                to_domain(row, 1);
                UNROLL for (int j = 0; j < SIDE; j++) store(to + (i * SIDE + j) * stride, row[j]);
                UNROLL for (int j = 0; j < SIDE - TILE; j++) d[i * SIDE + j] = d[i * SIDE + TILE + j];
            }
        }
    }
#undef COLUMN
}

/* Likewise of a tile of the gradient to the output: z[q * stride + k]. */
INLINE void gradient_to_domain(const stored *grad, struct pixel tile, long height, long width, long channels, long count, float *z, long stride) {
    struct line rows = line(tile.i * TILE, height, width * channels), columns = line(tile.j * TILE, width, channels);
    const stored *image = grad + tile.image * height * width * channels;
    for (long k = 0; k < count; k += L) {
        vec d[DOMAIN];
        UNROLL for (int j = 0; j < TILE; j++) {
            UNROLL for (int i = 0; i < TILE; i++)
                d[i * SIDE + j] = fetch_if(rows.inside[i] & columns.inside[j], image + rows.at[i] + columns.at[j] + k);
            spread(d + j, SIDE);
        }
        UNROLL for (int i = 0; i < SIDE; i++) {
            spread(d + i * SIDE, 1);
            UNROLL for (int j = 0; j < SIDE; j++) store(z + (i * SIDE + j) * stride + k, d[i * SIDE + j]);
        }
    }
}

/* L × L filters' gradients from the domain, the sum of total[part * apart + q * stride + c * row + k] over the parts, to their
place in `found` (outputs, 3, 3, inputs), by the table `filter`. */
INLINE void filters(const float (*filter)[3], const float *total, long parts, long apart, long stride, long row, float *found, long inputs) {
    float g[9][L][L]; /* tap, input, output */
    for (int c = 0; c < L; c++) {
        vec rows[3][SIDE];
        UNROLL for (int j = 0; j < SIDE; j++) {
            vec d[SIDE];
            UNROLL for (int i = 0; i < SIDE; i++) {
                const float *at = total + (i * SIDE + j) * stride + c * row;
                d[i] = load(at);
                for (long p = 1; p < parts; p++) d[i] += load(at + p * apart);
            }
            UNROLL for (int t = 0; t < 3; t++) {
                rows[t][j] = filter[0][t] * d[0];
                UNROLL for (int i = 1; i < SIDE; i++) rows[t][j] += filter[i][t] * d[i];
            }
        }
        UNROLL for (int s = 0; s < 3; s++) UNROLL for (int t = 0; t < 3; t++) {
            vec tap = filter[0][t] * rows[s][0];
            UNROLL for (int j = 1; j < SIDE; j++) tap += filter[j][t] * rows[s][j];
            store(g[s * 3 + t][c], tap);
        }
    }
    for (int k = 0; k < L; k++)
        for (int t = 0; t < 9; t++)
            for (int c = 0; c < L; c++) found[(k * 9 + t) * inputs + c] = g[t][c][k];
}

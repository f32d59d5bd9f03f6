/* 3×3 convolutions of stride 2, and their gradient to the input, by a Winograd transform of the odd pixels.

Along one axis, with padding 1, output i = w[1] x[2i] + (w[0] x[2i - 1] + w[2] x[2i + 1]). The second term is a
convolution of the odd pixels with two taps: F(4, 2) at the points ±1/2, ±5/4 and ∞ computes four outputs from five odd
pixels by five multiplications instead of eight. The four even pixels are multiplied by the middle tap directly. In two
dimensions a tile of 4×4 output pixels takes (5 + 4)² = 81 multiplications instead of 144. The even pixels of an axis
share one filter element, so that the filters have (5 + 1)² = 36 elements: STRIDED_FILTER_TRANSFORM. */
#pragma once
#include "winograd.h"

enum {
    ODD_POINTS = 5,                      /* along one axis: F(4, 2)'s points, */
    AXIS_POINTS = ODD_POINTS + OUT_TILE, /* and with the four even pixels */
    STRIDED_POINTS = AXIS_POINTS * AXIS_POINTS,
};

/* Loop over the elements n < STRIDED_POINTS of a tile that filter element q < TILE_POINTS multiplies: along each axis
the last filter element, the middle tap, belongs to four tile elements, every other one to one. */
#define FOR_TILE_ELEMENTS(q, n)                                                                                 \
    for (long i = (q) / IN_TILE; i < ((q) / IN_TILE < ODD_POINTS ? (q) / IN_TILE + 1 : AXIS_POINTS); i++)       \
        for (long j = (q) % IN_TILE, n = i * AXIS_POINTS + j;                                                   \
             j < ((q) % IN_TILE < ODD_POINTS ? (q) % IN_TILE + 1 : AXIS_POINTS); j++, n++)

/* F(4, 2)'s input transform of d0 … d4, to five vectors `s` apart. */
INLINE void odd_input_transform(vec d0, vec d1, vec d2, vec d3, vec d4, vec *to, int s) {
    vec even_r = d3 - S2 * d1, odd_r = d2 - S2 * d0, even_s = d3 - R2 * d1, odd_s = d2 - R2 * d0;
    to[0] = even_r + R * odd_r;
    to[s] = even_r - R * odd_r;
    to[2 * s] = even_s + S * odd_s;
    to[3 * s] = even_s - S * odd_s;
    to[4 * s] = R2 * S2 * d0 + (d4 - (R2 + S2) * d2);
}

/* F(4, 2)'s output transform: five values to four. */
INLINE void odd_output_transform(const vec *m, vec *y) {
    vec sum_r = m[0] + m[1], diff_r = m[0] - m[1], sum_s = m[2] + m[3], diff_s = m[2] - m[3];
    y[0] = sum_r + sum_s;
    y[1] = R * diff_r + S * diff_s;
    y[2] = R2 * sum_r + S2 * sum_s;
    y[3] = R * R2 * diff_r + (S * S2 * diff_s + m[4]);
}

/* Forward, input: nine pixels, `s` vectors apart, the first and the last odd → five points, four even pixels. */
INLINE void strided_input_transform_1d(vec *d, int s) {
    vec even[OUT_TILE];
    UNROLL for (int i = 0; i < OUT_TILE; i++) even[i] = d[(2 * i + 1) * s];
    odd_input_transform(d[0], d[2 * s], d[4 * s], d[6 * s], d[8 * s], d, s);
    UNROLL for (int i = 0; i < OUT_TILE; i++) d[(ODD_POINTS + i) * s] = even[i];
}

/* Forward, output: nine tile elements → four output pixels. */
INLINE void strided_output_transform_1d(vec *m) {
    vec y[OUT_TILE];
    odd_output_transform(m, y);
    UNROLL for (int i = 0; i < OUT_TILE; i++) m[i] = y[i] + m[ODD_POINTS + i];
}

/* Gradient to the input, its input: five gradients to the output, `s` vectors apart → nine tile elements. */
INLINE void backward_input_transform_1d(vec *d, int s) {
    UNROLL for (int i = OUT_TILE - 1; i >= 0; i--) d[(ODD_POINTS + i) * s] = d[i * s];
    odd_input_transform(d[5 * s], d[6 * s], d[7 * s], d[8 * s], d[4 * s], d, s);
}

/* Gradient to the weights: four gradients to the output, `s` vectors apart → nine tile elements, the transpose of
strided_output_transform_1d. */
INLINE void strided_grad_transform_1d(vec *y, int s) {
    vec y0 = y[0], y1 = y[s], y2 = y[2 * s], y3 = y[3 * s];
    vec even_r = y0 + R2 * y2, odd_r = y1 + R2 * y3, even_s = y0 + S2 * y2, odd_s = y1 + S2 * y3;
    vec to[AXIS_POINTS] = {even_r + R * odd_r, even_r - R * odd_r, even_s + S * odd_s, even_s - S * odd_s,
                           y3, y0, y1, y2, y3};
    UNROLL for (int i = 0; i < AXIS_POINTS; i++) y[i * s] = to[i];
}

/* Gradient to the input, its output: nine tile elements → eight gradients to the input, even and odd in turn. */
INLINE void backward_output_transform_1d(vec *m) {
    vec odd[OUT_TILE], even[OUT_TILE];
    odd_output_transform(m, odd);
    UNROLL for (int i = 0; i < OUT_TILE; i++) even[i] = m[ODD_POINTS + i];
    UNROLL for (int i = 0; i < OUT_TILE; i++) {
        m[2 * i] = even[i];
        m[2 * i + 1] = odd[i];
    }
}

/* Transform a tile of x, channels [channel, channel + count): element q < STRIDED_POINTS goes to v[q * stride + c]. The
tile has 9×9 pixels of the convolution's input, or with `backward` 5×5 of the gradient to its output. */
INLINE void transform_strided_tile(const struct unit *u, struct pixel tile, long channel, long count, float *v,
                                   long stride, int backward) {
    int side = backward ? ODD_POINTS : AXIS_POINTS;
    long top = backward ? tile.i * OUT_TILE : tile.i * 2 * OUT_TILE - 1;
    long left = backward ? tile.j * OUT_TILE : tile.j * 2 * OUT_TILE - 1;
    const act_t *corner = u->x + ((tile.image * u->height + top) * u->width + left) * u->inputs + channel;
    for (long c = 0; c < count; c += LANES) {
        vec d[STRIDED_POINTS];
        /* without this prefetch the stores below would wait for their cache lines */
        UNROLL for (int q = 0; q < STRIDED_POINTS; q++) __builtin_prefetch(v + q * stride + c, 1);
        for (int j = 0; j < side; j++) {
            const act_t *column = corner + j * u->inputs + c;
            int column_inside = left + j >= 0 && left + j < u->width;
            UNROLL for (int i = 0; i < side; i++) {
                int inside = column_inside && top + i >= 0 && top + i < u->height;
                d[i * AXIS_POINTS + j] = inside ? load_act(column + i * u->width * u->inputs) : (vec){0};
            }
            if (backward) backward_input_transform_1d(d + j, AXIS_POINTS);
            else strided_input_transform_1d(d + j, AXIS_POINTS);
        }
        for (int i = 0; i < AXIS_POINTS; i++) {
            if (backward) backward_input_transform_1d(d + i * AXIS_POINTS, 1);
            else strided_input_transform_1d(d + i * AXIS_POINTS, 1);
            UNROLL for (int j = 0; j < AXIS_POINTS; j++)
                store(v + (i * AXIS_POINTS + j) * stride + c, d[i * AXIS_POINTS + j]);
        }
    }
}

/* Transform a 4×4 tile of the gradient to the output, u->y, for the gradient to the weights: element q < STRIDED_POINTS
of channels [channel, channel + count) goes to z[q * stride + k]. */
INLINE void transform_strided_grad_tile(const struct unit *u, struct pixel tile, long channel, long count, float *z,
                                        long stride) {
    for (long k = 0; k < count; k += LANES) {
        vec d[STRIDED_POINTS];
        UNROLL for (int q = 0; q < STRIDED_POINTS; q++) __builtin_prefetch(z + q * stride + k, 1);
        for (int i = 0; i < OUT_TILE; i++) {
            UNROLL for (int j = 0; j < OUT_TILE; j++) {
                long top = tile.i * OUT_TILE + i, left = tile.j * OUT_TILE + j;
                long offset = (tile.image * u->out_height + top) * u->out_width + left;
                int inside = top < u->out_height && left < u->out_width;
                d[i * AXIS_POINTS + j] = inside ? load_act(u->y + offset * u->outputs + channel + k) : (vec){0};
            }
            strided_grad_transform_1d(d + i * AXIS_POINTS, 1);
        }
        for (int j = 0; j < AXIS_POINTS; j++) {
            strided_grad_transform_1d(d + j, AXIS_POINTS);
            UNROLL for (int i = 0; i < AXIS_POINTS; i++)
                store(z + (i * AXIS_POINTS + j) * stride + k, d[i * AXIS_POINTS + j]);
        }
    }
}

/* Output transform and epilogue of a tile, channels [channel, channel + LANES), element q at m[q * stride]: 4×4 pixels
of y, or with `backward` 8×8 of the gradient to the input. */
INLINE void finish_strided_tile(const struct unit *u, const float *m, long stride, struct pixel tile, long channel,
                                int backward) {
    const int side = backward ? 2 * OUT_TILE : OUT_TILE;
    vec rows[2 * OUT_TILE][AXIS_POINTS];
    for (int j = 0; j < AXIS_POINTS; j++) {
        vec column[AXIS_POINTS];
        UNROLL for (int i = 0; i < AXIS_POINTS; i++) column[i] = load(m + (i * AXIS_POINTS + j) * stride);
        if (backward) backward_output_transform_1d(column);
        else strided_output_transform_1d(column);
        UNROLL for (int i = 0; i < side; i++) rows[i][j] = column[i];
    }
    long top = tile.i * side, left = tile.j * side;
    long height = MIN(side, u->out_height - top), width = MIN(side, u->out_width - left);
    long offset = ((tile.image * u->out_height + top) * u->out_width + left) * u->outputs + channel;
    for (int i = 0; i < height; i++, offset += u->out_width * u->outputs) {
        vec *row = rows[i];
        if (backward) backward_output_transform_1d(row);
        else strided_output_transform_1d(row);
        if (backward && u->sparse && i % 2 == 0) { /* the gradient of a 1×1 shortcut of stride 2: even pixels only */
            const act_t *even =
                u->before + (((tile.image * u->height + (top + i) / 2) * u->width + left / 2) * u->outputs + channel);
            UNROLL for (int j = 0; j < OUT_TILE; j++) if (2 * j < width) row[2 * j] += load_act(even + j * u->outputs);
        }
        UNROLL for (int j = 0; j < side; j += OUT_TILE) {
            if (width - j >= OUT_TILE)
                epilogue(u, row + j, OUT_TILE, u->outputs, tile.image, channel, offset + j * u->outputs);
            else if (width > j)
                epilogue(u, row + j, width - j, u->outputs, tile.image, channel, offset + j * u->outputs);
        }
    }
}

/* Fused convolution (fused_conv.h); `backward`: the gradient to the convolution's input. */
INLINE void strided_pass(const struct unit *unit, long images, int backward) {
    const struct unit copy = *unit, *u = &copy; /* a local copy: the compiler knows that no store changes it */
    long down = CEIL_DIV(backward ? u->height : u->out_height, OUT_TILE);
    long across = CEIL_DIV(backward ? u->width : u->out_width, OUT_TILE);
    long tiles = images * down * across;
    long inputs = u->inputs, outputs = u->outputs, max_columns = MIN(PANEL_COLUMNS, outputs);
    long max_block = MAX(MIN(BLOCK_TILES, BLOCK_FLOATS / (STRIDED_POINTS * (inputs + max_columns))), 4);
    long block = balanced_block(tiles, max_block, omp_get_max_threads());
    long padded = CEIL_DIV(block, MAX_ROWS) * MAX_ROWS;
#pragma omp parallel for schedule(dynamic)
    for (long first = 0; first < tiles; first += block) {
        long count = MIN(block, tiles - first);
        long v_stride = padded * inputs + LANES; /* + LANES: else the elements of a tile would share a cache set */
        float *v = workspace(0, STRIDED_POINTS * v_stride);
        float *m = workspace(1, STRIDED_POINTS * (padded * max_columns + LANES));
        struct pixel tile = pixel_at(first, down, across);
        for (long r = 0; r < count; r++, next_pixel(&tile, down, across))
            transform_strided_tile(u, tile, 0, inputs, v + r * inputs, v_stride, backward);
        for (long k = 0, columns; k < outputs; k += columns) {
            columns = panel_width(k, outputs);
            long m_stride = padded * columns + LANES;
            for (long q = 0; q < TILE_POINTS; q++) {
                const float *weights = u->weights + (q * outputs + k) * inputs;
                const float *following = q + 1 < TILE_POINTS ? weights + outputs * inputs : NULL;
                FOR_TILE_ELEMENTS(q, n) {
                    gemm(v + n * v_stride, weights, m + n * m_stride, count, inputs, columns, following);
                    following = NULL;
                }
            }
            struct pixel ahead = tile = pixel_at(first, down, across);
            for (long r = 0; r < count; r++, next_pixel(&tile, down, across)) {
                next_pixel(&ahead, down, across);
                for (long c = 0; c < columns; c += LANES) {
                    /* not backward: the 8×8 pixels of a tile are too many */
                    if (!backward && c % CACHE_LINE == 0) prefetch_tile(u, ahead, k + c);
                    finish_strided_tile(u, m + r * columns + c, m_stride, tile, k + c, backward);
                }
            }
        }
    }
}

/* Strided convolution, or its gradient to the input if y is larger than x. */
static void strided(const struct unit *u, long images) {
    if (u->out_height > u->height || u->out_width > u->width) strided_pass(u, images, 1);
    else strided_pass(u, images, 0);
}

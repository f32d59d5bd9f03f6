/* 3×3 convolutions of stride 1 by Winograd's F(4×4, 3×3) (Lavin and Gray, CVPR 2016): 36 multiplications for 16 pixels in
place of 144. The polynomials are interpolated at 0, ±5/8, ±3/2 and ∞, which rounds as a direct fp32 convolution does, where
the usual 0, ±1, ±2, ∞ round twice as coarsely (Barabasz et al., ACM TOMS 2020, on the choice of points). */
#pragma once
#include <omp.h>
#include "unit.h"

#define P 0.625f
#define Q 1.5f
#define P2 (P * P)
#define Q2 (Q * Q)
enum { TILE = 4, SIDE = 6, DOMAIN = SIDE * SIDE, BLOCK = 48 };

/* Six values `s` apart: Bᵀ d. */
INLINE void to_domain(vec *d, int s) {
    vec d0 = d[0], d1 = d[s], d2 = d[2 * s], d3 = d[3 * s], d4 = d[4 * s], d5 = d[5 * s];
    vec even_p = d4 - Q2 * d2, odd_p = P * (d3 - Q2 * d1), even_q = d4 - P2 * d2, odd_q = Q * (d3 - P2 * d1);
    d[0] = P2 * Q2 * d0 - (P2 + Q2) * d2 + d4;
    d[s] = even_p + odd_p;
    d[2 * s] = even_p - odd_p;
    d[3 * s] = even_q + odd_q;
    d[4 * s] = even_q - odd_q;
    d[5 * s] = P2 * Q2 * d1 - (P2 + Q2) * d3 + d5;
}

/* Six values to four: Aᵀ m. */
INLINE void from_domain(vec *m, int s) {
    vec sum_p = m[s] + m[2 * s], less_p = m[s] - m[2 * s], sum_q = m[3 * s] + m[4 * s], less_q = m[3 * s] - m[4 * s];
    m[0] += sum_p + sum_q;
    m[s] = P * less_p + Q * less_q;
    m[2 * s] = P2 * sum_p + Q2 * sum_q;
    m[3 * s] = P * P2 * less_p + Q * Q2 * less_q + m[5 * s];
}

/* Four values to six: A y, the transpose of the above. */
INLINE void spread(vec *y, int s) {
    vec y0 = y[0], y1 = y[s], y2 = y[2 * s], y3 = y[3 * s];
    vec even_p = y0 + P2 * y2, odd_p = P * y1 + P * P2 * y3, even_q = y0 + Q2 * y2, odd_q = Q * y1 + Q * Q2 * y3;
    y[s] = even_p + odd_p;
    y[2 * s] = even_p - odd_p;
    y[3 * s] = even_q + odd_q;
    y[4 * s] = even_q - odd_q;
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

/* A tile of x (N, height, width, channels) in the domain: v[q * stride + c], q < DOMAIN. */
INLINE void tile_to_domain(const stored *x, struct pixel tile, long height, long width, long channels, float *v, long stride) {
    long top = tile.i * TILE - 1, left = tile.j * TILE - 1;
    const stored *corner = x + ((tile.image * height + top) * width + left) * channels;
    int inside[SIDE]; /* columns */
    UNROLL for (int j = 0; j < SIDE; j++) inside[j] = left + j >= 0 && left + j < width;
    for (long c = 0; c < channels; c += L) {
        vec d[DOMAIN];
        UNROLL for (int i = 0; i < SIDE; i++) {
            const stored *row = corner + i * width * channels + c;
            if (top + i >= 0 && top + i < height)
                UNROLL for (int j = 0; j < SIDE; j++) d[i * SIDE + j] = inside[j] ? fetch(row + j * channels) : (vec){0};
            else
                UNROLL for (int j = 0; j < SIDE; j++) d[i * SIDE + j] = (vec){0};
        }
        UNROLL for (int j = 0; j < SIDE; j++) to_domain(d + j, SIDE);
        UNROLL for (int i = 0; i < SIDE; i++) {
            to_domain(d + i * SIDE, 1);
            UNROLL for (int j = 0; j < SIDE; j++) store(v + (i * SIDE + j) * stride + c, d[i * SIDE + j]);
        }
    }
}

/* The tail (unit.h) of L channels of a tile, of which high × across pixels lie in the image; the first one's place in y is `at`. */
INLINE void finish_tile(const struct unit *u, vec *d, long image, long channel, long at, int high, int across) {
    long down = u->width * u->outputs, right = u->outputs;
#define EACH(WHAT)                                      \
    UNROLL for (int i = 0; i < high; i++)               \
        UNROLL for (int j = 0; j < across; j++) {       \
            vec *v = d + i * SIDE + j;                  \
            long here = at + i * down + j * right;      \
            (void)here;                                 \
            WHAT;                                       \
        }
    if (u->outputs < L) { /* an image's gradient, which has no tail */
        EACH(for (long k = 0; k < u->outputs; k++) keep1(u->y + here + k, (*v)[k]))
        return;
    }
    if (u->before) EACH(*v += fetch(u->before + here))
    if (u->mask) EACH(*v = choose(fetch(u->mask + here) <= 0, (vec){0}, *v))
    if (u->raw) EACH(keep(u->raw + here, *v))
    if (u->scale) {
        long row = (u->row ? u->row[image] * u->outputs : 0) + channel;
        vec scale = load(u->scale + row), shift = u->shift ? load(u->shift + row) : (vec){0};
        EACH(*v = *v * scale + shift)
    }
    if (u->after) EACH(*v += fetch(u->after + here))
    if (u->relu) EACH(*v = choose(*v < 0, (vec){0}, *v)) /* NaN stays NaN */
    EACH(keep(u->y + here, *v))
#undef EACH
}

/* y = tail(x * weights), see unit.h; inputs are a multiple of L, and so are outputs, but for those of an image's gradient. */
static void winograd(const struct unit *given, long images) {
    const struct unit copy = *given, *u = &copy; /* no store changes it, as the compiler can see */
    long down = CEIL(u->height, TILE), across = CEIL(u->width, TILE), tiles = images * down * across;
    long inputs = u->inputs, outputs = CEIL(u->outputs, L) * L, wide = MIN(PANEL, outputs);
    long block = share(tiles, BLOCK, omp_get_max_threads()), padded = CEIL(block, HIGH) * HIGH;
#pragma omp parallel for schedule(dynamic)
    for (long first = 0; first < tiles; first += block) {
        long count = MIN(block, tiles - first), stride = padded * inputs + L; /* L: else all lay in one set of the cache */
        float *v = workspace(0, DOMAIN * stride), *m = workspace(1, DOMAIN * (padded * wide + L));
        struct pixel tile = pixel(first, down, across);
        for (long r = 0; r < count; r++, next(&tile, down, across))
            tile_to_domain(u->x, tile, u->height, u->width, inputs, v + r * inputs, stride);
        for (long k = 0, columns; k < outputs; k += columns) {
            columns = panel(k, outputs);
            long apart = padded * columns + L;
            for (long q = 0; q < DOMAIN; q++)
                product(v + q * stride, u->weights + (q * outputs + k) * inputs, m + q * apart, count, inputs, columns);
            tile = pixel(first, down, across);
            for (long r = 0; r < count; r++, next(&tile, down, across)) {
                long top = tile.i * TILE, left = tile.j * TILE;
                for (long c = 0; c < columns; c += L) {
                    vec d[DOMAIN];
                    UNROLL for (int q = 0; q < DOMAIN; q++) d[q] = load(m + q * apart + r * columns + c);
                    UNROLL for (int j = 0; j < SIDE; j++) from_domain(d + j, SIDE);
                    UNROLL for (int i = 0; i < TILE; i++) from_domain(d + i * SIDE, 1);
                    long at = ((tile.image * u->height + top) * u->width + left) * u->outputs + k + c;
                    int high = MIN(TILE, u->height - top), across = MIN(TILE, u->width - left);
                    if (high == TILE && across == TILE) finish_tile(u, d, tile.image, k + c, at, TILE, TILE);
                    else finish_tile(u, d, tile.image, k + c, at, high, across);
                }
            }
        }
    }
}

/* The weights (outputs, 3, 3, inputs) in the domain, in panels: (DOMAIN, panels, inputs, panel). `backward`: of the convolution that
takes the gradient back to the input, whose inputs are the outputs of this one; columns beyond `inputs` are 0. */
void winograd_weights(const float *w, float *found, long outputs, long inputs, long backward) {
    long depth = backward ? outputs : inputs, columns = backward ? CEIL(inputs, L) * L : outputs;
#pragma omp parallel for schedule(dynamic)
    for (long d0 = 0; d0 < depth; d0 += L) {
        float g[9][L][L]; /* tap, depth, column */
        for (long k = 0, wide; k < columns; k += wide) {
            wide = panel(k, columns);
            for (long c = 0; c < wide; c += L) {
                for (int t = 0; t < 9; t++)
                    for (int d = 0; d < L; d++) {
                        for (int j = 0; j < L; j++)
                            if (!backward) g[t][d][j] = w[((k + c + j) * 9 + t) * inputs + d0 + d];
                            else g[8 - t][d][j] = k + c + j < inputs ? w[((d0 + d) * 9 + t) * inputs + k + c + j] : 0;
                    }
                for (int d = 0; d < L; d++)
                    for (int i = 0; i < SIDE; i++) {
                        vec row[3];
                        UNROLL for (int j = 0; j < 3; j++)
                            row[j] = FILTER[i][0] * load(g[j][d]) + FILTER[i][1] * load(g[3 + j][d]) + FILTER[i][2] * load(g[6 + j][d]);
                        UNROLL for (int j = 0; j < SIDE; j++)
                            store(found + ((i * SIDE + j) * columns + k) * depth + (d0 + d) * wide + c,
                                  FILTER[j][0] * row[0] + FILTER[j][1] * row[1] + FILTER[j][2] * row[2]);
                    }
            }
        }
    }
}

/* Tile of the gradient to the output, in the domain: z[q * stride + k]. */
INLINE void gradient_to_domain(const stored *grad, struct pixel tile, long height, long width, long channels, float *z, long stride) {
    for (long k = 0; k < channels; k += L) {
        vec d[DOMAIN];
        UNROLL for (int i = 0; i < TILE; i++) UNROLL for (int j = 0; j < TILE; j++) {
            long top = tile.i * TILE + i, left = tile.j * TILE + j, at = (tile.image * height + top) * width + left;
            d[i * SIDE + j] = top < height && left < width ? fetch(grad + at * channels + k) : (vec){0};
        }
        UNROLL for (int j = 0; j < TILE; j++) spread(d + j, SIDE);
        UNROLL for (int i = 0; i < SIDE; i++) {
            spread(d + i * SIDE, 1);
            UNROLL for (int j = 0; j < SIDE; j++) store(z + (i * SIDE + j) * stride + k, d[i * SIDE + j]);
        }
    }
}

/* L × L filters' gradients from the domain, total[q * stride + c * row + k], to their place in `found` (outputs, 3, 3, inputs). */
INLINE void filters(const float *total, long stride, long row, float *found, long inputs) {
    float g[9][L][L]; /* tap, input, output */
    for (int c = 0; c < L; c++) {
        vec rows[3][SIDE];
        UNROLL for (int j = 0; j < SIDE; j++) {
            vec d[SIDE];
            UNROLL for (int i = 0; i < SIDE; i++) d[i] = load(total + (i * SIDE + j) * stride + c * row);
            UNROLL for (int t = 0; t < 3; t++) {
                rows[t][j] = FILTER[0][t] * d[0];
                UNROLL for (int i = 1; i < SIDE; i++) rows[t][j] += FILTER[i][t] * d[i];
            }
        }
        UNROLL for (int s = 0; s < 3; s++) UNROLL for (int t = 0; t < 3; t++) {
            vec tap = FILTER[0][t] * rows[s][0];
            UNROLL for (int j = 1; j < SIDE; j++) tap += FILTER[j][t] * rows[s][j];
            store(g[s * 3 + t][c], tap);
        }
    }
    for (int k = 0; k < L; k++)
        for (int t = 0; t < 9; t++)
            for (int c = 0; c < L; c++) found[(k * 9 + t) * inputs + c] = g[t][c][k];
}

enum { EDGE = 64 };

/* The filters of up to EDGE inputs from c and outputs from k on, of all tiles. */
static void block_of_filters(const struct gradient *g, long c, long k, long tiles, long of_rows, long of_grads) {
    long inputs = g->unit->inputs, outputs = g->unit->outputs, high = MIN(EDGE, inputs - c), wide = MIN(EDGE, outputs - k);
    float *total = workspace(0, DOMAIN * EDGE * EDGE);
    memset(total, 0, DOMAIN * high * wide * 4);
    for (long q = 0; q < DOMAIN; q++)
        outer(g->rows + q * of_rows + c, inputs, g->grads + q * of_grads + k, outputs, total + q * high * wide, wide, high, tiles, wide);
    for (long i = 0; i < high; i += L)
        for (long j = 0; j < wide; j += L)
            filters(total + i * wide + j, high * wide, wide, g->found + (k + j) * 9 * inputs + c + i, inputs);
}

/* Room: DOMAIN × (chunk × inputs + L), DOMAIN × (chunk × outputs + L), and DOMAIN × inputs × outputs floats. Weights are summed up in blocks that
stay in the cache, each domain by domain; where one chunk holds all tiles, a block is complete at once. */
static void winograd_gradient(const struct gradient *g, long images) {
    const struct unit *u = g->unit;
    long down = CEIL(u->height, TILE), across = CEIL(u->width, TILE), tiles = images * down * across;
    long inputs = u->inputs, outputs = u->outputs, of_rows = g->chunk * inputs + L, of_grads = g->chunk * outputs + L;
    int once = tiles <= g->chunk && CEIL(inputs, EDGE) * CEIL(outputs, EDGE) >= omp_get_max_threads();
    if (!once) memset(g->total, 0, DOMAIN * inputs * outputs * 4);
#pragma omp parallel
    for (long first = 0; first < tiles; first += g->chunk) {
        long count = MIN(g->chunk, tiles - first);
#pragma omp for schedule(dynamic)
        for (long r = 0; r < count; r++) {
            struct pixel tile = pixel(first + r, down, across);
            tile_to_domain(u->x, tile, u->height, u->width, inputs, g->rows + r * inputs, of_rows);
            gradient_to_domain(u->y, tile, u->height, u->width, outputs, g->grads + r * outputs, of_grads);
        }
        if (once) {
#pragma omp for schedule(dynamic) collapse(2)
            for (long c = 0; c < inputs; c += EDGE)
                for (long k = 0; k < outputs; k += EDGE) block_of_filters(g, c, k, count, of_rows, of_grads);
        } else {
#pragma omp for schedule(dynamic) collapse(2)
            for (long q = 0; q < DOMAIN; q++)
                for (long c = 0; c < inputs; c += L)
                    outer(g->rows + q * of_rows + c, inputs, g->grads + q * of_grads, outputs, g->total + (q * inputs + c) * outputs,
                          outputs, L, count, outputs);
        }
    }
    if (once) return;
#pragma omp parallel for schedule(dynamic) collapse(2)
    for (long c = 0; c < inputs; c += L)
        for (long k = 0; k < outputs; k += L)
            filters(g->total + c * outputs + k, inputs * outputs, outputs, g->found + k * 9 * inputs + c, inputs);
}

/* 3×3 convolutions of stride 1 in Winograd's domain (domain.h): 36 multiplications for 16 pixels in place of 144. */
#pragma once
#include <omp.h>
#include "domain.h"

enum { BLOCK = 48, ROOM = 200000, LINE = 64 / sizeof(stored) }; /* LINE: numbers in a line of the cache */

/* The tail (unit.h) of L channels of high × wide pixels from (top, left) on, whose rows are `side` vectors apart. */
INLINE void finish_pixels(const struct unit *u, vec *d, int side, long image, long channel, long top, long left, int high, int wide) {
    long at = ((image * u->out_height + top) * u->out_width + left) * u->outputs + channel;
    long down = u->out_width * u->outputs, right = u->outputs;
#define EACH(WHAT)                                      \
    UNROLL for (int i = 0; i < high; i++)               \
        UNROLL for (int j = 0; j < wide; j++) {         \
            vec *v = d + i * side + j;                  \
            long here = at + i * down + j * right;      \
            (void)here;                                 \
            WHAT;                                       \
        }
    if (u->outputs < L) { /* an image's gradient, which has no tail */
        EACH(stored found[L]; keep(found, *v); for (long k = 0; k < u->outputs; k++) u->y[here + k] = found[k])
        return;
    }
    if (u->before && !u->sparse) EACH(*v += fetch(u->before + here))
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

/* Likewise, of a whole tile if it lies in the image. */
INLINE void finish_block(const struct unit *u, vec *d, int side, long image, long channel, long top, long left, int high, int wide) {
    if (high == TILE && wide == TILE) finish_pixels(u, d, side, image, channel, top, left, TILE, TILE);
    else finish_pixels(u, d, side, image, channel, top, left, high, wide);
}

/* What the tail of a tile reads and writes from `channel` on comes into the cache meanwhile. */
INLINE void expect_tile(const struct unit *u, struct pixel tile, long channel) {
    const stored *all[] = {u->y, u->raw, u->before, u->mask, u->after};
    long at = ((tile.image * u->out_height + tile.i * TILE) * u->out_width + tile.j * TILE) * u->outputs + channel;
    UNROLL for (int n = 0; n < 5; n++)
        for (int i = 0; all[n] && i < TILE; i++)
            UNROLL for (int j = 0; j < TILE; j++) {
                const stored *here = all[n] + at + (i * u->out_width + j) * u->outputs;
                if (n < 2) __builtin_prefetch(here, 1);
                else __builtin_prefetch(here, 0);
            }
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
            tile_to_domain(u->x, tile, u->height, u->width, inputs, inputs, v + r * inputs, stride);
        for (long k = 0, columns; k < outputs; k += columns) {
            columns = panel(k, outputs);
            long apart = padded * columns + L;
            for (long q = 0; q < DOMAIN; q++) {
                const float *weights = u->weights + (q * outputs + k) * inputs, *then = q + 1 < DOMAIN ? weights + outputs * inputs : NULL;
                product(v + q * stride, weights, m + q * apart, count, inputs, columns, then);
            }
            struct pixel after = tile = pixel(first, down, across);
            for (long r = 0; r < count; r++, next(&tile, down, across)) {
                long top = tile.i * TILE, left = tile.j * TILE;
                int high = MIN(TILE, u->height - top), far = MIN(TILE, u->width - left);
                next(&after, down, across);
                for (long c = 0; c < columns; c += L) {
                    if (c % LINE == 0) expect_tile(u, after, k + c);
                    vec d[DOMAIN];
                    UNROLL for (int q = 0; q < DOMAIN; q++) d[q] = load(m + q * apart + r * columns + c);
                    UNROLL for (int j = 0; j < SIDE; j++) from_domain(d + j, SIDE);
                    UNROLL for (int i = 0; i < TILE; i++) from_domain(d + i * SIDE, 1);
                    finish_block(u, d, SIDE, tile.image, k + c, top, left, high, far);
                }
            }
        }
    }
}

/* The weights (outputs, 3, 3, inputs) in the domain, in panels: (DOMAIN, panels, inputs, panel). `backward`: of the convolution that
takes the gradient back to the input, whose inputs are the outputs of this one; columns beyond `inputs` are 0. `stride`: 1, or 2 for
strided.h. */
void winograd_weights(const float *w, float *found, long outputs, long inputs, long stride, long backward) {
    const float(*filter)[3] = stride == 1 ? FILTER : FILTER_OF_TWO;
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
                            row[j] = filter[i][0] * load(g[j][d]) + filter[i][1] * load(g[3 + j][d]) + filter[i][2] * load(g[6 + j][d]);
                        UNROLL for (int j = 0; j < SIDE; j++)
                            store(found + ((i * SIDE + j) * columns + k) * depth + (d0 + d) * wide + c,
                                  filter[j][0] * row[0] + filter[j][1] * row[1] + filter[j][2] * row[2]);
                    }
            }
        }
    }
}

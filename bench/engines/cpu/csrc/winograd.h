/* 3×3 convolutions of stride 1 in Winograd's domain (domain.h): 36 multiplications for 16 pixels in place of 144. */
#pragma once
#include <omp.h>
#include "winograd_transform.h"

enum { BLOCK = 48, ROOM = 200000, LINE = 64 / sizeof(stored) }; /* LINE: numbers in a line of the cache */

/* Pixels of y from L channels of a tile in the domain, m[q * apart]. */
INLINE void tile_from_domain(const struct unit *u, const float *m, long apart, struct pixel tile, long channel) {
    vec rows[TILE][SIDE];
    UNROLL for (int j = 0; j < SIDE; j++) {
        vec column[SIDE];
        UNROLL for (int i = 0; i < SIDE; i++) column[i] = load(m + (i * SIDE + j) * apart);
        from_domain(column, 1);
        UNROLL for (int i = 0; i < TILE; i++) rows[i][j] = column[i];
    }
    long top = tile.i * TILE, left = tile.j * TILE, high = MIN(TILE, u->out_height - top), wide = MIN(TILE, u->out_width - left);
    long at = ((tile.image * u->out_height + top) * u->out_width + left) * u->outputs + channel;
    for (long i = 0; i < high; i++, at += u->out_width * u->outputs) {
        from_domain(rows[i], 1);
        if (wide == TILE) finish(u, rows[i], TILE, u->outputs, tile.image, channel, at);
        else finish(u, rows[i], wide, u->outputs, tile.image, channel, at);
    }
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
        for (long r = 0, some; r < count; r += some, skip(&tile, some, down, across)) {
            some = MIN(count - r, across - tile.j);
            tiles_to_domain(u->x, tile, some, u->height, u->width, inputs, inputs, v + r * inputs, stride);
        }
        for (long k = 0, columns; k < outputs; k += columns) {
            columns = panel(k, outputs);
            long apart = padded * columns + L;
            for (long q = 0; q < DOMAIN; q++) {
                const float *weights = u->weights + (q * outputs + k) * inputs, *then = q + 1 < DOMAIN ? weights + outputs * inputs : NULL;
                product(v + q * stride, weights, m + q * apart, count, inputs, columns, then);
            }
            struct pixel after = tile = pixel(first, down, across);
            for (long r = 0; r < count; r++, next(&tile, down, across)) {
                next(&after, down, across);
                for (long c = 0; c < columns; c += L) {
                    if (c % LINE == 0) expect_tile(u, after, k + c);
                    tile_from_domain(u, m + r * columns + c, apart, tile, k + c);
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

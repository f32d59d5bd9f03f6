/* 3×3 convolutions of stride 1 by Winograd's F(4×4, 3×3), see winograd_transform.h: 36 multiplications for 16 output
pixels instead of 144. Also the gradient to the input, a convolution with the filters rotated by 180°.

For each block of tiles: transform the input tiles, one GEMM (tiles, inputs) × (inputs, outputs) for each of the 36 tile
elements, transform the products to output pixels and apply the epilogue. */
#pragma once
#include <omp.h>
#include "winograd_transform.h"

enum {
    BLOCK_TILES = 48,                /* tiles in a block, at most */
    BLOCK_FLOATS = 200000,           /* target for a block's transformed tiles and products (winograd_strided.h) */
    CACHE_LINE = 64 / sizeof(act_t), /* elements in a cache line */
};

/* Output pixels of a tile from its transformed channels [channel, channel + LANES), element q at m[q * stride]: Aᵀ M A,
then the epilogue. */
INLINE void finish_tile(const struct unit *u, const float *m, long stride, struct pixel tile, long channel) {
    vec rows[OUT_TILE][IN_TILE];
    UNROLL for (int j = 0; j < IN_TILE; j++) {
        vec column[IN_TILE];
        UNROLL for (int i = 0; i < IN_TILE; i++) column[i] = load(m + (i * IN_TILE + j) * stride);
        output_transform_1d(column, 1);
        UNROLL for (int i = 0; i < OUT_TILE; i++) rows[i][j] = column[i];
    }
    long top = tile.i * OUT_TILE, left = tile.j * OUT_TILE;
    long height = MIN(OUT_TILE, u->out_height - top), width = MIN(OUT_TILE, u->out_width - left);
    long offset = ((tile.image * u->out_height + top) * u->out_width + left) * u->outputs + channel;
    for (long i = 0; i < height; i++, offset += u->out_width * u->outputs) {
        output_transform_1d(rows[i], 1);
        if (width == OUT_TILE) epilogue(u, rows[i], OUT_TILE, u->outputs, tile.image, channel, offset);
        else epilogue(u, rows[i], width, u->outputs, tile.image, channel, offset);
    }
}

/* Prefetch a cache line of channels from `channel` on of all that the epilogue of a tile reads and writes. */
INLINE void prefetch_tile(const struct unit *u, struct pixel tile, long channel) {
    const act_t *tensors[] = {u->y, u->raw, u->before, u->mask, u->after};
    long offset = ((tile.image * u->out_height + tile.i * OUT_TILE) * u->out_width + tile.j * OUT_TILE) * u->outputs +
                  channel;
    UNROLL for (int n = 0; n < 5; n++)
        for (int i = 0; tensors[n] && i < OUT_TILE; i++)
            UNROLL for (int j = 0; j < OUT_TILE; j++) {
                const act_t *pixel = tensors[n] + offset + (i * u->out_width + j) * u->outputs;
                if (n < 2) __builtin_prefetch(pixel, 1);
                else __builtin_prefetch(pixel, 0);
            }
}

/* Fused convolution (fused_conv.h). inputs is a multiple of LANES, and so is outputs except in the gradient to an
image. */
static void winograd(const struct unit *unit, long images) {
    const struct unit copy = *unit, *u = &copy; /* a local copy: the compiler knows that no store changes it */
    long down = CEIL_DIV(u->height, OUT_TILE), across = CEIL_DIV(u->width, OUT_TILE), tiles = images * down * across;
    long inputs = u->inputs, outputs = CEIL_DIV(u->outputs, LANES) * LANES, max_columns = MIN(PANEL_COLUMNS, outputs);
    long block = balanced_block(tiles, BLOCK_TILES, omp_get_max_threads());
    long padded = CEIL_DIV(block, MAX_ROWS) * MAX_ROWS;
#pragma omp parallel for schedule(dynamic)
    for (long first = 0; first < tiles; first += block) {
        long count = MIN(block, tiles - first);
        long v_stride = padded * inputs + LANES; /* + LANES: else the elements of a tile would share a cache set */
        float *v = workspace(0, TILE_POINTS * v_stride);
        float *m = workspace(1, TILE_POINTS * (padded * max_columns + LANES));
        struct pixel tile = pixel_at(first, down, across);
        for (long r = 0, run; r < count; r += run, advance_pixel(&tile, run, down, across)) {
            run = MIN(count - r, across - tile.j);
            transform_input_tiles(u->x, tile, run, u->height, u->width, inputs, inputs, v + r * inputs, v_stride);
        }
        for (long k = 0, columns; k < outputs; k += columns) {
            columns = panel_width(k, outputs);
            long m_stride = padded * columns + LANES;
            for (long q = 0; q < TILE_POINTS; q++) {
                const float *weights = u->weights + (q * outputs + k) * inputs;
                const float *following = q + 1 < TILE_POINTS ? weights + outputs * inputs : NULL;
                gemm(v + q * v_stride, weights, m + q * m_stride, count, inputs, columns, following);
            }
            struct pixel ahead = tile = pixel_at(first, down, across);
            for (long r = 0; r < count; r++, next_pixel(&tile, down, across)) {
                next_pixel(&ahead, down, across);
                for (long c = 0; c < columns; c += LANES) {
                    if (c % CACHE_LINE == 0) prefetch_tile(u, ahead, k + c);
                    finish_tile(u, m + r * columns + c, m_stride, tile, k + c);
                }
            }
        }
    }
}

/* Transform and pack filters w (outputs, 3, 3, inputs): G g Gᵀ as `packed` (TILE_POINTS, depth × columns in panels).
Forward: depth = inputs, columns = outputs. `backward`, for the gradient to the input: depth = outputs, columns = inputs
rounded up to a multiple of LANES (zeros beyond inputs), filters rotated by 180°. `stride`: 1, or 2 for
winograd_strided.h. */
void winograd_weights(const float *w, float *packed, long outputs, long inputs, long stride, long backward) {
    const float(*transform)[3] = stride == 1 ? FILTER_TRANSFORM : STRIDED_FILTER_TRANSFORM;
    long depth = backward ? outputs : inputs, columns = backward ? CEIL_DIV(inputs, LANES) * LANES : outputs;
#pragma omp parallel for schedule(dynamic)
    for (long d0 = 0; d0 < depth; d0 += LANES) {
        float g[9][LANES][LANES]; /* tap, depth, column */
        for (long k = 0, width; k < columns; k += width) {
            width = panel_width(k, columns);
            for (long c = 0; c < width; c += LANES) {
                for (int t = 0; t < 9; t++)
                    for (int d = 0; d < LANES; d++) {
                        for (int j = 0; j < LANES; j++)
                            if (!backward) g[t][d][j] = w[((k + c + j) * 9 + t) * inputs + d0 + d];
                            else g[8 - t][d][j] = k + c + j < inputs ? w[((d0 + d) * 9 + t) * inputs + k + c + j] : 0;
                    }
                for (int d = 0; d < LANES; d++)
                    for (int i = 0; i < IN_TILE; i++) {
                        vec row[3];
                        UNROLL for (int j = 0; j < 3; j++)
                            row[j] = transform[i][0] * load(g[j][d]) + transform[i][1] * load(g[3 + j][d]) +
                                     transform[i][2] * load(g[6 + j][d]);
                        UNROLL for (int j = 0; j < IN_TILE; j++)
                            store(packed + ((i * IN_TILE + j) * columns + k) * depth + (d0 + d) * width + c,
                                  transform[j][0] * row[0] + transform[j][1] * row[1] + transform[j][2] * row[2]);
                    }
            }
        }
    }
}

/* Gradient to a convolution's weights:

    dw[output][tap][input] = Σ x[pixel + tap][input] dy[pixel][output] over all pixels of all images

By Winograd transforms the sum runs over tiles, for each of the 36 tile elements; otherwise over im2col rows. Either way
it is a product aᵀ b, computed in blocks of 64 × 64 that fit into a core's cache. If there are few blocks, the pixels or
tiles are split into parts whose sums are added at the end. Blocks and parts depend on sizes only, not on the number of
threads, and so results do not either. */
#pragma once
#include "im2col.h"
#include "winograd_strided.h"

struct gradient {
    const struct unit *unit; /* without an epilogue; x: the convolution's input, y: the gradient to its output */
    float *found;            /* (outputs, taps, inputs) */
    long tiled;              /* stride (1 or 2) of a convolution by Winograd transforms, 0: im2col */
    float *room;             /* partial sums: room_to_weights() floats */
};

enum {
    BLOCK_CHANNELS = 64,     /* inputs and outputs in a block, at most */
    MIN_TASKS = 16,          /* fewer blocks than this are split into parts */
    MAX_SMALL_PARTS = 4,     /* see part_count */
    GRAD_TILES = 48,         /* tiles transformed at a time */
    STRIDED_GRAD_TILES = 20, /* the same at stride 2 */
    GRAD_PIXELS = 64,        /* im2col rows at a time */
};

/* Number of parts that the sums over `items` pixels or tiles are split into: enough for MIN_TASKS tasks, but no part
has fewer than `min_items` items, and beyond MAX_SMALL_PARTS parts none has fewer than `large_part`: adding up small
parts would cost too much. */
INLINE long part_count(long blocks, long items, long min_items, long large_part) {
    return MAX(MIN(CEIL_DIV(MIN_TASKS, blocks), MAX(MIN(MAX_SMALL_PARTS, items / min_items), items / large_part)), 1);
}

INLINE long channel_block_count(const struct unit *u) {
    return CEIL_DIV(u->inputs, BLOCK_CHANNELS) * CEIL_DIV(u->outputs, BLOCK_CHANNELS);
}
INLINE long tile_count(const struct unit *u, long images) {
    return images * CEIL_DIV(u->out_height, OUT_TILE) * CEIL_DIV(u->out_width, OUT_TILE);
}

/* total[q][c - c0][k - k0] = Σ over tiles [first, last) of transformed input c times transformed gradient k, for
`inputs` inputs from c0 on and `outputs` outputs from k0 on. */
static void sum_tiles(const struct unit *u, long first, long last, long c0, long k0, long inputs, long outputs,
                      float *total) {
    long down = CEIL_DIV(u->height, OUT_TILE), across = CEIL_DIV(u->width, OUT_TILE);
    long x_stride = GRAD_TILES * inputs + LANES, grad_stride = GRAD_TILES * outputs + LANES;
    float *x = workspace(0, TILE_POINTS * x_stride), *grads = workspace(1, TILE_POINTS * grad_stride);
    for (long start = first; start < last; start += GRAD_TILES) {
        long count = MIN(GRAD_TILES, last - start);
        struct pixel tile = pixel_at(start, down, across);
        for (long r = 0, run; r < count; r += run, advance_pixel(&tile, run, down, across)) {
            run = MIN(count - r, across - tile.j);
            transform_input_tiles(u->x + c0, tile, run, u->height, u->width, u->inputs, inputs, x + r * inputs,
                                  x_stride);
        }
        tile = pixel_at(start, down, across);
        for (long r = 0; r < count; r++, next_pixel(&tile, down, across))
            transform_grad_tile(u->y + k0, tile, u->height, u->width, u->outputs, outputs, grads + r * outputs,
                                grad_stride);
        for (long q = 0; q < TILE_POINTS; q++)
            gemm_tn(x + q * x_stride, grads + q * grad_stride, total + q * inputs * outputs, inputs, count, outputs,
                    start > first);
    }
}

/* sum_tiles for stride 2: the tile elements that share a filter element are added. */
static void sum_strided_tiles(const struct unit *u, long first, long last, long c0, long k0, long inputs, long outputs,
                              float *total) {
    long down = CEIL_DIV(u->out_height, OUT_TILE), across = CEIL_DIV(u->out_width, OUT_TILE);
    long x_stride = STRIDED_GRAD_TILES * inputs + LANES, grad_stride = STRIDED_GRAD_TILES * outputs + LANES;
    float *x = workspace(0, STRIDED_POINTS * x_stride), *grads = workspace(1, STRIDED_POINTS * grad_stride);
    for (long start = first; start < last; start += STRIDED_GRAD_TILES) {
        long count = MIN(STRIDED_GRAD_TILES, last - start);
        struct pixel tile = pixel_at(start, down, across);
        for (long r = 0; r < count; r++, next_pixel(&tile, down, across)) {
            transform_strided_tile(u, tile, c0, inputs, x + r * inputs, x_stride, 0);
            transform_strided_grad_tile(u, tile, k0, outputs, grads + r * outputs, grad_stride);
        }
        for (long q = 0; q < TILE_POINTS; q++) {
            int accumulate = start > first;
            FOR_TILE_ELEMENTS(q, n) {
                gemm_tn(x + n * x_stride, grads + n * grad_stride, total + q * inputs * outputs, inputs, count, outputs,
                        accumulate);
                accumulate = 1;
            }
        }
    }
}

/* Filter gradients of a block from its `parts` partial sums, `part_stride` floats apart. */
static void finish_channel_block(const struct gradient *g, long c0, long k0, long inputs, long outputs,
                                 const float *total, long parts, long part_stride) {
    long all_inputs = g->unit->inputs;
    for (long i = 0; i < inputs; i += LANES)
        for (long j = 0; j < outputs; j += LANES)
            transform_filter_grads(g->tiled == 1 ? FILTER_TRANSFORM : STRIDED_FILTER_TRANSFORM, total + i * outputs + j,
                                   parts, part_stride, inputs * outputs, outputs,
                                   g->found + (k0 + j) * 9 * all_inputs + c0 + i, all_inputs);
}

static void winograd_weight_grad(const struct gradient *g, long images) {
    const struct unit *u = g->unit;
    long inputs = u->inputs, outputs = u->outputs, tiles = tile_count(u, images), blocks = channel_block_count(u);
    long parts = part_count(blocks, tiles, GRAD_TILES, 10 * GRAD_TILES);
    long size = TILE_POINTS * MIN(BLOCK_CHANNELS, inputs) * MIN(BLOCK_CHANNELS, outputs);
    long block_columns = CEIL_DIV(outputs, BLOCK_CHANNELS);
#define CHANNEL_BLOCK(id)                                                                                            \
    long c0 = (id) / block_columns * BLOCK_CHANNELS, block_inputs = MIN(BLOCK_CHANNELS, inputs - c0);                \
    long k0 = (id) % block_columns * BLOCK_CHANNELS, block_outputs = MIN(BLOCK_CHANNELS, outputs - k0);
#pragma omp parallel
    {
#pragma omp for schedule(dynamic)
        for (long task = 0; task < blocks * parts; task++) {
            long part = task % parts;
            float *total = parts > 1 ? g->room + task * size : workspace(2, size);
            CHANNEL_BLOCK(task / parts)
            (g->tiled == 1 ? sum_tiles : sum_strided_tiles)(u, tiles * part / parts, tiles * (part + 1) / parts, c0, k0,
                                                            block_inputs, block_outputs, total);
            if (parts == 1) finish_channel_block(g, c0, k0, block_inputs, block_outputs, total, 1, 0);
        }
#pragma omp for schedule(dynamic)
        for (long id = 0; id < (parts > 1 ? blocks : 0); id++) {
            CHANNEL_BLOCK(id)
            finish_channel_block(g, c0, k0, block_inputs, block_outputs, g->room + id * parts * size, parts, size);
        }
    }
#undef CHANNEL_BLOCK
}

/* A slice of the columns of the im2col matrix, at most BLOCK_CHANNELS wide: `count` columns from `column` on. They are
elements `start` to `start + count` of run `run` or, if the whole row is so short, all `runs` runs. */
struct slice { long run, runs, start, count, column; };
INLINE long im2col_depth(const struct unit *u) { return u->taps * u->inputs; }
INLINE long slice_count(const struct unit *u) {
    if (im2col_depth(u) <= BLOCK_CHANNELS) return 1;
    long count = 0;
    for (long r = 0; r < u->runs; r++) count += CEIL_DIV(u->length[r] * u->inputs, BLOCK_CHANNELS);
    return count;
}
INLINE struct slice slice_at(const struct unit *u, long id) {
    if (im2col_depth(u) <= BLOCK_CHANNELS) return (struct slice){0, u->runs, 0, im2col_depth(u), 0};
    for (long r = 0, column = 0;; r++) {
        long length = u->length[r] * u->inputs, slices = CEIL_DIV(length, BLOCK_CHANNELS);
        if (id < slices)
            return (struct slice){r, 1, id * BLOCK_CHANNELS, MIN(BLOCK_CHANNELS, length - id * BLOCK_CHANNELS),
                                  column + id * BLOCK_CHANNELS};
        id -= slices;
        column += length;
    }
}

/* Copy the gradients to the output at `count` grid pixels from `first` on, in panels of BLOCK_CHANNELS outputs. */
static void pack_output_grads(const struct unit *u, long first, long count, float *grads) {
    struct pixel p = pixel_at(first, u->grid_height, u->grid_width);
    for (long r = 0; r < count; r++, next_pixel(&p, u->grid_height, u->grid_width)) {
        const act_t *y = u->y + output_index(u, p) * u->outputs;
        for (long k = 0; k < u->outputs; k += LANES) {
            long width = MIN(BLOCK_CHANNELS, u->outputs - k / BLOCK_CHANNELS * BLOCK_CHANNELS);
            store(grads + k / BLOCK_CHANNELS * BLOCK_CHANNELS * GRAD_PIXELS + r * width + k % BLOCK_CHANNELS,
                  load_act(y + k));
        }
    }
}

/* Copy a slice of the im2col rows of `count` grid pixels from `first` on, in rows of `row_stride` floats. */
static void im2col_slice(const struct unit *u, struct slice s, long first, long count, long row_stride, float *rows,
                         const act_t *end) {
    struct pixel p = pixel_at(first, u->grid_height, u->grid_width);
    for (long r = 0; r < count; r++, next_pixel(&p, u->grid_height, u->grid_width))
        if (s.runs > 1) im2col_row(u, p, rows + r * row_stride, end);
        else im2col_run(u, p, s.run, s.start, s.count, rows + r * row_stride, end);
}

static void im2col_weight_grad(const struct gradient *g, long images) {
    const struct unit *u = g->unit;
    long depth = im2col_depth(u), outputs = u->outputs, pixels = images * u->grid_height * u->grid_width;
    long slices = slice_count(u), parts = part_count(slices, pixels, GRAD_PIXELS, GRAD_PIXELS), tasks = slices * parts;
    long size = BLOCK_CHANNELS * outputs;
    const act_t *end = u->x + images * u->height * u->width * u->inputs;
#pragma omp parallel
    {
        float *rows = workspace(0, GRAD_PIXELS * BLOCK_CHANNELS + LANES), *grads = workspace(1, GRAD_PIXELS * outputs);
        /* Consecutive tasks for each thread: the slices of one part share its packed gradients */
        long thread = omp_get_thread_num(), threads = omp_get_num_threads();
        long begin = tasks * thread / threads, finish = tasks * (thread + 1) / threads;
        for (long part = begin / slices; part * slices < finish; part++) {
            long first = pixels * part / parts, last = pixels * (part + 1) / parts;
            long first_slice = MAX(begin - part * slices, 0), last_slice = MIN(finish - part * slices, slices);
            for (long start = first; start < last; start += GRAD_PIXELS) {
                long count = MIN(GRAD_PIXELS, last - start);
                pack_output_grads(u, start, count, grads);
                for (long id = first_slice; id < last_slice; id++) {
                    struct slice s = slice_at(u, id);
                    long padded = CEIL_DIV(s.count, 8) * 8;
                    im2col_slice(u, s, start, count, padded, rows, end);
                    for (long k = 0; k < outputs; k += BLOCK_CHANNELS)
                        gemm_tn(rows, grads + k * GRAD_PIXELS,
                                g->room + (part * slices + id) * size + k * BLOCK_CHANNELS, padded, count,
                                MIN(BLOCK_CHANNELS, outputs - k), start > first);
                }
            }
        }
#pragma omp barrier
#pragma omp for schedule(dynamic)
        for (long id = 0; id < slices; id++) {
            struct slice s = slice_at(u, id);
            for (long k = 0; k < outputs; k++) {
                long width = MIN(BLOCK_CHANNELS, outputs - k / BLOCK_CHANNELS * BLOCK_CHANNELS);
                const float *total = g->room + id * size +
                                     k / BLOCK_CHANNELS * BLOCK_CHANNELS * BLOCK_CHANNELS + k % BLOCK_CHANNELS;
                for (long d = 0; d < s.count; d++) {
                    float sum = 0;
                    for (long part = 0; part < parts; part++) sum += total[part * slices * size + d * width];
                    g->found[k * depth + s.column + d] = sum;
                }
            }
        }
    }
}

/* Gradient to a convolution's weights, g->found. */
void to_weights(const struct gradient *g, long images) {
    if (g->tiled) winograd_weight_grad(g, images);
    else im2col_weight_grad(g, images);
}

/* Floats that g->room needs for up to `images` images. */
long room_to_weights(const struct unit *u, long tiled, long images) {
    if (!tiled) {
        long slices = slice_count(u);
        long parts = part_count(slices, images * u->grid_height * u->grid_width, GRAD_PIXELS, GRAD_PIXELS);
        return slices * parts * BLOCK_CHANNELS * u->outputs;
    }
    long blocks = channel_block_count(u);
    long size = TILE_POINTS * MIN(BLOCK_CHANNELS, u->inputs) * MIN(BLOCK_CHANNELS, u->outputs);
    long parts = part_count(blocks, tile_count(u, images), GRAD_TILES, 10 * GRAD_TILES);
    return parts > 1 ? blocks * parts * size : 0;
}

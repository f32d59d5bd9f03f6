/* The way from a convolution to its weights: for each pair of a number that came in and one that went out, the sum over all
pixels (in Winograd's domain: tiles) of the one times the other's gradient. The sums are made in blocks that stay in a core's
cache, and where there are few blocks, in parts: each of some of the pixels. Both follow from sizes alone, so that results do
not depend on the number of threads. */
#pragma once
#include "im2col.h"
#include "winograd_strided.h"

struct gradient {
    const struct unit *unit; /* without a tail: it has in x what came in, and in y the gradient to what went out */
    float *found;            /* (outputs, taps, inputs) */
    long tiled;              /* the stride, if in Winograd's domain or strided.h's; 0: by gathering */
    float *room;             /* for parts' sums, as much as `room_to_weights` says */
};

enum { EDGE = 64, TASKS = 16, FEW = 4, TILES = 48, FEWER_TILES = 20, ROWS = 64 };

/* In how many parts the sums over `all` pixels or tiles are made: so that there are TASKS, but beyond a FEW only where each part has
so many that what it writes costs little, and never of less than `least`. */
INLINE long parts_of(long blocks, long all, long least, long enough) {
    return MAX(MIN(CEIL(TASKS, blocks), MAX(MIN(FEW, all / least), all / enough)), 1);
}

/* Blocks of up to EDGE inputs × EDGE outputs. */
INLINE long tiled_blocks(const struct unit *u) { return CEIL(u->inputs, EDGE) * CEIL(u->outputs, EDGE); }
INLINE long tiles_of(const struct unit *u, long images) { return images * CEIL(u->out_height, TILE) * CEIL(u->out_width, TILE); }

/* The sums in the domain, total[q][input][output], of high inputs from c and wide outputs from k on, over a part's tiles. */
static void sum_tiles(const struct unit *u, long first, long last, long c, long k, long high, long wide, float *total) {
    long down = CEIL(u->height, TILE), across = CEIL(u->width, TILE), of_rows = TILES * high + L, of_grads = TILES * wide + L;
    float *rows = workspace(0, DOMAIN * of_rows), *grads = workspace(1, DOMAIN * of_grads);
    for (long from = first; from < last; from += TILES) {
        long count = MIN(TILES, last - from);
        struct pixel tile = pixel(from, down, across);
        for (long r = 0, some; r < count; r += some, skip(&tile, some, down, across)) {
            some = MIN(count - r, across - tile.j);
            tiles_to_domain(u->x + c, tile, some, u->height, u->width, u->inputs, high, rows + r * high, of_rows);
        }
        tile = pixel(from, down, across);
        for (long r = 0; r < count; r++, next(&tile, down, across))
            gradient_to_domain(u->y + k, tile, u->height, u->width, u->outputs, wide, grads + r * wide, of_grads);
        for (long q = 0; q < DOMAIN; q++)
            outer(rows + q * of_rows, grads + q * of_grads, total + q * high * wide, high, count, wide, from > first);
    }
}

/* The same in strided.h's domain. */
static void sum_strided_tiles(const struct unit *u, long first, long last, long c, long k, long high, long wide, float *total) {
    long down = CEIL(u->out_height, TILE), across = CEIL(u->out_width, TILE);
    long of_rows = FEWER_TILES * high + L, of_grads = FEWER_TILES * wide + L;
    float *rows = workspace(0, ALL * of_rows), *grads = workspace(1, ALL * of_grads);
    for (long from = first; from < last; from += FEWER_TILES) {
        long count = MIN(FEWER_TILES, last - from);
        struct pixel tile = pixel(from, down, across);
        for (long r = 0; r < count; r++, next(&tile, down, across)) {
            strided_to_domain(u, tile, c, high, rows + r * high, of_rows, 0);
            strided_gradient_to_domain(u, tile, k, wide, grads + r * wide, of_grads);
        }
        for (long q = 0; q < DOMAIN; q++) {
            int more = from > first;
            FOR_EACH_THAT_SHARES(q, n) {
                outer(rows + n * of_rows, grads + n * of_grads, total + q * high * wide, high, count, wide, more);
                more = 1;
            }
        }
    }
}

/* From the sums of a block's parts, `size` apart, to its filters. */
static void block_of_filters(const struct gradient *g, long c, long k, long high, long wide, const float *total, long parts, long size) {
    long inputs = g->unit->inputs;
    for (long i = 0; i < high; i += L)
        for (long j = 0; j < wide; j += L)
            filters(g->tiled == 1 ? FILTER : FILTER_OF_TWO, total + i * wide + j, parts, size, high * wide, wide, g->found + (k + j) * 9 * inputs + c + i, inputs);
}

static void winograd_gradient(const struct gradient *g, long images) {
    const struct unit *u = g->unit;
    long inputs = u->inputs, outputs = u->outputs, tiles = tiles_of(u, images), blocks = tiled_blocks(u);
    long parts = parts_of(blocks, tiles, TILES, 10 * TILES), size = DOMAIN * MIN(EDGE, inputs) * MIN(EDGE, outputs), each = CEIL(outputs, EDGE);
#define BLOCK_OF(id)                                                  \
    long c = (id) / each * EDGE, high = MIN(EDGE, inputs - c);        \
    long k = (id) % each * EDGE, wide = MIN(EDGE, outputs - k);
#pragma omp parallel
    {
#pragma omp for schedule(dynamic)
        for (long task = 0; task < blocks * parts; task++) {
            long part = task % parts;
            float *total = parts > 1 ? g->room + task * size : workspace(2, size);
            BLOCK_OF(task / parts)
            (g->tiled == 1 ? sum_tiles : sum_strided_tiles)(u, tiles * part / parts, tiles * (part + 1) / parts, c, k, high, wide, total);
            if (parts == 1) block_of_filters(g, c, k, high, wide, total, 1, 0);
        }
#pragma omp for schedule(dynamic)
        for (long id = 0; id < (parts > 1 ? blocks : 0); id++) {
            BLOCK_OF(id)
            block_of_filters(g, c, k, high, wide, g->room + id * parts * size, parts, size);
        }
    }
#undef BLOCK_OF
}

/* A piece of what a pixel of the grid sums: `count` numbers from `from` on of one run, or all runs where those are few. */
struct piece { long run, runs, from, count, at; };
INLINE long depth_of(const struct unit *u) { return u->taps * u->inputs; }
INLINE long pieces_of(const struct unit *u) {
    if (depth_of(u) <= EDGE) return 1;
    long found = 0;
    for (long r = 0; r < u->runs; r++) found += CEIL(u->length[r] * u->inputs, EDGE);
    return found;
}
INLINE struct piece piece(const struct unit *u, long id) {
    if (depth_of(u) <= EDGE) return (struct piece){0, u->runs, 0, depth_of(u), 0};
    for (long r = 0, at = 0;; r++) {
        long length = u->length[r] * u->inputs, here = CEIL(length, EDGE);
        if (id < here) return (struct piece){r, 1, id * EDGE, MIN(EDGE, length - id * EDGE), at + id * EDGE};
        id -= here;
        at += length;
    }
}

/* Pixels of the grid, `count` from `first` on: the gradients to what went out, in panels of EDGE outputs. */
static void gather_grads(const struct unit *u, long first, long count, float *grads) {
    struct pixel at = pixel(first, u->grid_height, u->grid_width);
    for (long r = 0; r < count; r++, next(&at, u->grid_height, u->grid_width)) {
        const stored *y = u->y + gathered(u, at) * u->outputs;
        for (long k = 0; k < u->outputs; k += L) {
            long wide = MIN(EDGE, u->outputs - k / EDGE * EDGE);
            store(grads + k / EDGE * EDGE * ROWS + r * wide + k % EDGE, fetch(y + k));
        }
    }
}

/* The same pixels' numbers of a piece, in rows of `high`. */
static void gather_piece(const struct unit *u, struct piece p, long first, long count, long high, float *rows, const stored *end) {
    struct pixel at = pixel(first, u->grid_height, u->grid_width);
    for (long r = 0; r < count; r++, next(&at, u->grid_height, u->grid_width))
        if (p.runs > 1) gather_row(u, at, rows + r * high, end);
        else gather_run(u, at, p.run, p.from, p.count, rows + r * high, end);
}

static void gather_gradient(const struct gradient *g, long images) {
    const struct unit *u = g->unit;
    long depth = depth_of(u), outputs = u->outputs, pixels = images * u->grid_height * u->grid_width, pieces = pieces_of(u);
    long parts = parts_of(pieces, pixels, ROWS, ROWS), tasks = pieces * parts, size = EDGE * outputs;
    const stored *end = u->x + images * u->height * u->width * u->inputs;
#pragma omp parallel
    {
        float *rows = workspace(0, ROWS * EDGE + L), *grads = workspace(1, ROWS * outputs);
        /* Each thread has consecutive tasks: so all those of a part share what it gathers of the gradients */
        long thread = omp_get_thread_num(), threads = omp_get_num_threads();
        long begin = tasks * thread / threads, finish = tasks * (thread + 1) / threads;
        for (long part = begin / pieces; part * pieces < finish; part++) {
            long first = pixels * part / parts, last = pixels * (part + 1) / parts;
            long low = MAX(begin - part * pieces, 0), high = MIN(finish - part * pieces, pieces);
            for (long from = first; from < last; from += ROWS) {
                long count = MIN(ROWS, last - from);
                gather_grads(u, from, count, grads);
                for (long id = low; id < high; id++) {
                    struct piece p = piece(u, id);
                    long padded = CEIL(p.count, 8) * 8;
                    gather_piece(u, p, from, count, padded, rows, end);
                    for (long k = 0; k < outputs; k += EDGE)
                        outer(rows, grads + k * ROWS, g->room + (part * pieces + id) * size + k * EDGE, padded, count, MIN(EDGE, outputs - k), from > first);
                }
            }
        }
#pragma omp barrier
#pragma omp for schedule(dynamic)
        for (long id = 0; id < pieces; id++) {
            struct piece p = piece(u, id);
            for (long k = 0; k < outputs; k++) {
                long wide = MIN(EDGE, outputs - k / EDGE * EDGE);
                const float *total = g->room + id * size + k / EDGE * EDGE * EDGE + k % EDGE;
                for (long d = 0; d < p.count; d++) {
                    float sum = 0;
                    for (long part = 0; part < parts; part++) sum += total[part * pieces * size + d * wide];
                    g->found[k * depth + p.at + d] = sum;
                }
            }
        }
    }
}

/* The gradient to a convolution's weights. */
void to_weights(const struct gradient *g, long images) {
    if (g->tiled) winograd_gradient(g, images);
    else gather_gradient(g, images);
}

/* Floats that it needs for so many images, or fewer. */
long room_to_weights(const struct unit *u, long tiled, long images) {
    if (!tiled) {
        long pieces = pieces_of(u), parts = parts_of(pieces, images * u->grid_height * u->grid_width, ROWS, ROWS);
        return pieces * parts * EDGE * u->outputs;
    }
    long blocks = tiled_blocks(u), size = DOMAIN * MIN(EDGE, u->inputs) * MIN(EDGE, u->outputs);
    long parts = parts_of(blocks, tiles_of(u, images), TILES, 10 * TILES);
    return parts > 1 ? blocks * parts * size : 0;
}

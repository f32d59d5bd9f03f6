/* Fused convolution, the building block of the forward pass and of the gradient to the input. All activations are NHWC.

    v   = conv(x, weights)       (POINTWISE: v = x)
    v  += before
    v   = v where mask > 0       gradient through the ReLU whose output is mask
    raw = v
    v   = v * scale + shift      batch norm and FiLM in eval mode
    v  += after                  residual
    v   = max(v, 0)              if relu
    y   = v

Every step but the last is optional: a null pointer skips it. These steps after the convolution are its epilogue. */
#pragma once
#include "gemm.h"

enum { POINTWISE, WINOGRAD, GATHER, STRIDED }; /* GATHER: im2col.h; STRIDED: winograd_strided.h */

struct unit {
    long kind;
    long height, width, inputs;          /* of x */
    long out_height, out_width, outputs; /* of y */
    const act_t *x;       /* (images, height, width, inputs) */
    const float *weights; /* packed, see winograd_weights and gather_weights */
    act_t *y;             /* (images, out_height, out_width, outputs) */
    /* GATHER: pixel (i, j) of a grid writes y's pixel (i * out_step + out_i, j * out_step + out_j), a weighted sum of
       `taps` pixels of x. The taps form runs: length[r] pixels in a row of x, the first at
       (i * in_step + down[r], j * in_step + right[r]) */
    long grid_height, grid_width, out_step, out_i, out_j, in_step, taps, runs;
    const long *down, *right, *length;
    /* epilogue */
    const act_t *before, *mask, *after; /* shaped as y */
    act_t *raw;                         /* shaped as y */
    const float *scale, *shift;         /* (rows, outputs); shift may be null */
    const long *row;                    /* (images): row of scale and shift; null: row 0 for all images */
    long relu;
    long sparse; /* STRIDED backward: `before` holds the even pixels of even rows only */
};

/* A pixel of a grid of height × width pixels per image, and steps in row-major order over the grids of all images. */
struct pixel { long image, i, j; };
INLINE struct pixel pixel_at(long index, long height, long width) {
    return (struct pixel){index / (height * width), index / width % height, index % width};
}
INLINE void next_pixel(struct pixel *p, long height, long width) {
    if (++p->j < width) return;
    p->j = 0;
    if (++p->i < height) return;
    p->i = 0;
    p->image++;
}

/* Move `count` pixels on, at most to the start of the next row. */
INLINE void advance_pixel(struct pixel *p, long count, long height, long width) {
    p->j += count - 1;
    next_pixel(p, height, width);
}

enum { EPILOGUE_PIXELS = 4 }; /* pixels that one call of `epilogue` finishes */

/* Epilogue of channels [channel, channel + LANES) of up to EPILOGUE_PIXELS pixels of an image: v[j] goes to
y[offset + j * step], j < count. */
INLINE void epilogue(const struct unit *u, vec *v, long count, long step, long image, long channel, long offset) {
#define EACH(STATEMENT)                                               \
    UNROLL for (int j = 0; j < EPILOGUE_PIXELS; j++) if (j < count) { \
        long at = offset + j * step;                                  \
        STATEMENT;                                                    \
    }
    if (u->outputs < LANES) { /* the gradient to an image, without an epilogue */
        EACH(store_act_partial(u->y + at, v[j], u->outputs))
        return;
    }
    if (u->before && !u->sparse) EACH(v[j] += load_act(u->before + at))
    if (u->mask) EACH(v[j] = relu_backward(u->mask + at, v[j]))
    if (u->raw) EACH(store_act(u->raw + at, v[j]))
    if (u->scale) {
        long row = (u->row ? u->row[image] * u->outputs : 0) + channel;
        vec scale = load(u->scale + row), shift = u->shift ? load(u->shift + row) : (vec){0};
        UNROLL for (int j = 0; j < EPILOGUE_PIXELS; j++) v[j] = v[j] * scale + shift;
    }
    if (u->after) EACH(v[j] += load_act(u->after + at))
    if (u->relu) UNROLL for (int j = 0; j < EPILOGUE_PIXELS; j++) v[j] = relu_vec(v[j]);
    EACH(store_act(u->y + at, v[j]))
#undef EACH
}

/* Epilogue of `columns` channels of `count` pixels: VALUE(j, k) is the vector of pixel j from channel k on. */
#define EPILOGUE(u, columns, count, step, image, offset, VALUE)                                  \
    for (long j = 0; j < count; j += EPILOGUE_PIXELS)                                            \
        for (long k = 0; k < columns; k += LANES) {                                              \
            vec values[EPILOGUE_PIXELS] = {VALUE(j, k)};                                         \
            if (count - j >= EPILOGUE_PIXELS) {                                                  \
                UNROLL for (int i = 1; i < EPILOGUE_PIXELS; i++) values[i] = VALUE(j + i, k);    \
                epilogue(u, values, EPILOGUE_PIXELS, step, image, k, (offset) + j * (step) + k); \
            } else {                                                                             \
                for (long i = 1; i < count - j; i++) values[i] = VALUE(j + i, k);                \
                epilogue(u, values, count - j, step, image, k, (offset) + j * (step) + k);       \
            }                                                                                    \
        }

/* The epilogue alone, without a convolution: v = x. */
static void pointwise(const struct unit *unit, long images) {
    const struct unit copy = *unit, *u = &copy; /* a local copy: the compiler knows that no store changes it */
    long rows = images * u->height, columns = u->outputs, width = u->width;
#pragma omp parallel for schedule(static)
    for (long r = 0; r < rows; r++) {
        const act_t *x = u->x + r * width * columns;
#define VALUE(j, k) load_act(x + (j) * columns + (k))
        EPILOGUE(u, columns, width, columns, r / u->height, r * width * columns, VALUE)
#undef VALUE
    }
}

/* Size of the blocks that `total` items are divided into: at most `max_block`, even, and such that every thread gets
equally many items. Results do not depend on the block size. */
static long balanced_block(long total, long max_block, long threads) {
    long rounds = CEIL_DIV(total, max_block * threads);
    return CEIL_DIV(CEIL_DIV(total, rounds * threads), 2) * 2;
}

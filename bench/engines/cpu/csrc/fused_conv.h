/* A unit of a network: convolution → what lies before the norm → scale and shift → what is added → ReLU. Any part may be
absent. Forward and backward to the input are both units. Images are (N, height, width, channels). */
#pragma once
#include "gemm.h"

enum { POINTWISE, WINOGRAD, GATHER, STRIDED };

struct unit {
    long kind;
    long height, width, inputs;          /* of x */
    long out_height, out_width, outputs; /* of y */
    const stored *x;
    const float *weights; /* in panels */
    stored *y;
    /* GATHER: pixel (i, j) of a grid of y's pixels lies at (i * out_step + out_i, …) and sums `taps` pixels of x. They come
       in runs, each of length[r] pixels of a row from (i * in_step + down[r], j * in_step + right[r]) on */
    long grid_height, grid_width, out_step, out_i, out_j, in_step, taps, runs;
    const long *down, *right, *length;
    /* the tail; each like y or absent. v = convolution; v += before; v = 0 where mask <= 0, which a ReLU made; raw = v;
       v = v * scale + shift; v += after; ReLU; y = v */
    const stored *before, *mask, *after;
    stored *raw;
    const float *scale, *shift; /* (rows, outputs) */
    const long *row;            /* the row of each image, or absent: the first for all */
    long relu;
    long sparse; /* `before` has the even pixels of even rows alone (STRIDED, on the way back) */
};

/* Where a pixel of a grid of each image lies, and the next one. */
struct pixel { long image, i, j; };
INLINE struct pixel pixel(long id, long height, long width) {
    return (struct pixel){id / (height * width), id / width % height, id % width};
}
INLINE void next(struct pixel *p, long height, long width) {
    if (++p->j < width) return;
    p->j = 0;
    if (++p->i < height) return;
    p->i = 0;
    p->image++;
}

/* `count` pixels on, in the same row or at its end. */
INLINE void skip(struct pixel *p, long count, long height, long width) {
    p->j += count - 1;
    next(p, height, width);
}

enum { ABREAST = 4 }; /* pixels whose tails are made at once */

/* The tail of L channels from `channel` on, at `wide` pixels of an image: the first has its place in y at `at`, the next `step` further. */
INLINE void finish(const struct unit *u, vec *v, long wide, long step, long image, long channel, long at) {
#define EACH(WHAT)                                           \
    UNROLL for (int j = 0; j < ABREAST; j++) if (j < wide) { \
        long here = at + j * step;                           \
        WHAT;                                                \
    }
    if (u->outputs < L) { /* an image's gradient, which has no tail */
        EACH(keep_some(u->y + here, v[j], u->outputs))
        return;
    }
    if (u->before && !u->sparse) EACH(v[j] += fetch(u->before + here))
    if (u->mask) EACH(v[j] = where_positive(u->mask + here, v[j]))
    if (u->raw) EACH(keep(u->raw + here, v[j]))
    if (u->scale) {
        long row = (u->row ? u->row[image] * u->outputs : 0) + channel;
        vec scale = load(u->scale + row), shift = u->shift ? load(u->shift + row) : (vec){0};
        UNROLL for (int j = 0; j < ABREAST; j++) v[j] = v[j] * scale + shift;
    }
    if (u->after) EACH(v[j] += fetch(u->after + here))
    if (u->relu) UNROLL for (int j = 0; j < ABREAST; j++) v[j] = positive(v[j]);
    EACH(keep(u->y + here, v[j]))
#undef EACH
}

/* The tail of all channels of `count` pixels: v(j, k) is the vector of the j-th from channel k on. */
#define FINISH_PIXELS(u, columns, count, step, image, at, v)                          \
    for (long j = 0; j < count; j += ABREAST)                                         \
        for (long k = 0; k < columns; k += L) {                                       \
            vec abreast[ABREAST] = {v(j, k)};                                         \
            if (count - j >= ABREAST) {                                               \
                UNROLL for (int i = 1; i < ABREAST; i++) abreast[i] = v(j + i, k);    \
                finish(u, abreast, ABREAST, step, image, k, (at) + j * (step) + k);   \
            } else {                                                                  \
                for (long i = 1; i < count - j; i++) abreast[i] = v(j + i, k);        \
                finish(u, abreast, count - j, step, image, k, (at) + j * (step) + k); \
            }                                                                         \
        }

static void pointwise(const struct unit *given, long images) {
    const struct unit copy = *given, *u = &copy; /* no store changes it, as the compiler can see */
    long rows = images * u->height, columns = u->outputs, width = u->width;
#pragma omp parallel for schedule(static)
    for (long r = 0; r < rows; r++) {
        const stored *x = u->x + r * width * columns;
#define HERE(j, k) fetch(x + (j) * columns + (k))
        FINISH_PIXELS(u, columns, width, columns, r / u->height, r * width * columns, HERE)
#undef HERE
    }
}

/* So many of `all` that each thread has as many as the others, at most `most`: results do not depend on it. */
static long share(long all, long most, long threads) {
    long rounds = CEIL(all, most * threads);
    return CEIL(CEIL(all, rounds * threads), 2) * 2;
}

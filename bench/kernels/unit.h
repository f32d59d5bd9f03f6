/* A unit of a network: convolution → what lies before the norm → scale and shift → what is added → ReLU. Any part may be
absent. Forward and backward to the input are both units. Images are (N, height, width, channels). */
#pragma once
#include "product.h"

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

/* The tail of so many vectors of channels from `channel` on, at one pixel: `at` is their place in y. */
INLINE void finish(const struct unit *u, vec *v, int vectors, long image, long channel, long at) {
#define EACH(WHAT) UNROLL for (int i = 0; i < vectors; i++) { WHAT; }
    if (u->outputs < L) { /* an image's gradient, which has no tail */
        keep_some(u->y + at, v[0], u->outputs);
        return;
    }
    if (u->before) EACH(v[i] += fetch(u->before + at + i * L))
    if (u->mask) EACH(v[i] = where_positive(u->mask + at + i * L, v[i]))
    if (u->raw) EACH(keep(u->raw + at + i * L, v[i]))
    if (u->scale) {
        long row = (u->row ? u->row[image] * u->outputs : 0) + channel;
        EACH(v[i] *= load(u->scale + row + i * L))
        if (u->shift) EACH(v[i] += load(u->shift + row + i * L))
    }
    if (u->after) EACH(v[i] += fetch(u->after + at + i * L))
    if (u->relu) EACH(v[i] = positive(v[i]))
    EACH(keep(u->y + at + i * L, v[i]))
#undef EACH
}

/* The tail of L channels from `channel` on, of `wide` pixels, neighbours in a row: `at` is the place of the first in y. */
INLINE void finish_row(const struct unit *u, vec *v, int wide, long image, long channel, long at) {
#define EACH(WHAT)                                     \
    UNROLL for (int j = 0; j < 4; j++) if (j < wide) { \
        long here = at + j * u->outputs;               \
        WHAT;                                          \
    }
    if (u->outputs < L) {
        EACH(keep_some(u->y + here, v[j], u->outputs))
        return;
    }
    if (u->before && !u->sparse) EACH(v[j] += fetch(u->before + here))
    if (u->mask) EACH(v[j] = where_positive(u->mask + here, v[j]))
    if (u->raw) EACH(keep(u->raw + here, v[j]))
    if (u->scale) {
        long row = (u->row ? u->row[image] * u->outputs : 0) + channel;
        vec scale = load(u->scale + row), shift = u->shift ? load(u->shift + row) : (vec){0};
        UNROLL for (int j = 0; j < 4; j++) v[j] = v[j] * scale + shift;
    }
    if (u->after) EACH(v[j] += fetch(u->after + here))
    if (u->relu) UNROLL for (int j = 0; j < 4; j++) v[j] = positive(v[j]);
    EACH(keep(u->y + here, v[j]))
#undef EACH
}

/* The tail of all channels at one pixel, whose place in y is `at`. `v(k)`: the vector from channel k on. */
#define FINISH_PIXEL(u, columns, image, at, v)                                     \
    for (long k = 0; k < columns;) {                                               \
        if (columns - k >= 4 * L) {                                                \
            vec all[4] = {v(k), v(k + L), v(k + 2 * L), v(k + 3 * L)};             \
            finish(u, all, 4, image, k, (at) + k);                                 \
            k += 4 * L;                                                            \
        } else if (columns - k >= 2 * L) {                                         \
            vec all[2] = {v(k), v(k + L)};                                         \
            finish(u, all, 2, image, k, (at) + k);                                 \
            k += 2 * L;                                                            \
        } else {                                                                   \
            vec all[1] = {v(k)};                                                   \
            finish(u, all, 1, image, k, (at) + k);                                 \
            k += L;                                                                \
        }                                                                          \
    }

static void pointwise(const struct unit *given, long images) {
    const struct unit copy = *given, *u = &copy; /* no store changes it, as the compiler can see */
    long rows = images * u->height, width = u->width;
#define HERE(k) fetch(u->x + p * u->outputs + (k))
#pragma omp parallel for schedule(static)
    for (long r = 0; r < rows; r++)
        for (long p = r * width; p < (r + 1) * width; p++) FINISH_PIXEL(u, u->outputs, r / u->height, p * u->outputs, HERE)
#undef HERE
}

/* So many of `all` that each thread has as many as the others, at most `most`: results do not depend on it. */
static long share(long all, long most, long threads) {
    long rounds = CEIL(all, most * threads);
    return CEIL(CEIL(all, rounds * threads), 2) * 2;
}

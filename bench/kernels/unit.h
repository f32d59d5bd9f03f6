/* A unit of a network: convolution → what lies before the norm → scale and shift → what is added → ReLU. Any part may be
absent. Forward and backward to the input are both units. Images are (N, height, width, channels). */
#pragma once
#include "product.h"

enum { POINTWISE, WINOGRAD, GATHER };

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
    /* the tail; each like y or absent. v = convolution; v += before; v = 0 where mask <= 0; raw = v;
       v = v * scale + shift; v += after; ReLU; y = v */
    const stored *before, *mask, *after;
    stored *raw;
    const float *scale, *shift; /* (rows, outputs) */
    const long *row;            /* the row of each image, or absent: the first for all */
    long relu;
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

/* The tail of L channels from `channel` on, at one pixel: `at` is their place in y. */
INLINE void finish(const struct unit *u, vec v, long image, long channel, long at) {
    if (u->outputs < L) { /* an image's gradient, which has no tail */
        for (long k = 0; k < u->outputs; k++) keep1(u->y + at + k, v[k]);
        return;
    }
    if (u->before) v += fetch(u->before + at);
    if (u->mask) v = choose(fetch(u->mask + at) <= 0, (vec){0}, v);
    if (u->raw) keep(u->raw + at, v);
    if (u->scale) {
        long row = (u->row ? u->row[image] * u->outputs : 0) + channel;
        v *= load(u->scale + row);
        if (u->shift) v += load(u->shift + row);
    }
    if (u->after) v += fetch(u->after + at);
    if (u->relu) v = choose(v < 0, (vec){0}, v); /* NaN stays NaN */
    keep(u->y + at, v);
}

static void pointwise(const struct unit *u, long images) {
    long rows = images * u->height, width = u->width;
#pragma omp parallel for schedule(static)
    for (long r = 0; r < rows; r++)
        for (long p = r * width; p < (r + 1) * width; p++)
            for (long c = 0; c < u->outputs; c += L) {
                long at = p * u->outputs + c;
                finish(u, fetch(u->x + at), r / u->height, c, at);
            }
}

/* So many of `all` that each thread has as many as the others, at most `most`: results do not depend on it. */
static long share(long all, long most, long threads) {
    long rounds = CEIL(all, most * threads);
    return CEIL(CEIL(all, rounds * threads), 2) * 2;
}

/* All other convolutions, and their ways back to the input: the inputs of each output pixel are gathered into a row, and the
rows multiplied by the weights. On the way back through a stride s the pixels of the input fall into s × s classes, each with the
taps that reach it: a convolution of its own, none of which computes anything in vain. */
#pragma once
#include <omp.h>
#include "unit.h"

enum { PIXELS = 48 };

/* `count` numbers, or zeros, to a row; what follows in the row, up to a vector of it, may be overwritten. */
INLINE void copy_run(float *to, const stored *from, long count, const stored *end) {
    long c = 0;
    for (; c < count && from + c + L <= end; c += L) store(to + c, fetch(from + c));
    for (; c < count; c++) to[c] = fetch1(from + c);
}
INLINE void clear_run(float *to, long count) {
    for (long c = 0; c < count; c += L) store(to + c, (vec){0});
}

/* What a pixel of the grid sums: a row of taps * inputs floats, and up to a vector more. */
INLINE void gather_row(const struct unit *u, struct pixel at, float *row, const stored *end) {
    for (long r = 0; r < u->runs; r++) {
        long i = at.i * u->in_step + u->down[r], j = at.j * u->in_step + u->right[r], length = u->length[r];
        const stored *from = u->x + ((at.image * u->height + i) * u->width + j) * u->inputs;
        if (i < 0 || i >= u->height) {
            clear_run(row, length * u->inputs);
        } else if (j >= 0 && j + length <= u->width) {
            copy_run(row, from, length * u->inputs, end);
        } else {
            long before = MIN(MAX(-j, 0), length), inside = MAX(MIN(length, u->width - j) - before, 0);
            clear_run(row, before * u->inputs);
            copy_run(row + before * u->inputs, from + before * u->inputs, inside * u->inputs, end);
            clear_run(row + (before + inside) * u->inputs, (length - before - inside) * u->inputs);
        }
        row += length * u->inputs;
    }
}

/* The pixel of y that a pixel of the grid is. */
INLINE long gathered(const struct unit *u, struct pixel at) {
    return (at.image * u->out_height + at.i * u->out_step + u->out_i) * u->out_width + at.j * u->out_step + u->out_j;
}

/* y = tail(x * weights). */
static void gather(const struct unit *given, long images) {
    const struct unit copy = *given, *u = &copy; /* no store changes it, as the compiler can see */
    long depth = u->taps * u->inputs, columns = CEIL(u->outputs, L) * L, height = u->grid_height, width = u->grid_width;
    long pixels = images * height * width, block = share(pixels, PIXELS, omp_get_max_threads());
    long padded = CEIL(block, HIGH) * HIGH;
    const stored *end = u->x + images * u->height * u->width * u->inputs;
#pragma omp parallel for schedule(dynamic)
    for (long first = 0; first < pixels; first += block) {
        long count = MIN(block, pixels - first);
        float *rows = workspace(0, padded * depth + L), *m = workspace(1, padded * columns);
        struct pixel at = pixel(first, height, width);
        for (long r = 0; r < count; r++, next(&at, height, width)) gather_row(u, at, rows + r * depth, end);
        product(rows, u->weights, m, count, depth, columns);
        at = pixel(first, height, width);
        for (long r = 0; r < count; r++, next(&at, height, width)) {
            long place = gathered(u, at) * u->outputs;
            for (long k = 0; k < columns; k += L) finish(u, load(m + r * columns + k), at.image, k, place + k);
        }
    }
}

/* The weights (outputs, kernel taps, inputs) at the taps `which`, in panels: (panels, taps * inputs, panel); `backward`: of
the way back, (panels, taps * outputs, panel), columns from `inputs` on being 0. */
void gather_weights(const float *w, float *found, long outputs, long inputs, long kernel, const long *which, long taps,
                    long backward) {
    long per_tap = backward ? outputs : inputs, depth = taps * per_tap, real = backward ? inputs : outputs;
    long columns = CEIL(real, L) * L;
#pragma omp parallel for schedule(dynamic)
    for (long d = 0; d < depth; d++) {
        long t = which[d / per_tap], a = d % per_tap;
        for (long k = 0, wide; k < columns; k += wide) {
            wide = panel(k, columns);
            float *row = found + k * depth + d * wide;
            for (long j = 0; j < wide; j++) {
                long b = k + j;
                row[j] = b >= real ? 0 : backward ? w[(a * kernel + t) * inputs + b] : w[(b * kernel + t) * inputs + a];
            }
        }
    }
}

/* Room: chunk × depth, chunk × outputs and depth × outputs floats, depth being taps * inputs padded to 16. */
static void gather_gradient(const struct gradient *g, long images) {
    const struct unit *u = g->unit;
    long real = u->taps * u->inputs, depth = CEIL(real, 16) * 16, outputs = u->outputs;
    long pixels = images * u->grid_height * u->grid_width;
    const stored *end = u->x + images * u->height * u->width * u->inputs;
    memset(g->total, 0, depth * outputs * 4);
#pragma omp parallel
    for (long first = 0; first < pixels; first += g->chunk) {
        long count = MIN(g->chunk, pixels - first);
#pragma omp for schedule(dynamic)
        for (long r = 0; r < count; r++) {
            struct pixel at = pixel(first + r, u->grid_height, u->grid_width);
            float *row = workspace(0, real + L); /* its own: a row's end would be overwritten by another thread's beginning */
            gather_row(u, at, row, end);
            memcpy(g->rows + r * depth, row, real * 4);
            memset(g->rows + r * depth + real, 0, (depth - real) * 4);
            for (long k = 0; k < outputs; k += L) store(g->grads + r * outputs + k, fetch(u->y + gathered(u, at) * outputs + k));
        }
#pragma omp for schedule(dynamic)
        for (long d = 0; d < depth; d += 16) outer(g->rows + d, depth, g->grads, outputs, g->total + d * outputs, outputs, 16, count, outputs);
    }
#pragma omp parallel for schedule(dynamic)
    for (long k = 0; k < outputs; k++)
        for (long d = 0; d < real; d++) g->found[k * real + d] = g->total[d * outputs + k];
}

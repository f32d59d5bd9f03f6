/* All other convolutions, and their ways back to the input: the inputs of each output pixel are gathered into a row, and the
rows multiplied by the weights. On the way back through a stride s the pixels of the input fall into s × s classes, each with the
taps that reach it: a convolution of its own, none of which computes anything in vain. */
#pragma once
#include <omp.h>
#include "fused_conv.h"

enum { PIXELS = 192, FEW_PIXELS = 48, ROW_FLOATS = 48 << 10 }; /* at a time: so many, but fewer where rows are long */

/* `count` numbers, or zeros, to a row; what follows in the row, up to a vector of it, may be overwritten. */
INLINE void copy_run(float *to, const stored *from, long count, const stored *end) {
    long c = 0;
    for (; c < count && from + c + L <= end; c += L) store(to + c, fetch(from + c));
    for (; c < count; c++) to[c] = fetch1(from + c);
}
INLINE void clear_run(float *to, long count) {
    for (long c = 0; c < count; c += L) store(to + c, (vec){0});
}

/* `count` numbers, from `from` on, of the run r that a pixel of the grid sums; pixels beyond the image are 0. Up to a vector more may
be written. */
INLINE void gather_run(const struct unit *u, struct pixel at, long r, long from, long count, float *row, const stored *end) {
    long i = at.i * u->in_step + u->down[r], j = at.j * u->in_step + u->right[r];
    if (i < 0 || i >= u->height) {
        clear_run(row, count);
        return;
    }
    const stored *x = u->x + ((at.image * u->height + i) * u->width + j) * u->inputs + from;
    if (j >= 0 && j + u->length[r] <= u->width) {
        copy_run(row, x, count, end);
        return;
    }
    long first = MIN(MAX(-j * u->inputs - from, 0), count), last = MIN(MAX((u->width - j) * u->inputs - from, first), count);
    clear_run(row, first);
    copy_run(row + first, x + first, last - first, end);
    clear_run(row + last, count - last);
}

/* All that it sums: a row of taps * inputs floats. */
INLINE void gather_row(const struct unit *u, struct pixel at, float *row, const stored *end) {
    for (long r = 0; r < u->runs; row += u->length[r++] * u->inputs) gather_run(u, at, r, 0, u->length[r] * u->inputs, row, end);
}

/* From where to where the runs reach, from a pixel on: rows and columns; and where each begins, in numbers of x from the pixel's. */
enum { RUNS = 16 };
struct reach { long top, bottom, left, right, runs, offset[RUNS], length[RUNS]; };
INLINE struct reach reach(const struct unit *u) {
    struct reach found = {0, 0, 0, 0, u->runs};
    for (long r = 0; r < u->runs; r++) {
        found.top = MIN(found.top, u->down[r]);
        found.bottom = MAX(found.bottom, u->down[r] + 1);
        found.left = MIN(found.left, u->right[r]);
        found.right = MAX(found.right, u->right[r] + u->length[r]);
        if (r >= RUNS) continue;
        found.offset[r] = (u->down[r] * u->width + u->right[r]) * u->inputs;
        found.length[r] = u->length[r] * u->inputs;
    }
    return found;
}

/* What `count` pixels, neighbours in a row of the grid, sum: rows of `depth` floats. */
INLINE void gather_pixels(const struct unit *u, const struct reach *reach, struct pixel at, long count, float *row, long depth, const stored *end) {
    long i = at.i * u->in_step, step = u->in_step * u->inputs;
    const stored *x = u->x + ((at.image * u->height + i) * u->width + at.j * u->in_step) * u->inputs;
    int whole = reach->runs <= RUNS && i + reach->top >= 0 && i + reach->bottom <= u->height;
    const stored *last = end - ((reach->bottom - 1) * u->width + reach->right) * u->inputs - L; /* from where whole vectors can be read */
    int itself = whole && u->taps == 1 && !reach->top && reach->bottom == 1 && !reach->left && reach->right == 1;
    if (itself && u->in_step == 1 && u->inputs % L == 0) { /* a 1×1 convolution: what it takes lies in one piece */
        for (long c = 0; c < count * depth; c += L) store(row + c, fetch(x + c));
        return;
    }
    for (; count; count--, at.j++, x += step, row += depth) {
        long j = at.j * u->in_step;
        if (!whole || j + reach->left < 0 || j + reach->right > u->width || x > last) {
            gather_row(u, at, row, end);
            continue;
        }
        float *to = row;
        for (long r = 0; r < reach->runs; to += reach->length[r++])
            for (long c = 0; c < reach->length[r]; c += L) store(to + c, fetch(x + reach->offset[r] + c));
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
    long pixels = images * height * width, most = MIN(PIXELS, MAX(FEW_PIXELS, ROW_FLOATS / MAX(depth, 1)));
    long block = share(pixels, most, omp_get_max_threads());
    long padded = CEIL(block, HIGH) * HIGH;
    const stored *end = u->x + images * u->height * u->width * u->inputs;
    struct reach around = reach(u);
    int plain = !(u->before || u->mask || u->raw || u->scale || u->after || u->relu || u->outputs < L);
#pragma omp parallel for schedule(dynamic)
    for (long first = 0; first < pixels; first += block) {
        long count = MIN(block, pixels - first);
        float *rows = workspace(0, padded * depth + L), *m = workspace(1, padded * columns);
        struct pixel at = pixel(first, height, width);
        for (long r = 0, some; r < count; r += some, skip(&at, some, height, width)) {
            some = MIN(count - r, width - at.j);
            gather_pixels(u, &around, at, some, rows + r * depth, depth, end);
        }
        product(rows, u->weights, m, count, depth, columns, NULL);
        at = pixel(first, height, width);
        for (long r = 0, some; r < count; r += some, skip(&at, some, height, width)) {
            some = MIN(count - r, width - at.j);
            long place = gathered(u, at) * u->outputs, step = u->out_step * u->outputs;
            const float *v = m + r * columns;
#define HERE(j, k) load(v + (j) * columns + (k))
            if (plain && u->out_step == 1) for (long k = 0; k < some * columns; k += L) keep(u->y + place + k, HERE(0, k));
            else FINISH_PIXELS(u, columns, some, step, at.image, place, HERE)
#undef HERE
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

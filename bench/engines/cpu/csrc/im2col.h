/* Convolutions of any kernel size and stride by im2col and GEMM, and their gradients to the input.

For each block of output pixels, the taps * inputs elements that a pixel sums are copied into a row; the rows (pixels,
taps * inputs) are multiplied by the packed weights (taps * inputs, outputs). In the gradient to the input of a
convolution of stride s, the pixels of the input form s × s classes, each reached by other taps: every class is a
convolution with its own grid and taps (struct unit), so that no multiplication by zero is made. */
#pragma once
#include <omp.h>
#include "fused_conv.h"

/* Pixels in a block: at most MAX_PIXELS and ROW_FLOATS floats in all, but MIN_PIXELS of long rows. */
enum { MAX_PIXELS = 192, MIN_PIXELS = 48, ROW_FLOATS = 48 << 10 };

/* Copy or clear `count` elements of a row; up to a vector beyond may be overwritten. `end`: the end of x. */
INLINE void copy_elements(float *to, const act_t *from, long count, const act_t *end) {
    long c = 0;
    for (; c < count && from + c + LANES <= end; c += LANES) store(to + c, load_act(from + c));
    for (; c < count; c++) to[c] = load_act_scalar(from + c);
}
INLINE void clear_elements(float *to, long count) {
    for (long c = 0; c < count; c += LANES) store(to + c, (vec){0});
}

/* Copy `count` elements, from `start` on, of run r of a grid pixel; pixels outside the image are 0. Up to a vector
beyond may be overwritten. */
INLINE void im2col_run(const struct unit *u, struct pixel p, long r, long start, long count, float *row,
                       const act_t *end) {
    long i = p.i * u->in_step + u->down[r], j = p.j * u->in_step + u->right[r];
    if (i < 0 || i >= u->height) {
        clear_elements(row, count);
        return;
    }
    const act_t *x = u->x + ((p.image * u->height + i) * u->width + j) * u->inputs + start;
    if (j >= 0 && j + u->length[r] <= u->width) {
        copy_elements(row, x, count, end);
        return;
    }
    long first = MIN(MAX(-j * u->inputs - start, 0), count);
    long last = MIN(MAX((u->width - j) * u->inputs - start, first), count);
    clear_elements(row, first);
    copy_elements(row + first, x + first, last - first, end);
    clear_elements(row + last, count - last);
}

/* The im2col row of a grid pixel: taps * inputs floats. */
INLINE void im2col_row(const struct unit *u, struct pixel p, float *row, const act_t *end) {
    for (long r = 0; r < u->runs; row += u->length[r++] * u->inputs)
        im2col_run(u, p, r, 0, u->length[r] * u->inputs, row, end);
}

/* Bounding box of all runs, in pixels of x relative to a grid pixel's (bottom and right exclusive); start and length of
each run in elements. */
enum { MAX_RUNS = 16 };
struct window { long top, bottom, left, right, runs, offset[MAX_RUNS], length[MAX_RUNS]; };
INLINE struct window window(const struct unit *u) {
    struct window w = {0, 0, 0, 0, u->runs};
    for (long r = 0; r < u->runs; r++) {
        w.top = MIN(w.top, u->down[r]);
        w.bottom = MAX(w.bottom, u->down[r] + 1);
        w.left = MIN(w.left, u->right[r]);
        w.right = MAX(w.right, u->right[r] + u->length[r]);
        if (r >= MAX_RUNS) continue;
        w.offset[r] = (u->down[r] * u->width + u->right[r]) * u->inputs;
        w.length[r] = u->length[r] * u->inputs;
    }
    return w;
}

/* im2col rows, `depth` floats each, of `count` neighbouring pixels in a row of the grid. */
INLINE void im2col_pixels(const struct unit *u, const struct window *w, struct pixel p, long count, float *row,
                          long depth, const act_t *end) {
    long i = p.i * u->in_step, step = u->in_step * u->inputs;
    const act_t *x = u->x + ((p.image * u->height + i) * u->width + p.j * u->in_step) * u->inputs;
    int rows_inside = w->runs <= MAX_RUNS && i + w->top >= 0 && i + w->bottom <= u->height;
    const act_t *last = end - ((w->bottom - 1) * u->width + w->right) * u->inputs - LANES; /* last x of whole vectors */
    int one_tap = rows_inside && u->taps == 1 && !w->top && w->bottom == 1 && !w->left && w->right == 1;
    if (one_tap && u->in_step == 1 && u->inputs % LANES == 0) { /* a 1×1 convolution: the rows are contiguous in x */
        for (long c = 0; c < count * depth; c += LANES) store(row + c, load_act(x + c));
        return;
    }
    for (; count; count--, p.j++, x += step, row += depth) {
        long j = p.j * u->in_step;
        if (!rows_inside || j + w->left < 0 || j + w->right > u->width || x > last) {
            im2col_row(u, p, row, end);
            continue;
        }
        float *to = row;
        for (long r = 0; r < w->runs; to += w->length[r++])
            for (long c = 0; c < w->length[r]; c += LANES) store(to + c, load_act(x + w->offset[r] + c));
    }
}

/* Index of a grid pixel among the pixels of y. */
INLINE long output_index(const struct unit *u, struct pixel p) {
    return (p.image * u->out_height + p.i * u->out_step + u->out_i) * u->out_width + p.j * u->out_step + u->out_j;
}

/* Fused convolution (fused_conv.h). */
static void im2col_conv(const struct unit *unit, long images) {
    const struct unit copy = *unit, *u = &copy; /* a local copy: the compiler knows that no store changes it */
    long depth = u->taps * u->inputs, columns = CEIL_DIV(u->outputs, LANES) * LANES;
    long height = u->grid_height, width = u->grid_width;
    long pixels = images * height * width, max_block = MIN(MAX_PIXELS, MAX(MIN_PIXELS, ROW_FLOATS / MAX(depth, 1)));
    long block = balanced_block(pixels, max_block, omp_get_max_threads());
    long padded = CEIL_DIV(block, MAX_ROWS) * MAX_ROWS;
    const act_t *end = u->x + images * u->height * u->width * u->inputs;
    struct window w = window(u);
    int no_epilogue = !(u->before || u->mask || u->raw || u->scale || u->after || u->relu || u->outputs < LANES);
#pragma omp parallel for schedule(dynamic)
    for (long first = 0; first < pixels; first += block) {
        long count = MIN(block, pixels - first);
        float *rows = workspace(0, padded * depth + LANES), *m = workspace(1, padded * columns);
        struct pixel p = pixel_at(first, height, width);
        for (long r = 0, run; r < count; r += run, advance_pixel(&p, run, height, width)) {
            run = MIN(count - r, width - p.j);
            im2col_pixels(u, &w, p, run, rows + r * depth, depth, end);
        }
        gemm(rows, u->weights, m, count, depth, columns, NULL);
        p = pixel_at(first, height, width);
        for (long r = 0, run; r < count; r += run, advance_pixel(&p, run, height, width)) {
            run = MIN(count - r, width - p.j);
            long offset = output_index(u, p) * u->outputs, step = u->out_step * u->outputs;
            const float *v = m + r * columns;
#define VALUE(j, k) load(v + (j) * columns + (k))
            if (no_epilogue && u->out_step == 1)
                for (long k = 0; k < run * columns; k += LANES) store_act(u->y + offset + k, VALUE(0, k));
            else EPILOGUE(u, columns, run, step, p.image, offset, VALUE)
#undef VALUE
        }
    }
}

/* Pack weights w (outputs, kernel, inputs), kernel = taps of the whole filter, at the taps listed in `tap_indices`:
`packed` (taps * inputs, outputs) in panels. `backward`, for the gradient to the input: (taps * outputs, inputs), with
columns of zeros up to the next multiple of LANES. */
void gather_weights(const float *w, float *packed, long outputs, long inputs, long kernel, const long *tap_indices,
                    long taps, long backward) {
    long per_tap = backward ? outputs : inputs, depth = taps * per_tap, used_columns = backward ? inputs : outputs;
    long columns = CEIL_DIV(used_columns, LANES) * LANES;
#pragma omp parallel for schedule(dynamic)
    for (long d = 0; d < depth; d++) {
        long t = tap_indices[d / per_tap], a = d % per_tap;
        for (long k = 0, width; k < columns; k += width) {
            width = panel_width(k, columns);
            float *row = packed + k * depth + d * width;
            for (long j = 0; j < width; j++) {
                long b = k + j;
                row[j] = b >= used_columns ? 0
                         : backward        ? w[(a * kernel + t) * inputs + b]
                                           : w[(b * kernel + t) * inputs + a];
            }
        }
    }
}

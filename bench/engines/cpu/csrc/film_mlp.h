/* FiLM's perceptrons: y = W₂ leaky(W₁ code + b₁) + b₂, with `leaky` taken of y too where the authors' code does; and the way back. */
#pragma once
#include <omp.h>
#include "simd.h"

#define SLOPE 0.01f
#define MANY (1 << 18) /* multiplications that are worth a second thread */

struct perceptron {
    long rows, inputs, hidden, outputs, leaky;
    long wide; /* columns of a block of y: outputs, or half as many where γ and β come from one perceptron. See `column` */
    const float *code, *first, *first_bias, *second, *second_bias; /* (rows, inputs), (hidden, inputs), …, (outputs, second_row) */
    long second_row;                                               /* floats from a row of `second` to the next */
    float *middle, *y;                                             /* (rows, hidden), (blocks, rows, wide) */
    /* the way back; grad, like y, is used up, to_middle is room */
    float *grad, *to_middle, *to_first, *to_first_bias, *to_second, *to_second_bias;
};

/* Where column k begins, of a matrix in blocks of `wide` columns that lie one after the other: row r is r * wide further on. */
INLINE long column(long k, long rows, long wide) { return k / wide * rows * wide + k % wide; }

INLINE float leak(float x) { return MAX(x, SLOPE * x); } /* no branch: signs are as if drawn */

/* y = w · x + bias of `count` rows x, a constant: none waits for another, and each is summed up as if alone. */
INLINE void dots(const float *w, float bias, const float *x, long n, int count, int leaky, float *y, long wide) {
    vec total[4] = {0};
    long whole = n / L * L;
    for (long i = 0; i < whole; i += L)
        UNROLL for (int r = 0; r < count; r++) total[r] += load(x + r * n + i) * load(w + i);
    UNROLL for (int r = 0; r < count; r++) {
        float found = sum(total[r]);
        for (long i = whole; i < n; i++) found += x[r * n + i] * w[i];
        y[r * wide] = leaky ? leak(found + bias) : found + bias;
    }
}
INLINE void add(float *a, float factor, const float *b, long n) {
    for (long i = 0; i < n; i++) a[i] += factor * b[i];
}

static void layer(const float *x, const float *w, const float *bias, float *y, long rows, long inputs, long outputs, long row,
                  long wide, int leaky) {
#pragma omp parallel for schedule(static) if (rows * inputs * outputs > MANY)
    for (long k = 0; k < outputs; k++) {
        float *to = y + column(k, rows, wide);
        long r = 0;
#define DOTS(COUNT) \
    for (; r + COUNT <= rows; r += COUNT) dots(w + k * row, bias[k], x + r * inputs, inputs, COUNT, leaky, to + r * wide, wide)
        DOTS(4);
        DOTS(2);
        DOTS(1);
#undef DOTS
    }
}

/* Gradients to a layer's weights and bias (written) and, where `to_x` is given, its input (added). */
static void layer_back(const float *x, const float *w, const float *grad, float *to_w, float *to_bias, float *to_x, long rows,
                       long inputs, long outputs, long row, long wide) {
#pragma omp parallel for schedule(static) if (rows * inputs * outputs > MANY)
    for (long k = 0; k < outputs; k++) {
        memset(to_w + k * inputs, 0, inputs * 4);
        to_bias[k] = 0;
        const float *from = grad + column(k, rows, wide);
        for (long r = 0; r < rows; r++) {
            float g = from[r * wide];
            to_bias[k] += g;
            add(to_w + k * inputs, g, x + r * inputs, inputs);
        }
    }
    if (!to_x) return;
#pragma omp parallel for schedule(static) if (rows * inputs * outputs > MANY)
    for (long r = 0; r < rows; r++) {
        memset(to_x + r * inputs, 0, inputs * 4);
        for (long block = 0; block < outputs; block += wide)
            for (long k = block; k < MIN(block + wide, outputs); k++)
                add(to_x + r * inputs, grad[block * rows + r * wide + k - block], w + k * row, inputs);
    }
}

void perceptrons_forward(const struct perceptron *all, long count) {
    for (const struct perceptron *p = all; p < all + count; p++) {
        layer(p->code, p->first, p->first_bias, p->middle, p->rows, p->inputs, p->hidden, p->inputs, p->hidden, 1);
        layer(p->middle, p->second, p->second_bias, p->y, p->rows, p->hidden, p->outputs, p->second_row, p->wide, p->leaky);
    }
}

void perceptrons_backward(const struct perceptron *all, long count) {
    for (const struct perceptron *p = all; p < all + count; p++) {
        if (p->leaky)
            for (long i = 0; i < p->rows * CEIL(p->outputs, p->wide) * p->wide; i++) p->grad[i] *= p->y[i] < 0 ? SLOPE : 1;
        layer_back(p->middle, p->second, p->grad, p->to_second, p->to_second_bias, p->to_middle, p->rows, p->hidden, p->outputs,
                   p->second_row, p->wide);
        for (long i = 0; i < p->rows * p->hidden; i++) p->to_middle[i] *= p->middle[i] < 0 ? SLOPE : 1;
        layer_back(p->code, p->first, p->to_middle, p->to_first, p->to_first_bias, 0, p->rows, p->inputs, p->hidden, p->inputs,
                   p->hidden);
    }
}

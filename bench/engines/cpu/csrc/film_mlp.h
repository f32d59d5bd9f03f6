/* FiLM's two-layer perceptrons, which map an encoded λ to γ and β of a norm; forward and backward, fp32.

    y = W₂ leaky(W₁ code + b₁) + b₂,   or leaky(y) if `leaky`, as in the authors' code */
#pragma once
#include <omp.h>
#include "simd.h"

#define LEAKY_SLOPE 0.01f
#define PARALLEL_MULTIPLICATIONS (1 << 18) /* a layer with more uses several threads */

struct perceptron {
    long rows, inputs, hidden, outputs, leaky;
    long wide; /* columns in a block of y, see block_offset: outputs, or half of them if y is γ and β side by side */
    long wide_row; /* floats from one row of such a block to the next, at least `wide` */
    const float *code;                 /* (rows, inputs): encoded λ */
    const float *first, *first_bias;   /* W₁ (hidden, inputs), b₁ (hidden) */
    const float *second, *second_bias; /* W₂ (outputs, hidden), b₂ (outputs) */
    long second_row;                   /* floats from one row of W₂ to the next */
    float *middle, *y;                 /* (rows, hidden), (outputs / wide, rows, wide_row) */
    /* backward; grad, shaped as y, is overwritten, to_middle is scratch (rows, hidden) */
    float *grad, *to_middle, *to_first, *to_first_bias, *to_second, *to_second_bias;
};

/* Offset of column k in blocks of `block` columns and `rows` rows, which are `row` floats apart. */
INLINE long block_offset(long k, long rows, long block, long row) { return k / block * rows * row + k % block; }

INLINE float leaky_relu(float x) { return MAX(x, LEAKY_SLOPE * x); } /* without a branch: signs are unpredictable */

/* y[r * y_stride] = w · x[r] + bias for `count` rows x[r] of n floats, count a compile-time constant. The rows' sums
are interleaved; the order of summation within a row does not depend on count. */
INLINE void dot_products(const float *w, float bias, const float *x, long n, int count, int leaky, float *y,
                         long y_stride) {
    vec total[4] = {0};
    long vector_end = n / LANES * LANES;
    for (long i = 0; i < vector_end; i += LANES)
        UNROLL for (int r = 0; r < count; r++) total[r] += load(x + r * n + i) * load(w + i);
    UNROLL for (int r = 0; r < count; r++) {
        float dot = horizontal_sum(total[r]);
        for (long i = vector_end; i < n; i++) dot += x[r * n + i] * w[i];
        y[r * y_stride] = leaky ? leaky_relu(dot + bias) : dot + bias;
    }
}

/* y += a x, n floats. */
INLINE void axpy(float *y, float a, const float *x, long n) {
    for (long i = 0; i < n; i++) y[i] += a * x[i];
}

/* y = x wᵀ + bias: x (rows, inputs), w (outputs, inputs) with rows `w_stride` floats apart, y in blocks of `block`
columns with rows `row` floats apart. */
static void linear_forward(const float *x, const float *w, const float *bias, float *y, long rows, long inputs,
                           long outputs, long w_stride, long block, long row, int leaky) {
#pragma omp parallel for schedule(static) if (rows * inputs * outputs > PARALLEL_MULTIPLICATIONS)
    for (long k = 0; k < outputs; k++) {
        float *to = y + block_offset(k, rows, block, row);
        long r = 0;
#define ROWS(COUNT)                       \
    for (; r + COUNT <= rows; r += COUNT) \
    dot_products(w + k * w_stride, bias[k], x + r * inputs, inputs, COUNT, leaky, to + r * row, row)
        ROWS(4);
        ROWS(2);
        ROWS(1);
#undef ROWS
    }
}

/* Gradients of linear_forward, without leaky, to w (contiguous), to bias and, unless to_x is null, to x. */
static void linear_backward(const float *x, const float *w, const float *grad, float *to_w, float *to_bias, float *to_x,
                            long rows, long inputs, long outputs, long w_stride, long block, long row) {
#pragma omp parallel for schedule(static) if (rows * inputs * outputs > PARALLEL_MULTIPLICATIONS)
    for (long k = 0; k < outputs; k++) {
        memset(to_w + k * inputs, 0, inputs * 4);
        to_bias[k] = 0;
        const float *from = grad + block_offset(k, rows, block, row);
        for (long r = 0; r < rows; r++) {
            float g = from[r * row];
            to_bias[k] += g;
            axpy(to_w + k * inputs, g, x + r * inputs, inputs);
        }
    }
    if (!to_x) return;
#pragma omp parallel for schedule(static) if (rows * inputs * outputs > PARALLEL_MULTIPLICATIONS)
    for (long r = 0; r < rows; r++) {
        memset(to_x + r * inputs, 0, inputs * 4);
        for (long first = 0; first < outputs; first += block) {
            const float *from = grad + block_offset(first, rows, block, row) + r * row;
            for (long k = first; k < MIN(first + block, outputs); k++)
                axpy(to_x + r * inputs, from[k - first], w + k * w_stride, inputs);
        }
    }
}

/* Forward pass of `count` perceptrons. */
void perceptrons_forward(const struct perceptron *perceptrons, long count) {
    for (const struct perceptron *p = perceptrons; p < perceptrons + count; p++) {
        linear_forward(p->code, p->first, p->first_bias, p->middle, p->rows, p->inputs, p->hidden, p->inputs,
                       p->hidden, p->hidden, 1);
        linear_forward(p->middle, p->second, p->second_bias, p->y, p->rows, p->hidden, p->outputs, p->second_row,
                       p->wide, p->wide_row, p->leaky);
    }
}

/* Gradients to all parameters of `count` perceptrons. The sign of a leaky ReLU's output is that of its input. */
void perceptrons_backward(const struct perceptron *perceptrons, long count) {
    for (const struct perceptron *p = perceptrons; p < perceptrons + count; p++) {
        if (p->leaky)
            for (long i = 0; i < p->rows * CEIL_DIV(p->outputs, p->wide) * p->wide_row; i++)
                p->grad[i] *= p->y[i] < 0 ? LEAKY_SLOPE : 1;
        linear_backward(p->middle, p->second, p->grad, p->to_second, p->to_second_bias, p->to_middle, p->rows,
                        p->hidden, p->outputs, p->second_row, p->wide, p->wide_row);
        for (long i = 0; i < p->rows * p->hidden; i++) p->to_middle[i] *= p->middle[i] < 0 ? LEAKY_SLOPE : 1;
        linear_backward(p->code, p->first, p->to_middle, p->to_first, p->to_first_bias, 0, p->rows, p->inputs,
                        p->hidden, p->inputs, p->hidden, p->hidden);
    }
}

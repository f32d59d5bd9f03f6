/* Conditional batch normalization in training mode (paper, Sec. 3.1 and 3.2), fused with what follows it; forward and
backward. Activations are NHWC.

    y = dropout(relu(γ (a x̂ + b) + β + plus)),   x̂ = (x - mean) / √(var + eps)

Dual BN: mean, var, a and b are those of branch c for the first `zeros` images of the batch (λ = 0) and of branch a for
the others. FiLM: row[image] selects the image's rows of γ and β (rows, channels). plus, the residual, FiLM, ReLU and
dropout are optional. */
#pragma once
#include <math.h>
#include <omp.h>
#include "dropout.h"

struct norm {
    long images, pixels, channels; /* pixels: height * width */
    long used, zeros; /* channels without padding, in which x is 0, and so are y and all gradients; images of branch c */
    const act_t *x, *plus;                /* (images, pixels, channels); plus: residual, or null */
    act_t *y;
    const float *weight[2], *bias[2]; /* a and b of branches c and a: (used) */
    float *running_mean[2], *running_var[2]; /* (used) */
    double momentum, eps;
    const float *gamma, *beta; /* (rows, channels), or null without FiLM */
    const long *row;           /* (images): row of gamma and beta */
    long rows, relu;
    struct drop drop; /* only with ReLU: y = 0 marks an element that either of them set to zero */
    float *mean, *inverse; /* (2, channels): mean and 1 / √(var + eps) of the batch, kept for the backward pass */
    float *sums;           /* (2, images, channels): scratch */
    /* backward */
    const act_t *grad;          /* to y */
    act_t *to_x, *to_plus;      /* to_plus: null without plus or without ReLU (it equals grad) */
    float *to_weight, *to_bias; /* (2, channels) */
    float *to_gamma, *to_beta;  /* (rows, channels) */
};

/* Loop over channels c: RUN(vectors) handles `vectors` vectors of channels from c on, whose sums over the pixels of an
image stay in registers. */
#define FOR_CHANNEL_BLOCKS(channels, RUN)         \
    for (long c = 0; c < (channels);) {           \
        if ((channels) - c >= 4 * LANES) {        \
            RUN(4);                               \
            c += 4 * LANES;                       \
        } else if ((channels) - c >= 2 * LANES) { \
            RUN(2);                               \
            c += 2 * LANES;                       \
        } else {                                  \
            RUN(1);                               \
            c += LANES;                           \
        }                                         \
    }
#define EACH(STATEMENT) UNROLL for (int i = 0; i < vectors; i++) { STATEMENT; }
/* Loop over pixels p < n. k alternates between 0 and 1, for two accumulators: shorter chains of dependent additions. */
#define FOR_PIXELS(n, STATEMENT)              \
    for (long p = 0; p + 1 < n; p++) {        \
        EACH(const int k = 0; STATEMENT) p++; \
        EACH(const int k = 1; STATEMENT)      \
    }                                         \
    if (n % 2) {                              \
        const long p = n - 1;                 \
        EACH(const int k = 0; STATEMENT)      \
    }

/* Mean of an image's pixels and sum of squared deviations from it, to bn->sums: two passes over data in the cache. */
INLINE void image_moments(const struct norm *bn, long image, long c, int vectors) {
    long n = bn->pixels, channels = bn->channels;
    const act_t *x = bn->x + image * n * channels + c;
    float *to_mean = bn->sums + image * channels + c, *to_squares = bn->sums + (bn->images + image) * channels + c;
    vec sum[2][4] = {0}, squares[2][4] = {0}, mean[4];
#define X load_act(x + p * channels + i * LANES)
    FOR_PIXELS(n, sum[k][i] += X)
    EACH(mean[i] = (sum[0][i] + sum[1][i]) / (float)n)
    FOR_PIXELS(n, vec deviation = X - mean[i]; squares[k][i] += deviation * deviation)
#undef X
    EACH(store(to_mean + i * LANES, mean[i]); store(to_squares + i * LANES, squares[0][i] + squares[1][i]))
}

/* Batch statistics of both branches from the images' moments, and the update of the running statistics. A branch that
has no images keeps its running statistics. */
static void batch_statistics(const struct norm *bn) {
    long first[3] = {0, bn->zeros, bn->images};
    for (int branch = 0; branch < 2; branch++) {
        long images = first[branch + 1] - first[branch], n = images * bn->pixels;
        if (!images) continue;
        for (long c = 0; c < bn->channels; c++) {
            double mean = 0, squares = 0;
            for (long i = first[branch]; i < first[branch + 1]; i++) mean += bn->sums[i * bn->channels + c];
            mean /= images;
            for (long i = first[branch]; i < first[branch + 1]; i++) {
                double deviation = bn->sums[i * bn->channels + c] - mean;
                squares += bn->sums[(bn->images + i) * bn->channels + c] + bn->pixels * deviation * deviation;
            }
            bn->mean[branch * bn->channels + c] = mean;
            bn->inverse[branch * bn->channels + c] = 1 / sqrt(squares / n + bn->eps);
            if (c >= bn->used) continue;
            float *running_mean = bn->running_mean[branch] + c, *running_var = bn->running_var[branch] + c;
            *running_mean += bn->momentum * (mean - *running_mean);
            *running_var += bn->momentum * (squares / (n > 1 ? n - 1 : 1) - *running_var);
        }
    }
}

/* y of one image: BN and FiLM as one scale and shift per channel, then plus, ReLU and dropout. */
INLINE void normalize_image(const struct norm *bn, long image, long c, int vectors) {
    long n = bn->pixels, channels = bn->channels, first = image * n * channels + c;
    int branch = image >= bn->zeros;
    vec scale[4], shift[4];
    for (int i = 0; i < vectors; i++) {
        long channel = c + i * LANES, stat = branch * channels + channel;
        vec a = load_partial(bn->weight[branch] + channel, bn->used - channel) * load(bn->inverse + stat);
        vec b = load_partial(bn->bias[branch] + channel, bn->used - channel) - load(bn->mean + stat) * a;
        if (bn->gamma) {
            vec gamma = load(bn->gamma + bn->row[image] * channels + channel);
            a *= gamma;
            b = b * gamma + load(bn->beta + bn->row[image] * channels + channel);
        }
        scale[i] = a;
        shift[i] = b;
    }
    const act_t *plus = bn->plus;
    long relu = bn->relu, dropped = bn->drop.dropped;
    uint_vec lanes = lane_indices();
    for (long p = 0, offset = first; p < n; p++, offset += channels) {
        vec v[4];
        EACH(v[i] = load_act(bn->x + offset + i * LANES) * scale[i] + shift[i])
        if (plus) EACH(v[i] += load_act(plus + offset + i * LANES))
        if (relu) EACH(v[i] = relu_vec(v[i]))
        if (dropped) EACH(v[i] = apply_dropout(&bn->drop, lanes, offset + i * LANES, v[i]))
        EACH(store_act(bn->y + offset + i * LANES, v[i]))
    }
}

void norm_forward(const struct norm *norm) {
    const struct norm copy = *norm, *bn = &copy; /* a local copy: the compiler knows that no store changes it */
#pragma omp parallel for schedule(dynamic)
    for (long image = 0; image < bn->images; image++) {
#define RUN(vectors) image_moments(bn, image, c, vectors)
        FOR_CHANNEL_BLOCKS(bn->channels, RUN)
#undef RUN
    }
    batch_statistics(bn);
#pragma omp parallel for schedule(dynamic)
    for (long image = 0; image < bn->images; image++) {
#define RUN(vectors) normalize_image(bn, image, c, vectors)
        FOR_CHANNEL_BLOCKS(bn->channels, RUN)
#undef RUN
    }
}

/* g, the gradient to γ (a x̂ + b) + β + plus: grad through dropout and ReLU. */
INLINE vec pre_activation_grad(const struct norm *bn, long offset) {
    vec g = load_act(bn->grad + offset);
    return bn->relu ? relu_backward(bn->y + offset, g * (float)bn->drop.scale) : g;
}

/* Σ g and Σ g x̂ over an image's pixels, to bn->sums; stores g, which is the gradient to plus, if to_plus is given. */
INLINE void grad_sums(const struct norm *bn, long image, long c, int vectors) {
    long n = bn->pixels, channels = bn->channels, branch = image >= bn->zeros, first = image * n * channels + c;
    vec sum[2][4] = {0}, product[2][4] = {0}, mean[4];
    EACH(mean[i] = load(bn->mean + branch * channels + c + i * LANES))
#define OFFSET (first + p * channels + i * LANES)
#define ADD(g) sum[k][i] += g; product[k][i] += g * (load_act(bn->x + OFFSET) - mean[i])
    if (bn->to_plus) {
        FOR_PIXELS(n, vec g = pre_activation_grad(bn, OFFSET); store_act(bn->to_plus + OFFSET, g); ADD(g))
    } else {
        FOR_PIXELS(n, vec g = pre_activation_grad(bn, OFFSET); ADD(g))
    }
#undef ADD
#undef OFFSET
    EACH(store(bn->sums + image * channels + c + i * LANES, sum[0][i] + sum[1][i]);
         store(bn->sums + (bn->images + image) * channels + c + i * LANES,
               (product[0][i] + product[1][i]) * load(bn->inverse + branch * channels + c + i * LANES)))
}

/* Gradients to γ and β (per row) and to a and b (per branch) from the images' Σ g and Σ g x̂. */
static void parameter_grads(const struct norm *bn) {
    long channels = bn->channels;
    memset(bn->to_weight, 0, 2 * channels * 4);
    memset(bn->to_bias, 0, 2 * channels * 4);
    if (bn->gamma) {
        memset(bn->to_gamma, 0, bn->rows * channels * 4);
        memset(bn->to_beta, 0, bn->rows * channels * 4);
    }
    for (long image = 0; image < bn->images; image++) {
        int branch = image >= bn->zeros;
        for (long c = 0; c < channels; c += LANES) {
            vec sum = load(bn->sums + image * channels + c);
            vec product = load(bn->sums + (bn->images + image) * channels + c);
            float *weight = bn->to_weight + branch * channels + c, *bias = bn->to_bias + branch * channels + c;
            vec gamma = broadcast(1);
            if (bn->gamma) {
                long row = bn->row[image] * channels + c;
                gamma = load(bn->gamma + row);
                store(bn->to_beta + row, load(bn->to_beta + row) + sum);
                store(bn->to_gamma + row, load(bn->to_gamma + row) +
                                              load_partial(bn->weight[branch] + c, bn->used - c) * product +
                                              load_partial(bn->bias[branch] + c, bn->used - c) * sum);
            }
            store(weight, load(weight) + gamma * product);
            store(bias, load(bias) + gamma * sum);
        }
    }
}

/* Gradient to x of an image, with da and db the gradients to a and b of its branch, which has n pixels in all:
a / √(var + eps) * (γ g - (x̂ da + db) / n). */
INLINE void input_grad(const struct norm *bn, long image, long c, long branch_pixels, int vectors) {
    long n = bn->pixels, channels = bn->channels, branch = image >= bn->zeros, first = image * n * channels + c;
    vec g_factor[4], x_factor[4], mean[4], offset[4];
    for (int i = 0; i < vectors; i++) {
        long channel = c + i * LANES, stat = branch * channels + channel;
        vec a = load_partial(bn->weight[branch] + channel, bn->used - channel) * load(bn->inverse + stat);
        vec a_over_n = a / (float)branch_pixels;
        g_factor[i] = bn->gamma ? a * load(bn->gamma + bn->row[image] * channels + channel) : a;
        x_factor[i] = a_over_n * load(bn->inverse + stat) * load(bn->to_weight + stat);
        offset[i] = a_over_n * load(bn->to_bias + stat);
        mean[i] = load(bn->mean + stat);
    }
    for (long p = 0, at = first; p < n; p++, at += channels)
        EACH(store_act(bn->to_x + at + i * LANES,
                       pre_activation_grad(bn, at + i * LANES) * g_factor[i] -
                           (load_act(bn->x + at + i * LANES) - mean[i]) * x_factor[i] - offset[i]))
}

void norm_backward(const struct norm *norm) {
    const struct norm copy = *norm, *bn = &copy;
    long counts[2] = {bn->zeros * bn->pixels, (bn->images - bn->zeros) * bn->pixels};
#pragma omp parallel for schedule(dynamic)
    for (long image = 0; image < bn->images; image++) {
#define RUN(vectors) grad_sums(bn, image, c, vectors)
        FOR_CHANNEL_BLOCKS(bn->channels, RUN)
#undef RUN
    }
    parameter_grads(bn);
#pragma omp parallel for schedule(dynamic)
    for (long image = 0; image < bn->images; image++) {
#define RUN(vectors) input_grad(bn, image, c, counts[image >= bn->zeros], vectors)
        FOR_CHANNEL_BLOCKS(bn->channels, RUN)
#undef RUN
    }
}
#undef EACH
#undef FOR_PIXELS
#undef FOR_CHANNEL_BLOCKS

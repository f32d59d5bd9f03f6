/* Conditional batch normalisation in training: (dual) BN by batch statistics, FiLM, what is added, ReLU, dropout; and the way back.

y = drop(ReLU(γ (a x̂ + b) + β + plus)), x̂ = (x - mean) / √(var + eps), with mean, var, a and b of the branch of an image, c for the first
`zeros` images, and its row of γ and β (Sec. 3.1 and 3.2). */
#pragma once
#include <math.h>
#include <omp.h>
#include "dropout.h"

struct norm {
    long images, pixels, channels, zeros; /* pixels: of one image */
    const stored *x, *plus;               /* plus: like x or absent */
    stored *y;
    const float *weight[2], *bias[2]; /* (channels): a and b of branches c and a */
    float *running_mean[2], *running_var[2];
    double momentum, eps;
    const float *gamma, *beta; /* (rows, channels), or absent without FiLM */
    const long *row;           /* (images): the row of each image */
    long rows, relu;
    struct drop drop; /* of what ReLU lets through; where y is 0, one of the two did not */
    float *mean, *inverse; /* (2, channels), kept for the way back */
    float *sums;           /* (2, images, channels): room */
    /* the way back */
    const stored *grad;
    stored *to_x, *to_plus;        /* to_plus absent where plus is; without ReLU it would be grad itself */
    float *to_weight, *to_bias;    /* (2, channels) */
    float *to_gamma, *to_beta;     /* (rows, channels) */
};

/* DO(vectors) for blocks of so many vectors of channels from c on, which the registers hold over all pixels of an image. */
#define IN_BLOCKS(channels, DO)                  \
    for (long c = 0; c < (channels);) {          \
        if ((channels) - c >= 4 * L) {           \
            DO(4);                               \
            c += 4 * L;                          \
        } else if ((channels) - c >= 2 * L) {    \
            DO(2);                               \
            c += 2 * L;                          \
        } else {                                 \
            DO(1);                               \
            c += L;                              \
        }                                        \
    }
#define EACH(WHAT) UNROLL for (int i = 0; i < vectors; i++) { WHAT; }
/* For each pixel p; k is 0 and 1 in turn, so that a sum need not wait for the pixel before. */
#define OVER_PIXELS(n, WHAT)                                  \
    for (long p = 0; p + 1 < n; p++) {                   \
        EACH(const int k = 0; WHAT) p++;                 \
        EACH(const int k = 1; WHAT)                      \
    }                                                    \
    if (n % 2) {                                         \
        const long p = n - 1;                            \
        EACH(const int k = 0; WHAT)                      \
    }

/* Mean and sum of squares about it of an image: two passes over what the cache holds. */
INLINE void moments(const struct norm *s, long image, long c, int vectors) {
    long n = s->pixels, channels = s->channels;
    const stored *x = s->x + image * n * channels + c;
    float *to_mean = s->sums + image * channels + c, *to_about = s->sums + (s->images + image) * channels + c;
    vec sum[2][4] = {0}, about[2][4] = {0}, mean[4];
#define X fetch(x + p * channels + i * L)
    OVER_PIXELS(n, sum[k][i] += X)
    EACH(mean[i] = (sum[0][i] + sum[1][i]) / (float)n)
    OVER_PIXELS(n, vec off = X - mean[i]; about[k][i] += off * off)
#undef X
    EACH(store(to_mean + i * L, mean[i]); store(to_about + i * L, about[0][i] + about[1][i]))
}

/* Batch statistics of both branches, and the running ones moved towards them. A branch without images is left alone. */
static void statistics(const struct norm *s) {
    long first[3] = {0, s->zeros, s->images};
    for (int branch = 0; branch < 2; branch++) {
        long images = first[branch + 1] - first[branch], n = images * s->pixels;
        if (!images) continue;
        for (long c = 0; c < s->channels; c++) {
            double mean = 0, about = 0;
            for (long i = first[branch]; i < first[branch + 1]; i++) mean += s->sums[i * s->channels + c];
            mean /= images;
            for (long i = first[branch]; i < first[branch + 1]; i++) {
                double off = s->sums[i * s->channels + c] - mean;
                about += s->sums[(s->images + i) * s->channels + c] + s->pixels * off * off;
            }
            s->mean[branch * s->channels + c] = mean;
            s->inverse[branch * s->channels + c] = 1 / sqrt(about / n + s->eps);
            float *running = s->running_mean[branch] + c, *spread = s->running_var[branch] + c;
            *running += s->momentum * (mean - *running);
            *spread += s->momentum * (about / (n > 1 ? n - 1 : 1) - *spread);
        }
    }
}

INLINE void normalised(const struct norm *s, long image, long c, int vectors) {
    long n = s->pixels, channels = s->channels, first = image * n * channels + c;
    int branch = image >= s->zeros;
    vec scale[4], shift[4];
    for (int i = 0; i < vectors; i++) {
        long here = c + i * L, at = branch * channels + here;
        vec a = load(s->weight[branch] + here) * load(s->inverse + at), b = load(s->bias[branch] + here) - load(s->mean + at) * a;
        if (s->gamma) {
            vec gamma = load(s->gamma + s->row[image] * channels + here);
            a *= gamma;
            b = b * gamma + load(s->beta + s->row[image] * channels + here);
        }
        scale[i] = a;
        shift[i] = b;
    }
    const stored *plus = s->plus;
    long relu = s->relu, dropped = s->drop.dropped;
    word_vec places = lanes();
    for (long p = 0, at = first; p < n; p++, at += channels) {
        vec v[4];
        EACH(v[i] = fetch(s->x + at + i * L) * scale[i] + shift[i])
        if (plus) EACH(v[i] += fetch(plus + at + i * L))
        if (relu) EACH(v[i] = positive(v[i]))
        if (dropped) EACH(v[i] = left_of(&s->drop, places, at + i * L, v[i]))
        EACH(keep(s->y + at + i * L, v[i]))
    }
}

void norm_forward(const struct norm *given) {
    const struct norm copy = *given, *s = &copy; /* no store changes it, as the compiler can see */
#pragma omp parallel for schedule(dynamic)
    for (long image = 0; image < s->images; image++) {
#define DO(vectors) moments(s, image, c, vectors)
        IN_BLOCKS(s->channels, DO)
#undef DO
    }
    statistics(s);
#pragma omp parallel for schedule(dynamic)
    for (long image = 0; image < s->images; image++) {
#define DO(vectors) normalised(s, image, c, vectors)
        IN_BLOCKS(s->channels, DO)
#undef DO
    }
}

/* grad where ReLU and dropout let through. */
INLINE vec through(const struct norm *s, long at) {
    vec g = fetch(s->grad + at);
    return s->relu ? where_positive(s->y + at, g * (float)s->drop.scale) : g;
}

/* Σ g and Σ g x̂ of an image, g being the gradient to γ (a x̂ + b) + β; and the gradient to plus, which it is. */
INLINE void sums(const struct norm *s, long image, long c, int vectors) {
    long n = s->pixels, channels = s->channels, branch = image >= s->zeros, first = image * n * channels + c;
    vec plain[2][4] = {0}, times[2][4] = {0}, mean[4];
    EACH(mean[i] = load(s->mean + branch * channels + c + i * L))
#define AT (first + p * channels + i * L)
#define SUM(g) plain[k][i] += g; times[k][i] += g * (fetch(s->x + AT) - mean[i])
    if (s->to_plus) {
        OVER_PIXELS(n, vec g = through(s, AT); keep(s->to_plus + AT, g); SUM(g))
    } else {
        OVER_PIXELS(n, vec g = through(s, AT); SUM(g))
    }
#undef SUM
#undef AT
    EACH(store(s->sums + image * channels + c + i * L, plain[0][i] + plain[1][i]);
         store(s->sums + (s->images + image) * channels + c + i * L,
               (times[0][i] + times[1][i]) * load(s->inverse + branch * channels + c + i * L)))
}

/* The gradients to the parameters, from the sums; γ's and β's rows, and each branch's a and b. */
static void to_parameters(const struct norm *s) {
    long channels = s->channels;
    memset(s->to_weight, 0, 2 * channels * 4);
    memset(s->to_bias, 0, 2 * channels * 4);
    if (s->gamma) {
        memset(s->to_gamma, 0, s->rows * channels * 4);
        memset(s->to_beta, 0, s->rows * channels * 4);
    }
    for (long image = 0; image < s->images; image++) {
        int branch = image >= s->zeros;
        for (long c = 0; c < channels; c += L) {
            vec plain = load(s->sums + image * channels + c), times = load(s->sums + (s->images + image) * channels + c);
            float *weight = s->to_weight + branch * channels + c, *bias = s->to_bias + branch * channels + c;
            vec gamma = all(1);
            if (s->gamma) {
                long row = s->row[image] * channels + c;
                gamma = load(s->gamma + row);
                store(s->to_beta + row, load(s->to_beta + row) + plain);
                store(s->to_gamma + row, load(s->to_gamma + row) + load(s->weight[branch] + c) * times + load(s->bias[branch] + c) * plain);
            }
            store(weight, load(weight) + gamma * times);
            store(bias, load(bias) + gamma * plain);
        }
    }
}

/* The gradient to x of an image whose branch has `of_branch` pixels. */
INLINE void gradient_to_x(const struct norm *s, long image, long c, long of_branch, int vectors) {
    long n = s->pixels, channels = s->channels, branch = image >= s->zeros, first = image * n * channels + c;
    vec of_g[4], of_x[4], mean[4], less[4];
    for (int i = 0; i < vectors; i++) {
        long here = c + i * L, at = branch * channels + here;
        vec a = load(s->weight[branch] + here) * load(s->inverse + at), mine = a / (float)of_branch;
        of_g[i] = s->gamma ? a * load(s->gamma + s->row[image] * channels + here) : a;
        of_x[i] = mine * load(s->inverse + at) * load(s->to_weight + at);
        less[i] = mine * load(s->to_bias + at);
        mean[i] = load(s->mean + at);
    }
    for (long p = 0, at = first; p < n; p++, at += channels)
        EACH(keep(s->to_x + at + i * L,
                  through(s, at + i * L) * of_g[i] - (fetch(s->x + at + i * L) - mean[i]) * of_x[i] - less[i]))
}

void norm_backward(const struct norm *given) {
    const struct norm copy = *given, *s = &copy;
    long counts[2] = {s->zeros * s->pixels, (s->images - s->zeros) * s->pixels};
#pragma omp parallel for schedule(dynamic)
    for (long image = 0; image < s->images; image++) {
#define DO(vectors) sums(s, image, c, vectors)
        IN_BLOCKS(s->channels, DO)
#undef DO
    }
    to_parameters(s);
#pragma omp parallel for schedule(dynamic)
    for (long image = 0; image < s->images; image++) {
#define DO(vectors) gradient_to_x(s, image, c, counts[image >= s->zeros], vectors)
        IN_BLOCKS(s->channels, DO)
#undef DO
    }
}
#undef EACH
#undef OVER_PIXELS
#undef IN_BLOCKS

/* Conditional batch normalisation in training: (dual) BN by batch statistics, FiLM, what is added, ReLU; and the way back.

y = ReLU(γ (a x̂ + b) + β + plus), x̂ = (x - mean) / √(var + eps), with mean, var, a and b of the branch of an image, c for the first
`zeros` images, and its row of γ and β (Sec. 3.1 and 3.2). */
#pragma once
#include <math.h>
#include <omp.h>
#include "vector.h"

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
    float *mean, *inverse; /* (2, channels), kept for the way back */
    float *sums;           /* (2, images, channels): room */
    /* the way back */
    const stored *grad;
    stored *to_x, *to_plus;        /* to_plus absent where plus is; without ReLU it would be grad itself */
    float *to_weight, *to_bias;    /* (2, channels) */
    float *to_gamma, *to_beta;     /* (rows, channels) */
};

/* Mean and sum of squares about it of each image and channel: two passes over what the cache holds. */
static void moments_of_images(const struct norm *s) {
    long n = s->pixels, channels = s->channels;
#pragma omp parallel for schedule(dynamic)
    for (long image = 0; image < s->images; image++) {
        const stored *x = s->x + image * n * channels;
        float *mean = s->sums + image * channels, *about = s->sums + (s->images + image) * channels;
        for (long c = 0; c < channels; c++) mean[c] = about[c] = 0;
        for (long p = 0; p < n; p++)
            for (long c = 0; c < channels; c += L) store(mean + c, load(mean + c) + fetch(x + p * channels + c));
        for (long c = 0; c < channels; c += L) store(mean + c, load(mean + c) / (float)n);
        for (long p = 0; p < n; p++)
            for (long c = 0; c < channels; c += L) {
                vec off = fetch(x + p * channels + c) - load(mean + c);
                store(about + c, load(about + c) + off * off);
            }
    }
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

void norm_forward(const struct norm *s) {
    moments_of_images(s);
    statistics(s);
    long n = s->pixels, channels = s->channels;
#pragma omp parallel for schedule(dynamic)
    for (long image = 0; image < s->images; image++) {
        int branch = image >= s->zeros;
        float *scale = s->sums + image * channels, *shift = s->sums + (s->images + image) * channels;
        for (long c = 0; c < channels; c += L) {
            long at = branch * channels + c;
            vec a = load(s->weight[branch] + c) * load(s->inverse + at), b = load(s->bias[branch] + c) - load(s->mean + at) * a;
            if (s->gamma) {
                vec gamma = load(s->gamma + s->row[image] * channels + c);
                a *= gamma;
                b = b * gamma + load(s->beta + s->row[image] * channels + c);
            }
            store(scale + c, a);
            store(shift + c, b);
        }
        for (long p = 0; p < n; p++)
            for (long c = 0; c < channels; c += L) {
                long at = (image * n + p) * channels + c;
                vec v = fetch(s->x + at) * load(scale + c) + load(shift + c);
                if (s->plus) v += fetch(s->plus + at);
                if (s->relu) v = choose(v < 0, (vec){0}, v);
                keep(s->y + at, v);
            }
    }
}

/* grad where ReLU let through. */
INLINE vec through(const struct norm *s, long at) {
    vec g = fetch(s->grad + at);
    return s->relu ? choose(fetch(s->y + at) <= 0, (vec){0}, g) : g;
}

/* Σ g and Σ g x̂ of each image and channel, g being the gradient to γ (a x̂ + b) + β; and the gradient to plus, which it is. */
static void sums_of_images(const struct norm *s) {
    long n = s->pixels, channels = s->channels;
#pragma omp parallel for schedule(dynamic)
    for (long image = 0; image < s->images; image++) {
        const float *mean = s->mean + (image >= s->zeros) * channels, *inverse = s->inverse + (image >= s->zeros) * channels;
        float *plain = s->sums + image * channels, *times = s->sums + (s->images + image) * channels;
        for (long c = 0; c < channels; c++) plain[c] = times[c] = 0;
        for (long p = 0; p < n; p++)
            for (long c = 0; c < channels; c += L) {
                long at = (image * n + p) * channels + c;
                vec g = through(s, at);
                if (s->to_plus) keep(s->to_plus + at, g);
                store(plain + c, load(plain + c) + g);
                store(times + c, load(times + c) + g * (fetch(s->x + at) - load(mean + c)));
            }
        for (long c = 0; c < channels; c += L) store(times + c, load(times + c) * load(inverse + c));
    }
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

void norm_backward(const struct norm *s) {
    long n = s->pixels, channels = s->channels, counts[2] = {s->zeros * n, (s->images - s->zeros) * n};
    sums_of_images(s);
    to_parameters(s);
    float *factors = s->sums; /* of each image: what g, x and 1 are multiplied by; the sums are used up */
#pragma omp parallel for schedule(dynamic)
    for (long image = 0; image < s->images; image++) {
        int branch = image >= s->zeros;
        float *of_g = factors + image * channels;
        for (long c = 0; c < channels; c += L) {
            vec a = load(s->weight[branch] + c) * load(s->inverse + branch * channels + c);
            store(of_g + c, s->gamma ? a * load(s->gamma + s->row[image] * channels + c) : a);
        }
        float *of_x = factors + (s->images + image) * channels;
        for (long c = 0; c < channels; c += L) {
            long at = branch * channels + c;
            vec a = load(s->weight[branch] + c) * load(s->inverse + at) / (float)counts[branch];
            store(of_x + c, a * load(s->inverse + at) * load(s->to_weight + at));
        }
        for (long p = 0; p < n; p++)
            for (long c = 0; c < channels; c += L) {
                long at = (image * n + p) * channels + c, in = branch * channels + c;
                vec a = load(s->weight[branch] + c) * load(s->inverse + in) / (float)counts[branch];
                vec v = through(s, at) * load(of_g + c) - (fetch(s->x + at) - load(s->mean + in)) * load(of_x + c);
                keep(s->to_x + at, v - a * load(s->to_bias + in));
            }
    }
}

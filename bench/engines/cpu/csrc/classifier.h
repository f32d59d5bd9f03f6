/* The classifier: a linear layer on the mean over an image's pixels; and the way back to the maps. */
#pragma once
#include "simd.h"

struct head {
    long pixels, channels, classes, weight_row; /* weight_row: floats from a class's weights to the next one's */
    const float *weight, *bias;                 /* (classes, channels), (classes) */
    stored *maps;                               /* (N, pixels, channels): read forward, written on the way back */
    float *logits;                              /* (N, classes): written forward; on the way back the gradient to them, read */
    float *means;                               /* (N, channels) over the pixels, kept for the gradients to the weights; or absent */
    float *to_weight, *to_bias;                 /* (classes, channels), (classes) */
};

void classify(const struct head *h, long images) {
#pragma omp parallel for schedule(static)
    for (long image = 0; image < images; image++) {
        const stored *maps = h->maps + image * h->pixels * h->channels;
        float *logits = h->logits + image * h->classes;
        memcpy(logits, h->bias, h->classes * 4);
        for (long c = 0; c < h->channels; c += L) {
            vec mean = {0};
            for (long p = 0; p < h->pixels; p++) mean += fetch(maps + p * h->channels + c);
            mean /= (float)h->pixels;
            if (h->means) store(h->means + image * h->channels + c, mean);
            for (long k = 0; k < h->classes; k++) logits[k] += sum(mean * load(h->weight + k * h->weight_row + c));
        }
    }
}

void classify_back(const struct head *h, long images) {
#pragma omp parallel for schedule(static)
    for (long image = 0; image < images; image++) {
        stored *maps = h->maps + image * h->pixels * h->channels;
        const float *grad = h->logits + image * h->classes;
        for (long c = 0; c < h->channels; c += L) {
            vec to_mean = {0};
            for (long k = 0; k < h->classes; k++) to_mean += grad[k] * load(h->weight + k * h->weight_row + c);
            for (long p = 0; p < h->pixels; p++) keep(maps + p * h->channels + c, to_mean / (float)h->pixels);
        }
    }
}

void classify_to_weights(const struct head *h, long images) {
    memset(h->to_weight, 0, h->classes * h->channels * 4);
    memset(h->to_bias, 0, h->classes * 4);
    for (long image = 0; image < images; image++)
        for (long k = 0; k < h->classes; k++) {
            float grad = h->logits[image * h->classes + k], *to = h->to_weight + k * h->channels;
            h->to_bias[k] += grad;
            for (long c = 0; c < h->channels; c += L) store(to + c, load(to + c) + grad * load(h->means + image * h->channels + c));
        }
}

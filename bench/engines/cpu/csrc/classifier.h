/* The classifier: global average pooling and a linear layer; with its gradients to the feature maps and the weights. */
#pragma once
#include "simd.h"

struct head {
    long pixels, channels, classes; /* pixels: height * width */
    long weight_row;                /* floats from one class's weights to the next */
    long used;                      /* channels without padding, in which maps are 0 */
    const float *weight, *bias;     /* (classes, used), (classes) */
    act_t *maps;                    /* (images, pixels, channels): feature maps; classify_back: the gradient to them */
    float *logits;                  /* (images, classes); in the backward functions the gradient to them, read */
    float *means;                   /* (images, channels): pooled maps, kept for classify_to_weights; or null */
    float *to_weight, *to_bias;     /* (classes, channels), (classes) */
};

void classify(const struct head *h, long images) {
#pragma omp parallel for schedule(static)
    for (long image = 0; image < images; image++) {
        const act_t *maps = h->maps + image * h->pixels * h->channels;
        float *logits = h->logits + image * h->classes;
        memcpy(logits, h->bias, h->classes * 4);
        for (long c = 0; c < h->channels; c += LANES) {
            vec mean = {0};
            for (long p = 0; p < h->pixels; p++) mean += load_act(maps + p * h->channels + c);
            mean /= (float)h->pixels;
            if (h->means) store(h->means + image * h->channels + c, mean);
            for (long k = 0; k < h->classes; k++)
                logits[k] += horizontal_sum(mean * load_partial(h->weight + k * h->weight_row + c, h->used - c));
        }
    }
}

/* Gradient to the feature maps. */
void classify_back(const struct head *h, long images) {
#pragma omp parallel for schedule(static)
    for (long image = 0; image < images; image++) {
        act_t *maps = h->maps + image * h->pixels * h->channels;
        const float *grad = h->logits + image * h->classes;
        for (long c = 0; c < h->channels; c += LANES) {
            vec to_mean = {0};
            const float *weight = h->weight + c;
            if (c + LANES <= h->used)
                for (long k = 0; k < h->classes; k++) to_mean += grad[k] * load(weight + k * h->weight_row);
            else
                for (long k = 0; k < h->classes; k++)
                    to_mean += grad[k] * load_partial(weight + k * h->weight_row, h->used - c);
            for (long p = 0; p < h->pixels; p++) store_act(maps + p * h->channels + c, to_mean / (float)h->pixels);
        }
    }
}

/* Gradients to the weights and the bias. */
void classify_to_weights(const struct head *h, long images) {
    memset(h->to_weight, 0, h->classes * h->channels * 4);
    memset(h->to_bias, 0, h->classes * 4);
    for (long image = 0; image < images; image++)
        for (long k = 0; k < h->classes; k++) {
            float grad = h->logits[image * h->classes + k], *to_weight = h->to_weight + k * h->channels;
            h->to_bias[k] += grad;
            for (long c = 0; c < h->channels; c += LANES)
                store(to_weight + c, load(to_weight + c) + grad * load(h->means + image * h->channels + c));
        }
}

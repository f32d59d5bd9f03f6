/* Dropout with a counter-based random mask: a hash of (key, element index). The backward pass recomputes the mask, so
that none is stored. */
#pragma once
#include "simd.h"

INLINE uint_vec murmur3_finalizer(uint_vec x) { /* MurmurHash3's fmix32, a bijection */
    x ^= x >> 16;
    x *= 0x85ebca6b;
    x ^= x >> 13;
    x *= 0xc2b2ae35;
    return x ^ x >> 16;
}

/* Each element is set to 0 with probability dropped / 2³², otherwise multiplied by `scale`. */
struct drop {
    long key, dropped;
    double scale;
};

INLINE uint_vec lane_indices(void) {
    uint_vec lanes;
    for (int i = 0; i < LANES; i++) lanes[i] = i;
    return lanes;
}

/* Dropout of a vector of activations; its first element has index `offset` in the tensor of all images. */
INLINE vec apply_dropout(const struct drop *d, uint_vec lanes, long offset, vec v) {
    uint_vec hash = murmur3_finalizer(murmur3_finalizer(lanes + (uint32_t)offset + (uint32_t)d->key) ^
                                      (uint32_t)(d->key >> 32) ^ (uint32_t)(offset >> 32));
    return blend((mask_vec)(hash < (uint32_t)d->dropped), (vec){0}, v * (float)d->scale);
}

struct dropout {
    long count; /* elements of an image, a multiple of LANES */
    const act_t *x;
    act_t *y;
    struct drop drop;
};

/* y = dropout(x); backward: the same with gradients. */
void dropout(const struct dropout *args, long images) {
    const struct dropout d = *args;
    uint_vec lanes = lane_indices();
#pragma omp parallel for schedule(static)
    for (long offset = 0; offset < images * d.count; offset += LANES)
        store_act(d.y + offset, apply_dropout(&d.drop, lanes, offset, load_act(d.x + offset)));
}

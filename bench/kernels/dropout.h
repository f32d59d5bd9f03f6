/* Dropout whose mask is a hash of (key, element), so that the way back draws it again and nothing is stored. */
#pragma once
#include "vector.h"

INLINE word_vec mixed(word_vec x) { /* MurmurHash3's finaliser, a bijection */
    x ^= x >> 16;
    x *= 0x85ebca6b;
    x ^= x >> 13;
    x *= 0xc2b2ae35;
    return x ^ x >> 16;
}

struct dropout {
    long count; /* of an image's numbers, a multiple of L */
    const stored *x;
    stored *y;
    long key, dropped; /* dropped: of 2³² */
    double scale;
};

/* y = 0 with probability dropped / 2³², else x times `scale`. */
void dropout(const struct dropout *given, long images) {
    const struct dropout d = *given;
    word_vec lane;
    for (int i = 0; i < L; i++) lane[i] = i;
#pragma omp parallel for schedule(static)
    for (long at = 0; at < images * d.count; at += L) {
        word_vec hash = mixed(mixed(lane + (uint32_t)at + (uint32_t)d.key) ^ (uint32_t)(d.key >> 32) ^ (uint32_t)(at >> 32));
        keep(d.y + at, choose((mask_vec)(hash < (uint32_t)d.dropped), (vec){0}, fetch(d.x + at) * (float)d.scale));
    }
}

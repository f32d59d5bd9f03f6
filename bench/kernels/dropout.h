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

/* y = 0 with probability dropped / 2³², else x times `scale`; `count` is a multiple of L. */
void dropout(const stored *x, stored *y, long count, long key, long dropped, double scale) {
    word_vec lane;
    for (int i = 0; i < L; i++) lane[i] = i;
#pragma omp parallel for schedule(static)
    for (long at = 0; at < count; at += L) {
        word_vec hash = mixed(mixed(lane + (uint32_t)at + (uint32_t)key) ^ (uint32_t)(key >> 32) ^ (uint32_t)(at >> 32));
        keep(y + at, choose((mask_vec)(hash < (uint32_t)dropped), (vec){0}, fetch(x + at) * (float)scale));
    }
}

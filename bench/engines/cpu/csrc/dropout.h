/* Dropout whose mask is a hash of (key, element), so that the way back draws it again and nothing is stored. */
#pragma once
#include "simd.h"

INLINE word_vec mixed(word_vec x) { /* MurmurHash3's finaliser, a bijection */
    x ^= x >> 16;
    x *= 0x85ebca6b;
    x ^= x >> 13;
    x *= 0xc2b2ae35;
    return x ^ x >> 16;
}

/* Each number 0 with probability dropped / 2³², else times `scale`. */
struct drop {
    long key, dropped;
    double scale;
};

INLINE word_vec lanes(void) {
    word_vec found;
    for (int i = 0; i < L; i++) found[i] = i;
    return found;
}

/* The numbers v, of which the first is the at-th of all images', where not dropped. */
INLINE vec left_of(const struct drop *d, word_vec places, long at, vec v) {
    word_vec hash = mixed(mixed(places + (uint32_t)at + (uint32_t)d->key) ^ (uint32_t)(d->key >> 32) ^ (uint32_t)(at >> 32));
    return choose((mask_vec)(hash < (uint32_t)d->dropped), (vec){0}, v * (float)d->scale);
}

struct dropout {
    long count; /* of an image's numbers, a multiple of L */
    const stored *x;
    stored *y;
    struct drop drop;
};

void dropout(const struct dropout *given, long images) {
    const struct dropout d = *given;
    word_vec places = lanes();
#pragma omp parallel for schedule(static)
    for (long at = 0; at < images * d.count; at += L) keep(d.y + at, left_of(&d.drop, places, at, fetch(d.x + at)));
}

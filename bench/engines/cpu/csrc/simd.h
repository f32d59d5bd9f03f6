/* Vectors of L floats, and images stored in fp32 or bf16 (BF16 defined): arithmetic is fp32 either way. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <immintrin.h>

#ifdef __AVX512F__
#define L 16     /* floats in a vector */
#define PANEL 64 /* columns of a matrix that lie together: the widest that a product keeps in registers */
#else
#define L 8
#define PANEL 16
#endif
#define UNROLL _Pragma("GCC unroll 64")
#define INLINE static inline __attribute__((always_inline))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define CEIL(a, b) (((a) + (b) - 1) / (b))

typedef float vec __attribute__((vector_size(4 * L)));
typedef float loose_vec __attribute__((vector_size(4 * L), aligned(4)));
typedef int32_t mask_vec __attribute__((vector_size(4 * L)));
typedef uint32_t word_vec __attribute__((vector_size(4 * L)));
typedef uint32_t loose_word_vec __attribute__((vector_size(4 * L), aligned(4)));
typedef uint16_t half_vec __attribute__((vector_size(2 * L), aligned(2)));

INLINE vec all(float x) { return x - (vec){0}; }
INLINE vec load(const float *p) { return *(const loose_vec *)p; }
INLINE void store(float *p, vec v) { *(loose_vec *)p = v; }
INLINE vec choose(mask_vec which, vec yes, vec no) { return (vec)((which & (mask_vec)yes) | (~which & (mask_vec)no)); }
INLINE vec positive(vec v) { /* ReLU; NaN stays NaN, as the second of the two does */
#if L == 16
    return (vec)_mm512_max_ps(_mm512_setzero_ps(), (__m512)v);
#else
    return (vec)_mm256_max_ps(_mm256_setzero_ps(), (__m256)v);
#endif
}
typedef float vec8 __attribute__((vector_size(32)));
typedef float vec4 __attribute__((vector_size(16)));
INLINE float sum(vec v) { /* by halves: few additions wait for another */
    union { vec whole; vec8 eights[L / 8]; } all = {v};
    union { vec8 whole; vec4 fours[2]; } eight = {L == 16 ? all.eights[0] + all.eights[L / 8 - 1] : all.eights[0]};
    vec4 four = eight.fours[0] + eight.fours[1];
    return (four[0] + four[2]) + (four[1] + four[3]);
}

/* Images as they are stored. fetch_if: zeros unless `inside`, which is all bits or none. where_positive: v where a ReLU let through
what it stored at p, else zeros. keep_some: the first `count` numbers of a vector. */
#ifdef BF16
typedef uint16_t stored;
#if L == 16 && defined __AVX512BW__ && defined __AVX512VL__
static const uint16_t TWICE[32] = {0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15};
INLINE __m256i halves(const stored *p) { return _mm256_loadu_si256((const __m256i *)p); }
INLINE vec fetch_if(uint32_t inside, const stored *p) { /* each number to the upper half of a word, in one instruction */
    return (vec)_mm512_maskz_permutexvar_epi16(0xaaaaaaaa & inside, _mm512_loadu_si512(TWICE), _mm512_castsi256_si512(halves(p)));
}
INLINE vec where_positive(const stored *p, vec v) {
    return (vec)_mm512_maskz_mov_ps(_mm256_test_epi16_mask(halves(p), _mm256_set1_epi16(0x7fff)), (__m512)v);
}
#else
#define PLAIN
INLINE vec fetch_if(uint32_t inside, const stored *p) {
    return (vec)(__builtin_convertvector(*(const half_vec *)p, word_vec) << 16 & inside);
}
#endif
#ifdef __AVX512BF16__
INLINE void keep(stored *p, vec v) { *(half_vec *)p = (half_vec)_mm512_cvtneps_pbh((__m512)v); }
INLINE void keep_some(stored *p, vec v, long count) { _mm256_mask_storeu_epi16(p, (1u << count) - 1, (__m256i)_mm512_cvtneps_pbh((__m512)v)); }
#else
INLINE void keep(stored *p, vec v) { /* to the nearest, ties to even; what is not a number stays so */
    word_vec word = (word_vec)v, rounded = word + 0x7fff + ((word >> 16) & 1);
    word = (word_vec)choose(v == v, (vec)rounded, (vec)(word | 0x400000));
    *(half_vec *)p = __builtin_convertvector(word >> 16, half_vec);
}
INLINE void keep_some(stored *p, vec v, long count) {
    stored found[L];
    keep(found, v);
    for (long k = 0; k < count; k++) p[k] = found[k];
}
#endif
INLINE float fetch1(const stored *p) {
    uint32_t word = (uint32_t)*p << 16;
    float found;
    memcpy(&found, &word, 4);
    return found;
}
#else
#define PLAIN
typedef float stored;
INLINE vec fetch_if(uint32_t inside, const stored *p) { return (vec)(*(const loose_word_vec *)p & inside); }
INLINE void keep(stored *p, vec v) { store(p, v); }
INLINE void keep_some(stored *p, vec v, long count) { for (long k = 0; k < count; k++) p[k] = v[k]; }
INLINE float fetch1(const stored *p) { return *p; }
#endif
INLINE vec fetch(const stored *p) { return fetch_if(~0u, p); }
INLINE void keep1(stored *p, float x) { keep_some(p, all(x), 1); }
#ifdef PLAIN
INLINE vec where_positive(const stored *p, vec v) { return choose(fetch(p) <= 0, (vec){0}, v); }
#endif

/* Memory of this thread's own, kept for the next call; `floats` of it, those beyond what was there before are 0. */
static float *workspace(int which, size_t floats) {
    static __thread float *kept[3];
    static __thread size_t sizes[3];
    if (floats > sizes[which]) {
        free(kept[which]);
        size_t bytes = CEIL(floats * 4, 4096) * 4096;
        kept[which] = aligned_alloc(4096, bytes);
        if (!kept[which]) abort();
        memset(kept[which], 0, bytes);
        sizes[which] = floats;
    }
    return kept[which];
}

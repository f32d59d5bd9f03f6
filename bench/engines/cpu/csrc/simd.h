/* SIMD vectors of LANES floats (AVX-512 or AVX2), and loads and stores of activations.

Activations (images, feature maps and their gradients) are stored as act_t: fp32, or bf16 if BF16 is defined. All
arithmetic is fp32. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <immintrin.h>

#ifdef __AVX512F__
#define LANES 16         /* floats in a vector */
#define PANEL_COLUMNS 64 /* columns in a panel of a packed matrix: what a GEMM microkernel keeps in registers */
#else
#define LANES 8
#define PANEL_COLUMNS 16
#endif
#define UNROLL _Pragma("GCC unroll 64")
#define INLINE static inline __attribute__((always_inline))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define CEIL_DIV(a, b) (((a) + (b) - 1) / (b))

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef float unaligned_vec __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int32_t mask_vec __attribute__((vector_size(4 * LANES)));
typedef uint32_t uint_vec __attribute__((vector_size(4 * LANES)));
typedef uint32_t unaligned_uint_vec __attribute__((vector_size(4 * LANES), aligned(4)));
typedef uint16_t bf16_vec __attribute__((vector_size(2 * LANES), aligned(2)));

INLINE vec broadcast(float x) { return x - (vec){0}; }
INLINE vec load(const float *p) { return *(const unaligned_vec *)p; }
INLINE void store(float *p, vec v) { *(unaligned_vec *)p = v; }

/* The first `count` floats of a vector, all if count >= LANES; zeros beyond, where memory is not read. */
INLINE vec load_partial(const float *p, long count) {
#if LANES == 16
    return (vec)_mm512_maskz_loadu_ps((1u << MIN(count, LANES)) - 1, p);
#else
    const mask_vec lanes = {0, 1, 2, 3, 4, 5, 6, 7};
    return (vec)_mm256_maskload_ps(p, (__m256i)(lanes < (int32_t)count));
#endif
}

/* `yes` in lanes whose mask bits are all set, `no` in lanes whose mask bits are all clear. */
INLINE vec blend(mask_vec mask, vec yes, vec no) { return (vec)((mask & (mask_vec)yes) | (~mask & (mask_vec)no)); }

/* max(v, 0). max_ps returns its second operand if one operand is NaN, so NaN propagates. */
INLINE vec relu_vec(vec v) {
#if LANES == 16
    return (vec)_mm512_max_ps(_mm512_setzero_ps(), (__m512)v);
#else
    return (vec)_mm256_max_ps(_mm256_setzero_ps(), (__m256)v);
#endif
}

/* Sum of a vector's lanes, by halves to keep the dependency chain short. */
typedef float vec8 __attribute__((vector_size(32)));
typedef float vec4 __attribute__((vector_size(16)));
INLINE float horizontal_sum(vec v) {
    union { vec whole; vec8 parts[LANES / 8]; } all = {v};
    union { vec8 whole; vec4 parts[2]; } eight = {LANES == 16 ? all.parts[0] + all.parts[LANES / 8 - 1] : all.parts[0]};
    vec4 four = eight.parts[0] + eight.parts[1];
    return (four[0] + four[2]) + (four[1] + four[3]);
}

/* Loads and stores of activations:
   load_act, load_act_scalar    LANES elements, one element
   load_act_if                  LANES elements if `condition` has all bits set, zeros if it has none
   store_act, store_act_scalar  LANES elements, one element
   store_act_partial            the first `count` elements of a vector
   relu_backward                grad where the ReLU output stored at p is positive or NaN, else 0 */
#ifdef BF16
typedef uint16_t act_t;
#if LANES == 16 && defined __AVX512BW__ && defined __AVX512VL__
static const uint16_t DUPLICATE[32] = {0, 0, 1, 1, 2,  2,  3,  3,  4,  4,  5,  5,  6,  6,  7,  7,
                                       8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15};
INLINE __m256i load_bf16(const act_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
INLINE vec load_act_if(uint32_t condition, const act_t *p) { /* bf16 → upper half of an fp32 word, in one instruction */
    return (vec)_mm512_maskz_permutexvar_epi16(0xaaaaaaaa & condition, _mm512_loadu_si512(DUPLICATE),
                                               _mm512_castsi256_si512(load_bf16(p)));
}
INLINE vec relu_backward(const act_t *p, vec grad) { /* 0x7fff: -0 counts as 0 */
    return (vec)_mm512_maskz_mov_ps(_mm256_test_epi16_mask(load_bf16(p), _mm256_set1_epi16(0x7fff)), (__m512)grad);
}
#else
#define GENERIC_RELU_BACKWARD
INLINE vec load_act_if(uint32_t condition, const act_t *p) {
    return (vec)(__builtin_convertvector(*(const bf16_vec *)p, uint_vec) << 16 & condition);
}
#endif
#ifdef __AVX512BF16__
INLINE void store_act(act_t *p, vec v) { *(bf16_vec *)p = (bf16_vec)_mm512_cvtneps_pbh((__m512)v); }
INLINE void store_act_partial(act_t *p, vec v, long count) {
    _mm256_mask_storeu_epi16(p, (1u << count) - 1, (__m256i)_mm512_cvtneps_pbh((__m512)v));
}
#else
INLINE void store_act(act_t *p, vec v) { /* rounds to nearest, ties to even; NaN stays NaN */
    uint_vec bits = (uint_vec)v, rounded = bits + 0x7fff + ((bits >> 16) & 1);
    bits = (uint_vec)blend(v == v, (vec)rounded, (vec)(bits | 0x400000));
    *(bf16_vec *)p = __builtin_convertvector(bits >> 16, bf16_vec);
}
INLINE void store_act_partial(act_t *p, vec v, long count) {
    act_t elements[LANES];
    store_act(elements, v);
    for (long k = 0; k < count; k++) p[k] = elements[k];
}
#endif
INLINE float load_act_scalar(const act_t *p) {
    uint32_t bits = (uint32_t)*p << 16;
    float x;
    memcpy(&x, &bits, 4);
    return x;
}
#else
#define GENERIC_RELU_BACKWARD
typedef float act_t;
INLINE vec load_act_if(uint32_t condition, const act_t *p) { return (vec)(*(const unaligned_uint_vec *)p & condition); }
INLINE void store_act(act_t *p, vec v) { store(p, v); }
INLINE void store_act_partial(act_t *p, vec v, long count) { for (long k = 0; k < count; k++) p[k] = v[k]; }
INLINE float load_act_scalar(const act_t *p) { return *p; }
#endif
INLINE vec load_act(const act_t *p) { return load_act_if(~0u, p); }
INLINE void store_act_scalar(act_t *p, float x) { store_act_partial(p, broadcast(x), 1); }
#ifdef GENERIC_RELU_BACKWARD
INLINE vec relu_backward(const act_t *p, vec grad) { return blend(load_act(p) <= 0, (vec){0}, grad); }
#endif

/* Thread-local scratch buffer `slot` (0, 1 or 2) of at least `floats` floats. Its contents survive until a call asks
for more: the buffer is then replaced by a larger one filled with zeros. */
static float *workspace(int slot, size_t floats) {
    static __thread float *buffers[3];
    static __thread size_t sizes[3];
    if (floats > sizes[slot]) {
        free(buffers[slot]);
        size_t bytes = CEIL_DIV(floats * 4, 4096) * 4096;
        buffers[slot] = aligned_alloc(4096, bytes);
        if (!buffers[slot]) abort();
        memset(buffers[slot], 0, bytes);
        sizes[slot] = floats;
    }
    return buffers[slot];
}

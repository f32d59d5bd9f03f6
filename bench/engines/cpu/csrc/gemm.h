/* Products of small matrices, as many rows and columns at once as the registers hold. */
#pragma once
#include "simd.h"

/* c[rows, columns] = (or, where `more`, +=) a[rows, depth] b[depth, columns]. a's element (i, k) is at i * down + k * along.
`ahead`, if any: depth × L numbers to be fetched into the cache meanwhile. */
#define PRODUCT(NAME, ROWS, VECTORS)                                                                                  \
    INLINE void NAME(const float *a, long down, long along, const float *b, long ldb, float *c, long ldc, long depth, \
                     int more, const float *ahead) {                                                                  \
        vec total[ROWS][VECTORS];                                                                                     \
        UNROLL for (int i = 0; i < ROWS; i++) UNROLL for (int j = 0; j < VECTORS; j++) total[i][j] = (vec){0};        \
        _Pragma("GCC unroll 2") for (long k = 0; k < depth; k++) {                                                    \
            if (ahead) __builtin_prefetch(ahead + k * L, 0, 2);                                                       \
            vec row[VECTORS];                                                                                         \
            UNROLL for (int j = 0; j < VECTORS; j++) row[j] = load(b + k * ldb + j * L);                              \
            UNROLL for (int i = 0; i < ROWS; i++) {                                                                   \
                vec x = all(a[i * down + k * along]);                                                                 \
                UNROLL for (int j = 0; j < VECTORS; j++) total[i][j] += x * row[j];                                   \
            }                                                                                                         \
        }                                                                                                             \
        UNROLL for (int i = 0; i < ROWS; i++) UNROLL for (int j = 0; j < VECTORS; j++)                                \
            store(c + i * ldc + j * L, more ? load(c + i * ldc + j * L) + total[i][j] : total[i][j]);                 \
    }

#if L == 16  /* 32 registers */
#define HIGH 24 /* rows of a product of one vector of columns; of two half as many, of four a quarter */
PRODUCT(product_4, HIGH / 4, 4)
PRODUCT(product_4_low, 4, 4)
PRODUCT(outer_4, 4, 4)
#define OUTER 8
#else /* 16 registers */
#define HIGH 12
#define OUTER 4
#endif
PRODUCT(product_2, HIGH / 2, 2)
PRODUCT(product_2_low, HIGH / 4, 2)
PRODUCT(product_1, HIGH, 1)
PRODUCT(product_1_low, HIGH / 2, 1)
PRODUCT(outer_2, OUTER, 2)
PRODUCT(outer_1, 8, 1)

/* Columns of the panel that begins at column j of `columns`, a multiple of L. Panels lie one after the other. */
INLINE long panel(long j, long columns) {
    for (long wide = PANEL; wide > L; wide /= 2)
        if (columns - j >= wide) return wide;
    return L;
}

enum { DEPTH = 128 }; /* of a panel at a time, which then stays in the first cache for all rows */

INLINE void product_of(const float *a, const float *b, float *c, long rows, long depth, long columns, const float *then) {
#define TIMES(NAME, ...) NAME(a + i * depth + from, depth, 1, b, wide, c + i * columns + j, columns, some, from > 0, __VA_ARGS__)
    for (long j = 0, wide; j < columns; j += wide) {
        wide = panel(j, columns);
        long from = 0;
        do { /* once even if it is the sum of nothing */
            long some = MIN(DEPTH, depth - from), i = 0;
#if L == 16
            if (wide == 4 * L) {
                for (long left = rows, group = 0; left > 0; group++) {
                    long high = left > 4 && left != 7 && left != 8 ? 6 : 4;
                    int ahead = then && group < 4; /* a quarter each of the panel */
                    if (high == 6 && ahead) TIMES(product_4, then + group * some * L);
                    else if (high == 6) TIMES(product_4, NULL);
                    else TIMES(product_4_low, NULL);
                    i += high;
                    left -= high;
                }
            } else
#endif
            if (wide == 2 * L) {
                for (; rows - i > HIGH / 4; i += HIGH / 2) TIMES(product_2, NULL);
                if (i < rows) TIMES(product_2_low, NULL);
            } else {
                for (; rows - i > HIGH / 2; i += HIGH) TIMES(product_1, NULL);
                if (i < rows) TIMES(product_1_low, NULL);
            }
            if (then) then += some * wide;
            b += some * wide;
            from += some;
        } while (from < depth);
    }
#undef TIMES
}

/* c[rows, columns] = a[rows, depth] b, where b lies in panels. Rows up to the next multiple of HIGH may be written too. `then`: the
panels of the next product, if known, which are fetched into the second cache meanwhile. */
static void product(const float *a, const float *b, float *c, long rows, long depth, long columns, const float *then) {
    /* The compiler knows the usual depths of narrow networks, whose loops are short */
    if (depth == 16) product_of(a, b, c, rows, 16, columns, then);
    else if (depth == 27) product_of(a, b, c, rows, 27, columns, then); /* the colours of 3×3 pixels */
    else if (depth == 32) product_of(a, b, c, rows, 32, columns, then);
    else if (depth == 64) product_of(a, b, c, rows, 64, columns, then);
    else product_of(a, b, c, rows, depth, columns, then);
}

/* c[rows, columns] = (or, where `more`, +=) aᵀ b with a[depth, rows], b[depth, columns], all without gaps; rows a multiple of 8,
columns of L. */
static void outer(const float *a, const float *b, float *c, long rows, long depth, long columns, int more) {
#define TIMES(NAME) NAME(a + i, 1, rows, b + j, columns, c + i * columns + j, columns, depth, more, NULL)
    long j = 0;
#if L == 16
    for (; j + 4 * L <= columns; j += 4 * L)
        for (long i = 0; i < rows; i += 4) TIMES(outer_4);
#endif
    for (; j + 2 * L <= columns; j += 2 * L)
        for (long i = 0; i < rows; i += OUTER) TIMES(outer_2);
    for (; j < columns; j += L)
        for (long i = 0; i < rows; i += 8) TIMES(outer_1);
#undef TIMES
}

/* Products of small matrices, as many rows and columns at once as the registers hold. */
#pragma once
#include "vector.h"

/* c[rows, columns] = (or, where `more`, +=) a[rows, depth] b[depth, columns]. a's element (i, k) is at i * down + k * along. */
#define PRODUCT(NAME, ROWS, VECTORS)                                                                                  \
    INLINE void NAME(const float *a, long down, long along, const float *b, long ldb, float *c, long ldc, long depth, \
                     int more) {                                                                                      \
        vec total[ROWS][VECTORS];                                                                                     \
        UNROLL for (int i = 0; i < ROWS; i++) UNROLL for (int j = 0; j < VECTORS; j++)                                \
            total[i][j] = more ? load(c + i * ldc + j * L) : (vec){0};                                                \
        for (long k = 0; k < depth; k++) {                                                                            \
            vec row[VECTORS];                                                                                         \
            UNROLL for (int j = 0; j < VECTORS; j++) row[j] = load(b + k * ldb + j * L);                              \
            UNROLL for (int i = 0; i < ROWS; i++) {                                                                   \
                vec x = all(a[i * down + k * along]);                                                                 \
                UNROLL for (int j = 0; j < VECTORS; j++) total[i][j] += x * row[j];                                   \
            }                                                                                                         \
        }                                                                                                             \
        UNROLL for (int i = 0; i < ROWS; i++) UNROLL for (int j = 0; j < VECTORS; j++)                                \
            store(c + i * ldc + j * L, total[i][j]);                                                                  \
    }

#if L == 16 /* 32 registers */
#define ROWS 24 /* rows of a product are padded to so many */
PRODUCT(product_4, 6, 4)
PRODUCT(product_2, 12, 2)
PRODUCT(product_1, 24, 1)
#define AT_LEAST 6
PRODUCT(outer_2, 8, 2)
PRODUCT(outer_1, 8, 1)
#else /* 16 registers */
#define ROWS 12
#define AT_LEAST 6
PRODUCT(product_2, 6, 2)
PRODUCT(product_1, 12, 1)
PRODUCT(outer_2, 4, 2)
PRODUCT(outer_1, 8, 1)
#endif

/* Columns of the panel that begins at column j of `columns`, a multiple of L. Panels lie one after the other. */
INLINE long panel(long j, long columns) {
    for (long wide = PANEL; wide > L; wide /= 2)
        if (columns - j >= wide) return wide;
    return L;
}

/* c[rows, columns] = a[rows, depth] b, where b lies in panels. Rows up to the next multiple of ROWS are written too. */
static void product(const float *a, const float *b, float *c, long rows, long depth, long columns) {
    for (long j = 0, wide; j < columns; j += wide) {
        const float *p = b + j * depth;
        wide = panel(j, columns);
#if L == 16
        if (wide == 4 * L)
            for (long i = 0; i < rows; i += 6) product_4(a + i * depth, depth, 1, p, wide, c + i * columns + j, columns, depth, 0);
        else if (wide == 2 * L)
            for (long i = 0; i < rows; i += 12) product_2(a + i * depth, depth, 1, p, wide, c + i * columns + j, columns, depth, 0);
        else
            for (long i = 0; i < rows; i += 24) product_1(a + i * depth, depth, 1, p, wide, c + i * columns + j, columns, depth, 0);
#else
        if (wide == 2 * L)
            for (long i = 0; i < rows; i += 6) product_2(a + i * depth, depth, 1, p, wide, c + i * columns + j, columns, depth, 0);
        else
            for (long i = 0; i < rows; i += 12) product_1(a + i * depth, depth, 1, p, wide, c + i * columns + j, columns, depth, 0);
#endif
    }
}

/* c[rows, columns] += aᵀ b with a[depth, rows], b[depth, columns] and these row strides; rows a multiple of 8, columns of L. */
static void outer(const float *a, long lda, const float *b, long ldb, float *c, long ldc, long rows, long depth, long columns) {
    const long high = L == 16 ? 8 : 4;
    long j = 0;
    for (; j + 2 * L <= columns; j += 2 * L)
        for (long i = 0; i < rows; i += high) outer_2(a + i, 1, lda, b + j, ldb, c + i * ldc + j, ldc, depth, 1);
    for (; j < columns; j += L)
        for (long i = 0; i < rows; i += 8) outer_1(a + i, 1, lda, b + j, ldb, c + i * ldc + j, ldc, depth, 1);
}

/* Single-threaded GEMM for small matrices that fit into a core's caches, register-blocked.

Packed matrices: a right-hand side b of shape (depth, columns) is stored in panels of panel_width() columns, one panel
after the other, each (depth, panel width) in row-major order. */
#pragma once
#include "simd.h"

/* Microkernel: c[ROWS, VECTORS * LANES] = a[ROWS, depth] b[depth, VECTORS * LANES], or += if `accumulate`. Element
(i, k) of a is a[i * a_row + k * a_column], so that a may be transposed. `prefetch`: depth × LANES floats to load into
the second-level cache meanwhile, or null. */
#define MICROKERNEL(NAME, ROWS, VECTORS)                                                                              \
    INLINE void NAME(const float *a, long a_row, long a_column, const float *b, long ldb, float *c, long ldc,         \
                     long depth, int accumulate, const float *prefetch) {                                             \
        vec total[ROWS][VECTORS];                                                                                     \
        UNROLL for (int i = 0; i < ROWS; i++) UNROLL for (int j = 0; j < VECTORS; j++) total[i][j] = (vec){0};        \
        _Pragma("GCC unroll 2") for (long k = 0; k < depth; k++) {                                                    \
            if (prefetch) __builtin_prefetch(prefetch + k * LANES, 0, 2);                                             \
            vec b_row[VECTORS];                                                                                       \
            UNROLL for (int j = 0; j < VECTORS; j++) b_row[j] = load(b + k * ldb + j * LANES);                        \
            UNROLL for (int i = 0; i < ROWS; i++) {                                                                   \
                vec x = broadcast(a[i * a_row + k * a_column]);                                                       \
                UNROLL for (int j = 0; j < VECTORS; j++) total[i][j] += x * b_row[j];                                 \
            }                                                                                                         \
        }                                                                                                             \
        UNROLL for (int i = 0; i < ROWS; i++) UNROLL for (int j = 0; j < VECTORS; j++)                                \
            store(c + i * ldc + j * LANES,                                                                            \
                  accumulate ? load(c + i * ldc + j * LANES) + total[i][j] : total[i][j]);                            \
    }

/* MAX_ROWS: rows of the microkernel with one vector of columns; two vectors leave registers for half as many rows, four
for a quarter. */
#if LANES == 16 /* 32 registers */
#define MAX_ROWS 24
MICROKERNEL(gemm_4, MAX_ROWS / 4, 4)
MICROKERNEL(gemm_4_short, 4, 4)
MICROKERNEL(gemm_tn_4, 4, 4)
#define TN_ROWS 8
#else /* 16 registers */
#define MAX_ROWS 12
#define TN_ROWS 4
#endif
MICROKERNEL(gemm_2, MAX_ROWS / 2, 2)
MICROKERNEL(gemm_2_short, MAX_ROWS / 4, 2)
MICROKERNEL(gemm_1, MAX_ROWS, 1)
MICROKERNEL(gemm_1_short, MAX_ROWS / 2, 1)
MICROKERNEL(gemm_tn_2, TN_ROWS, 2)
MICROKERNEL(gemm_tn_1, 8, 1)

/* Width of the panel that starts at `column` of a packed matrix with `columns` columns, a multiple of LANES. */
INLINE long panel_width(long column, long columns) {
    for (long width = PANEL_COLUMNS; width > LANES; width /= 2)
        if (columns - column >= width) return width;
    return LANES;
}

enum { DEPTH_BLOCK = 128 }; /* rows of a panel used at a time: they stay in the first-level cache for all rows of a */

INLINE void gemm_of_depth(const float *a, const float *b, float *c, long rows, long depth, long columns,
                          const float *prefetch) {
#define RUN(NAME, ...) \
    NAME(a + i * depth + start, depth, 1, b, width, c + i * columns + j, columns, block, start > 0, __VA_ARGS__)
    for (long j = 0, width; j < columns; j += width) {
        width = panel_width(j, columns);
        long start = 0;
        do { /* once even if depth is 0, to store zeros */
            long block = MIN(DEPTH_BLOCK, depth - start), i = 0;
#if LANES == 16
            if (width == 4 * LANES) {
                for (long left = rows, group = 0; left > 0; group++) {
                    long height = left > 4 && left != 7 && left != 8 ? 6 : 4; /* 7 and 8 rows: 4 and 4 */
                    int prefetching = prefetch && group < 4; /* a quarter of the panel in each of four groups of rows */
                    if (height == 6 && prefetching) RUN(gemm_4, prefetch + group * block * LANES);
                    else if (height == 6) RUN(gemm_4, NULL);
                    else RUN(gemm_4_short, NULL);
                    i += height;
                    left -= height;
                }
            } else
#endif
            if (width == 2 * LANES) {
                for (; rows - i > MAX_ROWS / 4; i += MAX_ROWS / 2) RUN(gemm_2, NULL);
                if (i < rows) RUN(gemm_2_short, NULL);
            } else {
                for (; rows - i > MAX_ROWS / 2; i += MAX_ROWS) RUN(gemm_1, NULL);
                if (i < rows) RUN(gemm_1_short, NULL);
            }
            if (prefetch) prefetch += block * width;
            b += block * width;
            start += block;
        } while (start < depth);
    }
#undef RUN
}

/* c[rows, columns] = a[rows, depth] b, with a and c row-major without gaps and b packed. a and c must have room for
rows up to the next multiple of MAX_ROWS. `prefetch`: packed right-hand side of the next call, or null. */
static void gemm(const float *a, const float *b, float *c, long rows, long depth, long columns, const float *prefetch) {
    /* Constant depths let the compiler unroll the short loops of narrow networks */
    if (depth == 16) gemm_of_depth(a, b, c, rows, 16, columns, prefetch);
    else if (depth == 27) gemm_of_depth(a, b, c, rows, 27, columns, prefetch); /* 3×3 pixels of 3 colours */
    else if (depth == 32) gemm_of_depth(a, b, c, rows, 32, columns, prefetch);
    else if (depth == 64) gemm_of_depth(a, b, c, rows, 64, columns, prefetch);
    else gemm_of_depth(a, b, c, rows, depth, columns, prefetch);
}

/* c[rows, columns] = aᵀ b, or += if `accumulate`, with a[depth, rows], b[depth, columns] and c row-major without gaps.
rows is a multiple of 8, columns of LANES. */
static void gemm_tn(const float *a, const float *b, float *c, long rows, long depth, long columns, int accumulate) {
#define RUN(NAME) NAME(a + i, 1, rows, b + j, columns, c + i * columns + j, columns, depth, accumulate, NULL)
    long j = 0;
#if LANES == 16
    for (; j + 4 * LANES <= columns; j += 4 * LANES)
        for (long i = 0; i < rows; i += 4) RUN(gemm_tn_4);
#endif
    for (; j + 2 * LANES <= columns; j += 2 * LANES)
        for (long i = 0; i < rows; i += TN_ROWS) RUN(gemm_tn_2);
    for (; j < columns; j += LANES)
        for (long i = 0; i < rows; i += 8) RUN(gemm_tn_1);
#undef RUN
}

/* In eval mode BN and FiLM of each distinct λ are one scale and shift. */
#pragma once
#include <math.h>
#include "simd.h"

struct fold {
    long rows, channels;
    const float *weight[2], *bias[2], *mean[2], *var[2]; /* (channels): of branches c and a; without dual BN of a alone */
    const unsigned char *through_c;                      /* (rows): which go through branch c; or absent: none */
    const float *gamma, *beta;                           /* (rows, channels), or absent without FiLM */
    float *scale, *shift;                                /* (rows, channels) */
    double eps;
};

void fold(const struct fold *all, long count) {
    for (const struct fold *f = all; f < all + count; f++)
        for (long r = 0; r < f->rows; r++) {
            int b = !(f->through_c && f->through_c[r]);
            for (long c = 0; c < f->channels; c++) {
                float scale = f->weight[b][c] / sqrtf(f->var[b][c] + (float)f->eps), shift = f->bias[b][c] - f->mean[b][c] * scale;
                long at = r * f->channels + c;
                f->scale[at] = f->gamma ? f->gamma[at] * scale : scale;
                f->shift[at] = f->gamma ? f->gamma[at] * shift + f->beta[at] : shift;
            }
        }
}

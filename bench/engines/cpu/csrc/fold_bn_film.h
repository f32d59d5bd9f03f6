/* Batch norm in eval mode and FiLM folded into one scale and shift per channel, for each distinct λ:

    γ (a (x - mean) / √(var + eps) + b) + β = scale x + shift */
#pragma once
#include <math.h>
#include "simd.h"

struct fold {
    long rows, channels; /* rows: distinct λ */
    const float *weight[2], *bias[2], *mean[2], *var[2]; /* a, b and running statistics of branches c and a: (channels);
                                                            without dual BN only branch a */
    const unsigned char *through_c; /* (rows): whether the row uses branch c; null: none does */
    const float *gamma, *beta;      /* (rows, channels), or null without FiLM */
    float *scale, *shift;           /* (rows, channels) */
    double eps;
};

void fold(const struct fold *norms, long count) {
    for (const struct fold *f = norms; f < norms + count; f++)
        for (long r = 0; r < f->rows; r++) {
            int branch = !(f->through_c && f->through_c[r]);
            for (long c = 0; c < f->channels; c++) {
                float scale = f->weight[branch][c] / sqrtf(f->var[branch][c] + (float)f->eps);
                float shift = f->bias[branch][c] - f->mean[branch][c] * scale;
                long i = r * f->channels + c;
                f->scale[i] = f->gamma ? f->gamma[i] * scale : scale;
                f->shift[i] = f->gamma ? f->gamma[i] * shift + f->beta[i] : shift;
            }
        }
}

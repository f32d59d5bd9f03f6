/* The parts of a PGD step outside the network (Madry et al., ICLR 2018): the gradient of the cross-entropy to the
logits, and the step along the sign of the gradient with projection. */
#pragma once
#include <math.h>
#include "simd.h"

/* Replace logits (images, classes) by the gradient of each image's cross-entropy: softmax(logits) - one_hot(label).
Return 1 if a label is not in [0, classes), else 0. */
long to_logits(float *logits, const long *labels, long classes, long images) {
    for (long image = 0; image < images; image++) {
        float *row = logits + image * classes, max = -INFINITY, total = 0;
        if (labels[image] < 0 || labels[image] >= classes) return 1;
        for (long k = 0; k < classes; k++) max = MAX(row[k], max);
        for (long k = 0; k < classes; k++) total += row[k] = expf(row[k] - max);
        for (long k = 0; k < classes; k++) row[k] /= total;
        row[labels[image]] -= 1;
    }
    return 0;
}

struct ascent {
    long count;              /* elements of all images */
    float *x;                /* the iterate, updated in place */
    const float *low, *high; /* bounds of each element: the ε-ball within the range of pixel values */
    const act_t *gradient;   /* of the loss to x */
    act_t *next;             /* the new x as stored for the network */
    double step;
};

/* min(max(x + step * sign(gradient), low), high) of element i. NaN stays NaN. */
INLINE float ascend_scalar(const struct ascent *a, long i) {
    float g = load_act_scalar(a->gradient + i), x = a->x[i] + (float)a->step * ((g > 0) - (g < 0));
    x = x < a->low[i] ? a->low[i] : x;
    return x > a->high[i] ? a->high[i] : x;
}

/* x = next = min(max(x + step * sign(gradient), low), high). NaN stays NaN. */
void ascend(const struct ascent *args) {
    const struct ascent copy = *args, *a = &copy; /* a local copy: the compiler knows that no store changes it */
    long vector_end = a->count / LANES * LANES;
#pragma omp parallel for schedule(static) if (vector_end > 1 << 16)
    for (long i = 0; i < vector_end; i += LANES) {
        vec g = load_act(a->gradient + i), zero = {0}, step = broadcast(a->step);
        vec low = load(a->low + i), high = load(a->high + i);
        vec x = load(a->x + i) + blend(g > 0, step, zero) - blend(g < 0, step, zero);
        x = blend(x < low, low, x);
        x = blend(x > high, high, x);
        store(a->x + i, x);
        store_act(a->next + i, x);
    }
    for (long i = vector_end; i < a->count; i++) store_act_scalar(a->next + i, a->x[i] = ascend_scalar(a, i));
}

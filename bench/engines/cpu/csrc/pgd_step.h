/* What an attack's step does outside the network: up the cross-entropy by its gradient's sign, and back into the ε-ball. */
#pragma once
#include <math.h>
#include "simd.h"

/* Logits (images, classes) → in their place the gradient of each image's cross-entropy, softmax - one-hot. 0, or 1 where a label is
no class. */
long to_logits(float *logits, const long *labels, long classes, long images) {
    for (long image = 0; image < images; image++) {
        float *row = logits + image * classes, most = -INFINITY, total = 0;
        if (labels[image] < 0 || labels[image] >= classes) return 1;
        for (long k = 0; k < classes; k++) most = MAX(row[k], most);
        for (long k = 0; k < classes; k++) total += row[k] = expf(row[k] - most);
        for (long k = 0; k < classes; k++) row[k] /= total;
        row[labels[image]] -= 1;
    }
    return 0;
}

struct ascent {
    long count;             /* of all images' numbers */
    float *x;               /* moves */
    const float *low, *high; /* no further than these */
    const stored *gradient;
    stored *next; /* x as the network takes it */
    double step;
};

INLINE float moved(const struct ascent *a, long i) {
    float g = fetch1(a->gradient + i), x = a->x[i] + (float)a->step * ((g > 0) - (g < 0));
    x = x < a->low[i] ? a->low[i] : x; /* NaN stays NaN */
    return x > a->high[i] ? a->high[i] : x;
}

void ascend(const struct ascent *given) {
    const struct ascent copy = *given, *a = &copy;
    long whole = a->count / L * L;
#pragma omp parallel for schedule(static) if (whole > 1 << 16)
    for (long i = 0; i < whole; i += L) {
        vec g = fetch(a->gradient + i), none = {0}, step = all(a->step), low = load(a->low + i), high = load(a->high + i);
        vec x = load(a->x + i) + choose(g > 0, step, none) - choose(g < 0, step, none);
        x = choose(x < low, low, x); /* NaN stays NaN */
        x = choose(x > high, high, x);
        store(a->x + i, x);
        keep(a->next + i, x);
    }
    for (long i = whole; i < a->count; i++) keep1(a->next + i, a->x[i] = moved(a, i));
}

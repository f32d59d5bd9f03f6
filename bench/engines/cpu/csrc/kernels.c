/* The kernels of conditional networks on a CPU, compiled when first needed (bench/kernels/library.py), once for images stored in
fp32 and once, with BF16, in bf16. */
#include "pgd_step.h"
#include "film_mlp.h"
#include "fold_bn_film.h"
#include "im2col.h"
#include "classifier.h"
#include "batch_norm.h"
#include "winograd_strided.h"
#include "weight_grad.h"
#include "winograd.h"

/* Units one after the other, on the first `images` images. */
void run(const struct unit *units, long count, long images) {
    for (long i = 0; images && i < count; i++) {
        if (units[i].kind == WINOGRAD) winograd(units + i, images);
        else if (units[i].kind == GATHER) gather(units + i, images);
        else if (units[i].kind == STRIDED) strided(units + i, images);
        else pointwise(units + i, images);
    }
}

/* A training pass, or its way back: one call after the other on the first `images` images. */
enum { UNIT, NORM_FORWARD, NORM_BACKWARD, TO_WEIGHTS };
struct call { long kind; const void *what; };
void run_calls(const struct call *calls, long count, long images) {
    for (const struct call *c = calls; c < calls + count; c++) {
        if (c->kind == UNIT) run(c->what, 1, images);
        else if (c->kind == NORM_FORWARD) norm_forward(c->what);
        else if (c->kind == NORM_BACKWARD) norm_backward(c->what);
        else to_weights(c->what, images);
    }
}

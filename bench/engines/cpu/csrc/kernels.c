/* CPU kernels of conditional networks. Compiled at first use, once for activations in fp32 and once, with BF16 defined,
for bf16. All functions without `static` are called from Python by ctypes. */
#include "pgd_step.h"
#include "film_mlp.h"
#include "fold_bn_film.h"
#include "im2col.h"
#include "classifier.h"
#include "batch_norm.h"
#include "winograd_strided.h"
#include "weight_grad.h"
#include "winograd.h"

/* Run `count` fused convolutions one after the other, on the first `images` images of their tensors. */
void run(const struct unit *units, long count, long images) {
    for (long i = 0; images && i < count; i++) {
        if (units[i].kind == WINOGRAD) winograd(units + i, images);
        else if (units[i].kind == GATHER) im2col_conv(units + i, images);
        else if (units[i].kind == STRIDED) strided(units + i, images);
        else pointwise(units + i, images);
    }
}

/* A step of a training plan; `what` points to a struct unit, norm, norm or gradient. */
enum { UNIT, NORM_FORWARD, NORM_BACKWARD, TO_WEIGHTS };
struct call { long kind; const void *what; };

/* Run `count` steps of a training plan, forward or backward, one after the other, on the first `images` images. */
void run_calls(const struct call *calls, long count, long images) {
    for (const struct call *c = calls; c < calls + count; c++) {
        if (c->kind == UNIT) run(c->what, 1, images);
        else if (c->kind == NORM_FORWARD) norm_forward(c->what);
        else if (c->kind == NORM_BACKWARD) norm_backward(c->what);
        else to_weights(c->what, images);
    }
}

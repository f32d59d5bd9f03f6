/* The kernels of conditional networks on a CPU, compiled when first needed (bench/kernels/library.py), once for images stored in
fp32 and once, with BF16, in bf16. */
#include "dropout.h"
#include "film.h"
#include "gather.h"
#include "head.h"
#include "norm.h"
#include "winograd.h"

/* Units one after the other, on the first `images` images. */
void run(const struct unit *units, long count, long images) {
    for (long i = 0; images && i < count; i++) {
        if (units[i].kind == WINOGRAD) winograd(units + i, images);
        else if (units[i].kind == GATHER) gather(units + i, images);
        else pointwise(units + i, images);
    }
}

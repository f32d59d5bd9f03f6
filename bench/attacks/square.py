"""The Square attack (Andriushchenko et al., ECCV 2020), L∞: random search by squares, which needs no gradient.

It uses the outputs alone, so masked gradients do not mislead it.
"""

import torch
from torch import Tensor

from bench.attacks.pgd import Logits, Loss, margin

HALVED_AT = (
    10,
    50,
    200,
    1000,
    2000,
    4000,
    6000,
    8000,
)  # queries of 10,000 after which the area of the squares is halved
FIRST_AREA = 0.8  # share of the image; the paper's p for L∞


@torch.no_grad()
def square(logits: Logits, x, y, epsilon, step, steps, rng, start="image", loss: Loss = margin) -> Tensor:
    """Attack each image by at most `steps` queries, each ±ε off in all pixels (Algorithms 1 and 2).

    The first query is vertical stripes; `start` and `step` are not used. A fooled image is not queried again. The
    margin alone shows whether an image is fooled, so with another loss (towards a target) all queries are spent.
    """
    channels, height, width = x.shape[1:]
    rng = torch.Generator(rng.device).manual_seed(int(torch.randint(2**31, (), generator=rng, device=rng.device)))
    low, high = (x - epsilon).clamp_(min=0), (x + epsilon).clamp_(max=1)

    def draw(below: int, *shape: int) -> Tensor:
        return torch.randint(below, shape, generator=rng, device=rng.device).to(x.device)

    def signs(*shape: int) -> Tensor:
        return 2.0 * draw(2, *shape) - 1

    best = (x + epsilon * signs(len(x), channels, 1, width)).clamp(low, high)
    value = loss(logits(best).float(), y)
    for query in range(1, steps):
        side = max(1, min(round((area(query, steps) * height * width) ** 0.5), height, width))
        # drawn for all images, so that the squares of one image do not depend on which others were fooled
        top, left = (draw(n - side + 1, len(x)) for n in (height, width))
        sign = signs(len(x), channels, 1, 1)
        active = (value <= 0).nonzero()[:, 0] if loss is margin else torch.arange(len(x), device=x.device)
        if not len(active):
            break
        inside = window(top[active], side, height)[:, :, None] & window(left[active], side, width)[:, None, :]
        moved = (x[active] + epsilon * sign[active]).clamp(low[active], high[active])
        query_images = torch.where(inside[:, None], moved, best[active])
        query_value = loss(logits(query_images).float(), y[active])
        better = query_value > value[active]
        best[active] = torch.where(better[:, None, None, None], query_images, best[active])
        value[active] = torch.where(better, query_value, value[active])
    return best


def area(query: int, steps: int) -> float:
    """Share of the image that the squares of a query cover, halved at fixed shares of the budget (Sec. 3.2)."""
    return FIRST_AREA / 2 ** sum(query > at * steps / 10_000 for at in HALVED_AT)


def window(first: Tensor, side: int, size: int) -> Tensor:
    """(N, size) bool: the `side` pixels that begin at each `first`."""
    pixel = torch.arange(size, device=first.device)
    return (pixel >= first[:, None]) & (pixel < first[:, None] + side)

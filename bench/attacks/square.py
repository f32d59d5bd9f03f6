"""The Square attack (Andriushchenko et al., ECCV 2020), L∞: random search by squares, which needs no gradient.

It sees outputs alone, so what hides a network's gradients does not hide the network from it.
"""

import torch
from torch import Tensor

from bench.attacks.pgd import Logits, Loss, margin

HALVED_AT = (10, 50, 200, 1000, 2000, 4000, 6000, 8000)  # queries of 10,000: from here the squares' area is halved
FIRST_AREA = 0.8  # of the image; the paper's p for L∞


@torch.no_grad()
def square(logits: Logits, x, y, epsilon, step, steps, rng, start="image", loss: Loss = margin) -> Tensor:
    """At most `steps` queries of each image; every tried image is ±ε off in all pixels (Algorithm 1 and 2).

    The first query is vertical stripes whatever `start` says; `step` is not used. An image that is fooled is queried no
    more; that shows in the margin alone, so with another loss (towards a target) all queries are spent.
    """
    channels, height, width = x.shape[1:]
    rng = torch.Generator(rng.device).manual_seed(int(torch.randint(2**31, (), generator=rng, device=rng.device)))
    low, high = (x - epsilon).clamp_(min=0), (x + epsilon).clamp_(max=1)

    def signs(*shape: int) -> Tensor:
        return 2.0 * torch.randint(0, 2, shape, generator=rng, device=x.device) - 1

    best = (x + epsilon * signs(len(x), channels, 1, width)).clamp(low, high)
    value = loss(logits(best).float(), y)
    for query in range(1, steps):
        side = max(1, min(round((area(query, steps) * height * width) ** 0.5), height, width))
        # drawn for every image, so that what one is tried with does not depend on how the network did on others
        top, left = (torch.randint(0, n - side + 1, (len(x),), generator=rng, device=x.device) for n in (height, width))
        sign = signs(len(x), channels, 1, 1)
        active = (value <= 0).nonzero()[:, 0] if loss is margin else torch.arange(len(x), device=x.device)
        if not len(active):
            break
        inside = window(top[active], side, height)[:, :, None] & window(left[active], side, width)[:, None, :]
        moved = (x[active] + epsilon * sign[active]).clamp(low[active], high[active])
        tried = torch.where(inside[:, None], moved, best[active])
        found = loss(logits(tried).float(), y[active])
        better = found > value[active]
        best[active] = torch.where(better[:, None, None, None], tried, best[active])
        value[active] = torch.where(better, found, value[active])
    return best


def area(query: int, steps: int) -> float:
    """The squares' part of the image: halved at fixed parts of the budget (Sec. 3.2)."""
    return FIRST_AREA / 2 ** sum(query > at * steps / 10_000 for at in HALVED_AT)


def window(first: Tensor, side: int, size: int) -> Tensor:
    """(N, size) bool: `side` pixels from each `first` on."""
    place = torch.arange(size, device=first.device)
    return (place >= first[:, None]) & (place < first[:, None] + side)

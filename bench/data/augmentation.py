"""Augmentation of whole batches: pad by 4 pixels, random crop, random flip (docs/protocol.md, row 11).

One gather crops all images, as in D. Page's and K. Jordan's fast CIFAR-10 trainings. Without a loop over images,
augmentation on a GPU costs less than copying a batch to it.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

PAD = 4  # black pixels on each side, for images of 32 × 32 and of 96 × 96


def augment(images: Tensor, kind: str, generator: torch.Generator) -> Tensor:
    """Augment a batch of images, float or uint8 (B, C, H, W); shape, dtype and device stay the same.

    Args:
        kind: "crop-flip", or "none", which returns `images` itself.
        generator: the only source of randomness; may be on another device than the images.

    Raises ValueError for another kind.
    """
    if kind == "none":
        return images
    if kind != "crop-flip":
        raise ValueError(f"augmentation is 'none' or 'crop-flip', not {kind!r}")
    top, left, flip = (x.to(images.device) for x in draw_crops(len(images), generator))
    return crop_flip(images, top, left, flip)


def draw_crops(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Draw crop offsets top and left, int64 (B,) in 0..2·PAD, and flips, bool (B,); all uniform and independent."""
    device = generator.device
    top, left = torch.randint(2 * PAD + 1, (2, count), generator=generator, device=device)
    flip = torch.randint(2, (count,), generator=generator, device=device).bool()
    return top, left, flip


def crop_flip(images: Tensor, top: Tensor, left: Tensor, flip: Tensor) -> Tensor:
    """Pad image b by PAD, crop it to its size at (top[b], left[b]), and mirror it left to right if flip[b].

    One gather with flat pixel indices takes 0.8 ms for 128 float images of 3 × 32 × 32 on one CPU core; indexing with
    a tensor per dimension takes 7.9 ms.
    """
    count, channels, height, width = images.shape
    rows = top[:, None] + torch.arange(height, device=images.device)
    columns = left[:, None] + torch.arange(width, device=images.device)
    columns = torch.where(flip[:, None], columns.flip(1), columns)  # a mirrored image reads its columns backwards
    indices = (rows[:, :, None] * (width + 2 * PAD) + columns[:, None, :]).view(count, 1, height * width)
    padded = pad(images, [PAD] * 4).flatten(2)
    return padded.gather(2, indices.expand(count, channels, -1)).view(images.shape)

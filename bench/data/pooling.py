"""Pooling of images on loading: each channel averaged over squares of pixels, so that small machines train faster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.data.dataset_types import DataError

if TYPE_CHECKING:
    from torch import Tensor


def pooled_shape(shape: tuple[int, int, int], pool: int) -> tuple[int, int, int]:
    """The shape (C, H, W) after pooling. Raises DataError unless `pool` divides height and width."""
    channels, height, width = shape
    if height % pool or width % pool:
        raise DataError(
            f"images of {width} × {height} pixels cannot be averaged over {pool} × {pool}: "
            "give a pool that divides width and height"
        )
    return channels, height // pool, width // pool


def pool_images(images: Tensor, pool: int) -> Tensor:
    """Average images, uint8 (N, C, H, W), over pool × pool pixels, rounded half up: uint8 (N, C, H/pool, W/pool).

    Raises DataError as `pooled_shape`.
    """
    import torch

    pooled_shape(images.shape[1:], pool)
    if pool == 1:
        return images
    offsets = [(row, column) for row in range(pool) for column in range(pool)]
    total = sum(images[:, :, row::pool, column::pool].to(torch.int32) for row, column in offsets)
    return ((total + pool * pool // 2) // (pool * pool)).to(torch.uint8)

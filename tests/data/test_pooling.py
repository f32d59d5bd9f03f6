"""Pooling on loading: rounded means, all splits alike, sizes that do not fit."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.data import DataError, describe, load
from bench.data.pooling import pool_images, pooled_shape


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_each_pixel_is_the_mean_of_its_square_rounded_half_up(pool, height, width, seed):
    images = np.random.default_rng(seed).integers(0, 256, (2, 3, height * pool, width * pool), dtype=np.uint8)
    squares = images.reshape(2, 3, height, pool, width, pool).astype(float)
    expected = np.floor(squares.mean((3, 5)) + 0.5 + 1e-9)
    pooled = pool_images(torch.from_numpy(images), pool)
    assert pooled.dtype == torch.uint8 and np.array_equal(pooled.numpy(), expected)


def test_the_extremes_and_a_tie():
    images = torch.tensor([[0, 0, 255, 255, 1, 2], [0, 0, 255, 255, 1, 2]], dtype=torch.uint8)[None, None]
    assert pool_images(images, 2).flatten().tolist() == [0, 255, 2]


def test_all_three_splits_are_pooled_and_the_labels_stay(tmp_path):
    split = {"root": tmp_path, "heldout": 500, "train_images": 100}
    whole, pooled = load("fashion-mnist-8k", **split), load("fashion-mnist-8k", **split, pool=2)
    for name in ("train", "heldout", "test"):
        images, labels = getattr(whole, name)
        assert torch.equal(getattr(pooled, name).images, pool_images(images, 2))
        assert torch.equal(getattr(pooled, name).labels, labels)
    assert pooled.test.images.shape == (2000, 1, 14, 14)
    assert pooled_shape(describe("fashion-mnist-8k", tmp_path).shape, 2) == (1, 14, 14)


@pytest.mark.parametrize(("height", "width"), [(9, 8), (8, 9)])
def test_a_size_that_pool_does_not_divide_is_refused(height, width):
    with pytest.raises(DataError, match=f"images of {width} × {height} pixels cannot be averaged over 2 × 2"):
        pool_images(torch.zeros(1, 1, height, width, dtype=torch.uint8), 2)

"""Augmentation of whole batches, compared with a reference that processes one image at a time."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data import augment
from bench.data.augmentation import PAD, crop_flip, draw_crops


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def crop_flip_reference(images, top, left, flip):
    """Apply torchvision's RandomCrop(padding=4) and RandomHorizontalFlip with given offsets, image by image."""
    results = []
    for image, y, x, mirrored in zip(images, top.tolist(), left.tolist(), flip.tolist(), strict=True):
        channels, height, width = image.shape
        canvas = torch.zeros(channels, height + 2 * PAD, width + 2 * PAD, dtype=image.dtype)
        canvas[:, PAD : PAD + height, PAD : PAD + width] = image
        crop = canvas[:, y : y + height, x : x + width]
        results.append(torch.stack([row.flip(-1) for row in crop]) if mirrored else crop)
    return torch.stack(results)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(1, 12), st.integers(1, 12)),
    as_float=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_equals_the_reference(shape, as_float, seed):
    images = torch.randint(1, 256, shape, dtype=torch.uint8, generator=seeded(seed))
    images = images.float() / 255 if as_float else images
    crops = draw_crops(len(images), seeded(seed + 1))
    result = crop_flip(images, *crops)
    assert result.dtype == images.dtype and result.shape == images.shape
    assert torch.equal(result, crop_flip_reference(images, *crops))
    assert torch.equal(augment(images, "crop-flip", seeded(seed + 1)), result)


def test_the_centre_crop_is_the_image_itself():
    images = torch.rand(3, 3, 96, 96)
    centre = torch.full((3,), PAD)
    assert torch.equal(crop_flip(images, centre, centre, torch.zeros(3, dtype=torch.bool)), images)
    assert torch.equal(crop_flip(images, centre, centre, torch.ones(3, dtype=torch.bool)), images.flip(-1))


def test_offsets_and_flips_are_uniform():
    count = 90_000
    top, left, flip = draw_crops(count, seeded(0))
    for offsets in (top, left):
        share = torch.bincount(offsets, minlength=2 * PAD + 1) / count
        assert len(share) == 2 * PAD + 1
        # 5 standard deviations of a share of 1/9 among 90,000
        assert (share - 1 / 9).abs().max() < 5 * (1 / 9 * 8 / 9 / count) ** 0.5
    assert abs(flip.float().mean() - 0.5) < 5 * 0.5 / count**0.5
    assert abs(torch.corrcoef(torch.stack([top.float(), left.float()]))[0, 1]) < 5 / count**0.5


def test_each_image_gets_its_own_crop():
    copies = torch.rand(1, 3, 32, 32).expand(64, 3, 32, 32)
    assert len(augment(copies, "crop-flip", seeded(0)).unique(dim=0)) > 32


def test_kind_none_returns_the_input_and_leaves_the_generator_unchanged():
    images, generator = torch.rand(2, 1, 8, 8), seeded(0)
    before = generator.get_state()
    assert augment(images, "none", generator) is images
    assert torch.equal(generator.get_state(), before)


def test_another_kind_is_refused():
    with pytest.raises(ValueError, match="'none' or 'crop-flip', not 'cutout'"):
        augment(torch.rand(1, 1, 8, 8), "cutout", seeded(0))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_a_cpu_generator_gives_the_same_images():
    images = torch.randint(0, 256, (64, 3, 32, 32), dtype=torch.uint8)
    expected = augment(images, "crop-flip", seeded(3))
    assert torch.equal(augment(images.cuda(), "crop-flip", seeded(3)).cpu(), expected)
    on_device = [augment(images.cuda(), "crop-flip", torch.Generator("cuda").manual_seed(3)) for _ in range(2)]
    assert torch.equal(*on_device)

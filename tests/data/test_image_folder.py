"""Image folders with and without a test split."""

import numpy as np
import torch

from bench.data import describe, load
from tests.data import split_reference
from tests.data.image_files import random_images, write_folder


def test_an_image_folder_with_two_splits(tmp_path):
    source, cats, dogs = tmp_path / "pets", random_images(6, seed=1), random_images(9, seed=2)
    write_folder(source / "train", {"dog": dogs[:7], "cat": cats[:4]})
    write_folder(source / "test", {"cat": cats[4:], "dog": dogs[7:]})
    (source / "train" / "cat" / "notes.txt").write_text("not an image")
    (source / "train" / "cat" / "._000.png").write_text("a hidden file")
    info = describe(str(source), tmp_path)
    assert (info.classes, info.train, info.test, info.heldout) == (2, 11, 4, 2)
    data = load(str(source), root=tmp_path, heldout=1)
    expected, order = np.concatenate([cats[:4], dogs[:7]]), split_reference.ordered([0] * 4 + [1] * 7)
    assert np.array_equal(torch.cat([data.train.images, data.heldout.images]).numpy(), expected[order])
    assert torch.cat([data.train.labels, data.heldout.labels]).tolist() == np.array([0] * 4 + [1] * 7)[order].tolist()
    assert sorted(data.test.labels.tolist()) == [0, 0, 1, 1]
    note = f"{source}: left out: 1 hidden (train/cat/._000.png); 1 no data by their names (train/cat/notes.txt)"
    assert info.notes == (note,)


def test_a_fifth_of_each_class_of_a_folder_without_splits_is_the_test_split(tmp_path):
    images = random_images(20, seed=3)
    write_folder(tmp_path / "flat", {"a": images[:10], "b": images[10:]})
    data = load(str(tmp_path / "flat"), root=tmp_path, heldout=2)
    train, test = split_reference.split([0] * 10 + [1] * 10)
    assert np.array_equal(data.test.images.numpy(), images[test]) and data.test.labels.tolist() == [0, 1, 0, 1]
    assert np.array_equal(torch.cat([data.train.images, data.heldout.images]).numpy(), images[train])
    assert len(data.train.labels) == 14

"""Every class in every part: the order and the splits of local files, by a rule without a seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.data.split_order import absent_classes, split_off_test, stratified_order
from tests.data import split_reference

LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=80)


@given(LABELS)
def test_the_order_and_the_split_are_those_of_the_rule(labels):
    assert stratified_order(np.array(labels)).tolist() == split_reference.ordered(labels)
    rows = split_off_test(np.array(labels))
    expected = split_reference.split(labels)
    for part, expected_part in zip(rows, expected, strict=True):
        part_labels = np.array(labels)[part]
        assert part[stratified_order(part_labels)].tolist() if len(part) else expected_part == []
        assert set(part.tolist()) == set(expected_part)


@given(LABELS, st.integers(0, 30))
def test_the_first_and_the_last_k_images_have_every_class(labels, more):
    ordered = np.array(labels)[stratified_order(np.array(labels))]
    classes, counts = np.unique(labels, return_counts=True)
    assert set(ordered[: len(classes) + more]) == set(classes)
    assert set(ordered[-(len(classes) + more) :]) >= set(classes[counts > 1])


@given(LABELS)
def test_every_class_of_two_images_is_trained_and_tested(labels):
    labels = np.array(labels)
    train, test = split_off_test(labels)
    assert sorted([*train, *test]) == list(range(len(labels)))
    for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
        tested = (labels[test] == label).sum()
        assert tested == (0 if count == 1 else max(1, count // 5)) and (labels[train] == label).any()


def test_every_tenth_of_a_large_set_has_each_class_share():
    labels = np.sort(np.random.default_rng(1).choice(4, 2000, p=(0.4, 0.3, 0.2, 0.1)))
    ordered = labels[stratified_order(labels)]
    for tenth in np.split(ordered, 10):
        assert np.abs(np.bincount(tenth, minlength=4) - np.bincount(labels) / 10).max() <= 2


@given(st.lists(st.integers(0, 9), min_size=2, max_size=6), st.integers(0, 20), st.integers(1, 20))
def test_absent_classes_are_those_that_the_ordered_labels_lack(counts, start, length):
    labels = np.repeat(np.arange(len(counts)), counts)
    part = labels[stratified_order(labels)][start : start + length]
    assert absent_classes(tuple(counts), start, start + length) == tuple(sorted(set(labels) - set(part)))


@pytest.mark.parametrize(
    "arrange", [sorted, lambda y: sorted(y, reverse=True), lambda y: sorted(y, key=[2, 0, 1].index)]
)
def test_rows_sorted_descending_or_grouped_by_class_split_alike(arrange):
    labels = np.array(arrange([0, 1, 2] * 20))
    train, test = split_off_test(labels)
    assert np.bincount(labels[train]).tolist() == [16] * 3 and np.bincount(labels[test]).tolist() == [4] * 3

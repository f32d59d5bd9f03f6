"""Correct bits: encode and decode."""

import numpy as np
import pytest

from bench.measures import correct_bits


@pytest.mark.parametrize("n", [1, 7, 8, 9, 450, 10_000])
def test_hits_survive_the_text(n):
    right = np.random.default_rng(n).random(n) < 0.6
    text = correct_bits.encode(right)
    assert (correct_bits.decode(text, n) == right).all() and len(text) <= n / 6 + 4


def test_the_bits_stand_in_the_images_order():
    assert (
        correct_bits.encode([True, False, False, False, False, False, False, False, True]) == "gIA="
    )  # bytes 0x80, 0x80


@pytest.mark.parametrize(("text", "n"), [("gIA=", 8), ("gIA=", 17), ("gI!=", 9), ("gIA", 9), (None, 9), ("é", 1)])
def test_a_damaged_text_is_an_error_that_readers_expect(text, n):
    with pytest.raises(ValueError, match="hits"):
        correct_bits.decode(text, n)

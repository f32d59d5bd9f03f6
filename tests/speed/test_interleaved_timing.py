"""Interleaved timing, on a clock that the steps themselves move."""

import pytest

from bench.speed.interleaved_timing import interleave, ratio


class Clock:
    def __init__(self):
        self.now, self.order = 0.0, []

    def __call__(self) -> float:
        return self.now

    def step(self, name: str, *seconds: float):
        """Step whose n-th run takes the n-th of `seconds`, and every later run the last."""
        left = list(seconds)

        def run() -> None:
            self.order.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return run


def test_steps_take_turns():
    clock = Clock()
    steps = {"a": clock.step("a", 9, 9, 1, 2), "b": clock.step("b", 9, 9, 4, 5)}
    assert interleave(steps, rounds=2, warmup=2, clock=clock) == {"a": [1, 2], "b": [4, 5]}
    assert clock.order == ["a", "b"] * 4


def test_short_steps_are_repeated_equally_often():
    clock = Clock()
    steps = {"a": clock.step("a", 0.01), "b": clock.step("b", 0.05)}
    seconds = interleave(steps, rounds=1, warmup=1, clock=clock)
    assert seconds == {"a": [pytest.approx(0.01)], "b": [pytest.approx(0.05)]}
    assert clock.order == ["a", "b"] + ["a"] * 4 + ["b"] * 4  # 0.2 s of the slower one


def test_ratios_are_of_the_same_round():
    ratios = ratio([4.0, 10.0, 6.0], [2.0, 2.0, 6.0])
    assert ratios == {"median": 2.0, "low": 1.0, "high": 5.0}

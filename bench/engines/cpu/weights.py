"""The weights of a list's convolutions, looked at once a pass."""

from bench.engines.cpu.convolution import Weighted, state


class Weights:
    """Given to the units that take them (convolution.Weighted) anew where any has changed since the last time."""

    def __init__(self, taken: list[Weighted]):
        self.taken, self.seen = taken, None

    def refresh(self) -> None:
        now = [state(one.conv.weight) for one in self.taken]
        if now != self.seen:
            for one in self.taken:
                one.refresh()
            self.seen = now

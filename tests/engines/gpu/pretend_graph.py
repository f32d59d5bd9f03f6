"""A pretend CUDA graph: the operators of a computation on the CPU, recorded once and replayed into the same tensors.

As a CUDA graph does, a recording computes nothing yet (its tensors hold NaN), keeps every number that the host had, and
refuses operators after which the host waits for a value.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WAITS = {"_local_scalar_dense", "equal", "is_nonzero", "masked_select", "nonzero", "_unique2"}


class PretendGraph(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls: list[tuple] = []  # (operator, arguments, named arguments, its tensors)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """As in pretend_device.py."""
        return False

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.overloadpacket.__name__ in WAITS:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing")
        result = function(*args, **(kwargs or {}))
        self.calls.append((function, args, kwargs or {}, result))
        return result

    @torch.no_grad()
    def replay(self) -> None:
        for function, args, kwargs, result in self.calls:
            again = function(*args, **kwargs)
            for old, new in zip(tensors_of(result), tensors_of(again), strict=True):
                if old.data_ptr() != new.data_ptr():  # else a view, or an operator in place
                    old.copy_(new)


def tensors_of(value) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]


def record(compute: Callable[[], Tensor], device: torch.device, pool: tuple):
    """As bench.engines.gpu.graphs.record."""
    expected = compute()
    with PretendGraph() as graph:
        output = compute()
    output.fill_(torch.nan)
    return graph.replay, output, expected

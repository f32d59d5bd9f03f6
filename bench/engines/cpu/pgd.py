"""Signed steps up the cross-entropy on a tape, without autograd: between a network's units a step is four calls."""

import ctypes

import torch
from torch import Tensor

from bench.engines.cpu.c_structs import LONG, POINTER, Ascent, images_last, point
from bench.engines.cpu.compiled_library import library
from bench.engines.cpu.inference_plan import Tape
from bench.engines.cpu.lowering import images


def ascend(tape: Tape, cond, x: Tensor, low: Tensor, high: Tensor, y: Tensor, step: float, steps: int) -> Tensor:
    """x (N, C, H, W) fp32 after so many steps, each by `step` along the sign of the gradient of the cross-entropy with
    labels y (N,) and then back between `low` and `high`, which are like x. IndexError where a label is no class."""
    n, lib = len(x), library(tape.dtype)
    x, low, high = images_last(x.detach(), x.dtype).clone(), images_last(low, x.dtype), images_last(high, x.dtype)
    y, logits, count = y.contiguous(), torch.empty(n, tape.head.out_features), LONG(n)
    climb = Ascent(x.numel())
    climb.step = step
    point(
        climb, {"x": x, "low": low, "high": high, "gradient": tape.to_image.tensor, "next": tape.source.buffer.tensor}
    )
    forth, back = tape.classifier(tape.end.buffer, logits), tape.classifier(tape.grad, logits)
    labels = POINTER(logits.data_ptr()), POINTER(y.data_ptr()), LONG(logits.shape[1]), count
    images(tape.source.buffer, n).copy_(x)
    tape.runs += 1
    for backward in (False, True):
        tape.point(backward, cond)
    for _ in range(steps):
        tape.run(False, n)
        lib.classify(ctypes.byref(forth), count)
        if lib.to_logits(*labels):
            raise IndexError(f"a label is none of the {logits.shape[1]} classes")
        lib.classify_back(ctypes.byref(back), count)
        tape.run(True, n)
        lib.ascend(ctypes.byref(climb))
    return x

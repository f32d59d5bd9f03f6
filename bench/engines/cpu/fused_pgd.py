"""PGD on the cross-entropy without autograd: between the convolutions a step is four calls of the C kernels."""

import ctypes

import torch
from torch import Tensor

from bench.engines.cpu.c_structs import LONG, POINTER, Ascent, images_last, point
from bench.engines.cpu.compiled_library import library
from bench.engines.cpu.inference_plan import InferencePlan
from bench.engines.cpu.step_buffers import images
from bench.models.dual_bn import Condition


def take_steps(
    plan: InferencePlan, cond: Condition, x: Tensor, low: Tensor, high: Tensor, y: Tensor, step: float, steps: int
) -> Tensor:
    """Take the steps of Engine.pgd from x (N, C, H, W) fp32. Raises IndexError where a label is no class."""
    n, lib = len(x), library(plan.dtype)
    x, low, high = images_last(x.detach(), x.dtype).clone(), images_last(low, x.dtype), images_last(high, x.dtype)
    y, logits, count = y.contiguous(), torch.empty(n, plan.head.out_features), LONG(n)
    update = Ascent(x.numel())
    update.step = step
    tensors = {"x": x, "low": low, "high": high, "gradient": plan.to_image.tensor, "next": plan.source.buffer.tensor}
    point(update, tensors)
    forward, backward = plan.classifier(plan.features.buffer, logits), plan.classifier(plan.to_features, logits)
    softmax = POINTER(logits.data_ptr()), POINTER(y.data_ptr()), LONG(logits.shape[1]), count
    images(plan.source.buffer, n).copy_(x)
    plan.runs += 1
    for is_backward in (False, True):
        plan.point(is_backward, cond)
    for _ in range(steps):
        plan.run(False, n)
        lib.classify(ctypes.byref(forward), count)
        if lib.to_logits(*softmax):  # logits → the gradient of the cross-entropy, in place
            raise IndexError(f"a label is none of the {logits.shape[1]} classes")
        lib.classify_back(ctypes.byref(backward), count)
        plan.run(True, n)
        lib.ascend(ctypes.byref(update))
    return x

"""The precision of the network's arithmetic. Images, perturbations, losses and reported evaluations are fp32."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Return the context for forward passes of the network."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def weights_cast_once(device: torch.device) -> torch.autocast:
    """Return the context of a training step, in which `autocast`'s passes cast each weight once, and share the cast.

    Autocast itself is off: backward passes belong outside it (torch.amp's documentation), for it would compute their
    fp32 products, such as FiLM's, in bf16.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=False)


def use_ieee_fp32() -> None:
    """Compute fp32 on CUDA in IEEE fp32. torch's default for convolutions is TF32, which has 10 bits of mantissa."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False


def tf32_convolutions(allowed: bool) -> AbstractContextManager:
    """Let CUDA's convolutions compute in TF32 within, where `allowed`. Matrix products, those of FiLM and of the
    classifier, stay IEEE fp32: these take hardly any time."""
    return cudnn_flag("allow_tf32", allowed)


@contextmanager
def cudnn_flag(name: str, on: bool = True) -> Iterator[None]:
    """Set a flag of torch.backends.cudnn within, where `on`."""
    before = getattr(torch.backends.cudnn, name)
    setattr(torch.backends.cudnn, name, before or on)
    try:
        yield
    finally:
        setattr(torch.backends.cudnn, name, before)


def best_precision(cuda: bool) -> str:
    """Return `bf16` where the hardware multiplies in bf16 (GPUs since Ampere; CPUs with avx512_bf16 or amx), else
    `fp32`."""
    if cuda:
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    cpu = torch.cpu.get_capabilities()
    return "bf16" if cpu.get("avx512_bf16") or cpu.get("amx_tile") else "fp32"

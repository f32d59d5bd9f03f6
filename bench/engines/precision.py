"""The precision of the network's arithmetic. Images, perturbations, losses and reported evaluations are fp32."""

import torch


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Return the context for forward passes of the network."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def use_ieee_fp32() -> None:
    """Compute fp32 on CUDA in IEEE fp32. torch's default for convolutions is TF32, which has 10 bits of mantissa."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False


def best_precision(cuda: bool) -> str:
    """Return `bf16` where the hardware multiplies in bf16 (GPUs since Ampere; CPUs with avx512_bf16 or amx), else
    `fp32`."""
    if cuda:
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    cpu = torch.cpu.get_capabilities()
    return "bf16" if cpu.get("avx512_bf16") or cpu.get("amx_tile") else "fp32"

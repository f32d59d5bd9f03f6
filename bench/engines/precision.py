"""Which arithmetic the network computes in. Images, perturbations, losses and every reported evaluation are fp32."""

import torch


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """A context for the network's forward pass."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def best_precision(cuda: bool) -> str:
    """`bf16` where the hardware multiplies in it (GPUs since Ampere; CPUs with avx512_bf16 or amx), else `fp32`."""
    if cuda:
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    cpu = torch.cpu.get_capabilities()
    return "bf16" if cpu.get("avx512_bf16") or cpu.get("amx_tile") else "fp32"

"""The device of a trial: a GPU that was assigned must be one that torch can use."""

import platform

import torch


class NoCuda(Exception):
    """A trial has GPUs on a node where torch cannot use CUDA. One line, with the reason and the remedy."""


def trial_device(gpus: float) -> torch.device:
    """cuda for a trial with GPUs, else cpu. Raises NoCuda: training on the CPU instead would take a hundred times as
    long, without a word."""
    if gpus <= 0:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        remedy = "mend the node, or run with --gpus-per-trial 0"
        raise NoCuda(f"{platform.node()}: a GPU is assigned, but {why_no_cuda()}: {remedy}")
    return torch.device("cuda")


def why_no_cuda() -> str:
    """Why torch cannot use CUDA here."""
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is a build without CUDA"
    try:
        torch.cuda.init()
    except Exception as error:  # of several types, by torch's release
        return f"torch {torch.__version__} (CUDA {torch.version.cuda}) says: {str(error).splitlines()[0]}"
    return f"torch {torch.__version__} (CUDA {torch.version.cuda}) sees no GPU"

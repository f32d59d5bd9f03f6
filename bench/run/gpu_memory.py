"""A GPU without enough memory: what to say, and memory to return between trials."""

import gc
import re

import torch

WANTED = re.compile(r"Tried to allocate ([\d.]+ \w+)")
FREE = re.compile(r"total capacity of ([\d.]+ \w+) of which ([\d.]+ \w+) is free")
REMEDY = "give each trial more of a GPU (--gpus-per-trial 1), or take a smaller batch (--set batch=64)"


def out_of_memory_line(error: torch.OutOfMemoryError) -> str:
    """One line: how much memory was wanted, how much there was, and the remedy. An evaluation has halved its batch down
    to one image before."""
    message = str(error)
    wanted, free = WANTED.search(message), FREE.search(message)
    if not wanted:
        return f"out of GPU memory ({message.splitlines()[0] if message else 'no reason given'}): {REMEDY}"
    of_which = f", and {free[2]} of {free[1]} are free" if free else ""
    return f"out of GPU memory: {wanted[1]} more were wanted{of_which}: {REMEDY}"


def return_memory() -> None:
    """Give memory that torch keeps for later tensors back to the GPU, where another trial may need it."""
    if torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()

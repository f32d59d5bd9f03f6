"""The C kernels as a shared library: compiled for this very processor when first needed (5 s), then kept in `build/`.

Where there is no compiler, or the machine is not x86-64 with AVX2 under Linux, there is no library, and torch's own
operators do the work. `BENCH_KERNELS=off` asks for that too; `BENCH_KERNELS=avx2` for what a processor without AVX-512
gets.
"""

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch

from bench import ROOT

SOURCES = Path(__file__).parent / "csrc"
BUILD = ROOT / "build"
FLAGS = ["-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"]
FLAGS += ["-fopenmp", "-shared", "-fPIC"]  # libgomp is the one that torch has loaded, so its threads are torch's
VECTORS = {"avx512": ["-mavx512f"], "avx2": ["-mno-avx512f"]}  # so that C and `lanes` agree on them
STORED = {torch.float32: [], torch.bfloat16: ["-DBF16"]}


@functools.cache
def library(dtype: torch.dtype) -> ctypes.CDLL | None:
    """The kernels for images stored in fp32 or bf16; None where torch must do without."""
    if os.environ.get("BENCH_KERNELS", "on") == "off" or not vectors():
        return None
    compiler = shutil.which("gcc")
    if compiler is None:
        return None
    text = b"".join(path.read_bytes() for path in sorted(SOURCES.glob("*.[ch]")))
    command = [compiler, *FLAGS, *VECTORS[vectors()], *STORED[dtype], str(SOURCES / "kernels.c"), "-lm"]
    about = [text, " ".join(command).encode(), flags().encode(), version(compiler).encode()]
    name = f"units-{hashlib.sha256(b'|'.join(about)).hexdigest()[:16]}.so"
    for folder in (BUILD, Path(tempfile.gettempdir()) / f"oat-bench-{os.getuid()}"):
        try:
            return ctypes.CDLL(str(built(command, ours(folder) / name)))
        except OSError:
            continue  # a folder that cannot be written, or a library that cannot be loaded
    return None


def about() -> str:
    """Whose convolutions a CPU's numbers come from: `own (avx512)`, `own (avx2)` or `torch`."""
    return "torch" if library(torch.float32) is None else f"own ({vectors()})"


def ours(folder: Path) -> Path:
    """The folder, made unless it is there. Raises OSError where others might have put a library there."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    about = folder.stat()
    if about.st_uid != os.getuid() or about.st_mode & 0o022:
        raise OSError(f"{folder} is another user's, or others may write there")
    return folder


def built(command: list[str], path: Path) -> Path:
    """The library, compiled unless it is there. Raises OSError where it cannot be."""
    if not path.exists():
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        done = subprocess.run([*command, "-o", str(temporary)], capture_output=True, text=True)
        if done.returncode:
            raise OSError(done.stderr)
        os.replace(temporary, path)
    return path


@functools.cache
def vectors() -> str | None:
    """`avx512` or `avx2`, what the kernels are compiled for; None where they are not to be used."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return None
    has, wide = set(flags().split()), os.environ.get("BENCH_KERNELS") != "avx2"
    return "avx512" if wide and "avx512f" in has else "avx2" if {"avx2", "fma"} <= has else None


@functools.cache
def flags() -> str:
    """What this processor can do, as Linux lists it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2] for line in lines if line.startswith("flags")), "")


@functools.cache
def version(compiler: str) -> str:
    return subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout.partition("\n")[0]


def lanes() -> int:
    """Floats in a vector: channels come in multiples of it."""
    return 16 if vectors() == "avx512" else 8

"""The C kernels as a shared library: compiled for this processor when first needed (5 s), then kept in `build/`.

There is no library without gcc, and on other machines than x86-64 with AVX2 under Linux. BENCH_KERNELS=avx2 compiles
for processors without AVX-512. As a script (`make setup`), without torch, this file compiles the library for fp32.
"""

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bench import ROOT

if TYPE_CHECKING:
    import torch

SOURCES = Path(__file__).parent / "csrc"
BUILD = ROOT / "build"
FLAGS = ["-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"]
FLAGS += ["-fopenmp", "-shared", "-fPIC"]  # libgomp is the one that torch has loaded, so its threads are torch's
VECTORS = {"avx512": ["-mavx512f"], "avx2": ["-mno-avx512f"]}  # so that C and `lanes` agree on them
CAPTURE = {"capture_output": True, "encoding": "utf-8", "errors": "replace"}
STORED = {"float32": [], "bfloat16": ["-DBF16"]}


@functools.cache
def library(dtype: "torch.dtype") -> ctypes.CDLL | None:
    """The kernels for images stored in fp32 or bf16; None where they cannot be had (why_missing)."""
    for path in built(str(dtype).removeprefix("torch.")):
        try:
            return ctypes.CDLL(str(path))
        except OSError:
            continue
    return None


def built(stored: str) -> Iterator[Path]:
    """Compile the library for images stored in this type into the first folder that can be written, then the next."""
    compiler = shutil.which("gcc")
    if os.environ.get("BENCH_KERNELS", "on") == "off" or not vectors() or compiler is None:
        return
    text = b"".join(path.read_bytes() for path in sorted(SOURCES.glob("*.[ch]")))
    command = [compiler, *FLAGS, *VECTORS[vectors()], *STORED[stored], str(SOURCES / "kernels.c"), "-lm"]
    identity = [text, " ".join(command).encode(), flags().encode(), version(compiler).encode()]
    name = f"units-{hashlib.sha256(b'|'.join(identity)).hexdigest()[:16]}.so"
    for folder in (BUILD, Path(tempfile.gettempdir()) / f"oat-bench-{os.getuid()}"):
        with contextlib.suppress(OSError):  # a folder that cannot be written, or code that cannot be compiled
            yield compiled(command, private_folder(folder) / name)


def why_missing() -> str | None:
    """Why there is no library on this machine, in one line; None where there is one."""
    if os.environ.get("BENCH_KERNELS") == "off":
        return "BENCH_KERNELS=off"
    if not vectors():
        return "the kernels need Linux on an x86-64 processor with AVX2"
    if shutil.which("gcc") is None:
        return "gcc, which compiles the kernels, is not installed"
    import torch

    return None if library(torch.float32) else "gcc cannot compile the kernels, or their library cannot be loaded"


def private_folder(folder: Path) -> Path:
    """Make the folder. Raises OSError where another user might have put a library there."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise OSError(f"{folder} is another user's, or others may write there")
    return folder


def compiled(command: list[str], path: Path) -> Path:
    """Compile the library unless it exists. Raises OSError where it cannot be compiled."""
    if not path.exists():
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        result = subprocess.run([*command, "-o", str(temporary)], **CAPTURE)
        if result.returncode:
            raise OSError(result.stderr)
        os.replace(temporary, path)
    return path


@functools.cache
def vectors() -> str | None:
    """`avx512` or `avx2`, for which the kernels are compiled; None where this machine has neither."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return None
    features, wide = set(flags().split()), os.environ.get("BENCH_KERNELS") != "avx2"
    return "avx512" if wide and "avx512f" in features else "avx2" if {"avx2", "fma"} <= features else None


@functools.cache
def flags() -> str:
    """The features of this processor, as Linux lists them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2] for line in lines if line.startswith("flags")), "")


@functools.cache
def version(compiler: str) -> str:
    return subprocess.run([compiler, "--version"], **CAPTURE).stdout.partition("\n")[0]


def lanes() -> int:
    """Floats in a vector. The kernels take multiples of this number of channels."""
    return 16 if vectors() == "avx512" else 8


def padded(channels: int) -> int:
    """Channels in whole vectors, as plans store them: those beyond `channels` are 0."""
    return -(-channels // lanes()) * lanes()


if __name__ == "__main__":
    next(built("float32"), None)

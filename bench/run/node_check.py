"""What a node of a cluster says of itself. These functions run on the node, in a Ray task or in a trial's worker."""

import contextlib
import functools
import hashlib
import time
from importlib.metadata import version
from pathlib import Path

from bench import ROOT, data
from bench.human_units import format_bytes
from bench.run.machine_limits import total_memory
from bench.run.provenance import cpu_name
from bench.spec import plugins

SHARED = "put --runs on a file system that all nodes share, under one path"
LOOKS, LOOK_SECONDS = 5, 0.5  # at the runs directory: a network file system may fail, or lag, for a moment


def node_facts() -> dict:
    """Facts that stay as long as the node's Ray runs: hardware, precisions, torch's version; `no_cuda` says why torch
    cannot use a GPU there, None where it can."""
    import torch

    from bench.engines.precision import best_precision
    from bench.run.trial_device import why_no_cuda

    facts = {
        "torch": version("torch"),
        "cpu": cpu_name(),
        "memory": total_memory(),
        "cpu_precision": best_precision(False),
    }
    if not torch.cuda.is_available():
        return facts | {"no_cuda": why_no_cuda()}
    gpu = {"gpu": torch.cuda.get_device_name(), "gpu_memory": torch.cuda.get_device_properties(0).total_memory}
    return facts | gpu | {"gpu_precision": best_precision(True), "no_cuda": None}


def check_request(folder: Path, nonce: str, sources: dict[str, str], data_root: Path) -> dict:
    """What nodes are to check, as plain values.

    folder: in the runs directory; it holds a file `nonce` with the nonce. sources: {data set's name or path: hash}.
    """
    files = {str(path): digest for path, digest in plugins.LOADED.items()}
    own = {"torch": version("torch"), "code": code_digest(), "plugins": files}
    return own | {"folder": str(folder), "nonce": nonce, "sources": sources, "data_root": str(data_root)}


def check_node(request: dict, node_id: str, gpu_bytes: int | None) -> dict:
    """Check the node before trials run on it.

    gpu_bytes: memory that trials take on each GPU; None for trials without GPUs.
    Returns {"problem": a line with the remedy, or None, "free": bytes on each GPU, "no_compiler": reason or None}.
    """
    import torch

    from bench.engines.cpu.compiled_library import why_missing
    from bench.run.trial_device import why_no_cuda

    problem, free = why_unusable(request), []
    if gpu_bytes is not None:
        if not torch.cuda.is_available():
            problem = f"a GPU is asked for, but {why_no_cuda()}: mend the node, or run with --gpus-per-trial 0"
        free = [torch.cuda.mem_get_info(gpu)[0] for gpu in range(torch.cuda.device_count())]
        for gpu, available in enumerate(free):
            if available < gpu_bytes:
                sizes = (
                    f"{format_bytes(available)} are free on GPU {gpu}, and its trials take {format_bytes(gpu_bytes)}"
                )
                problem = problem or f"{sizes}: end other programs there, or give fewer trials to a GPU"
    if problem is None:
        try:
            (Path(request["folder"]) / node_id).write_text(request["nonce"], encoding="utf-8")
        except OSError as error:
            problem = f"cannot write to {request['folder']} ({error.strerror}): give its user the right to"
    return {"problem": problem, "free": free, "no_compiler": None if gpu_bytes is not None else why_missing()}


def why_unusable(request: dict) -> str | None:
    """Why a trial would fail on this node, or be lost, with the remedy; None where it would not."""
    for check in (lost_results, other_code, other_data):
        if problem := check(request):
            return problem
    return None


def lost_results(request: dict) -> str | None:
    folder = Path(request["folder"])
    for look in range(LOOKS):
        if look:
            time.sleep(LOOK_SECONDS)
        with contextlib.suppress(OSError):
            if (folder / "nonce").read_text(encoding="utf-8") == request["nonce"]:
                return None
    return f"does not see the files that the command writes to {folder.parent}: {SHARED}"


def other_code(request: dict) -> str | None:
    release, expected = (
        text.partition("+")[0] for text in (version("torch"), request["torch"])
    )  # +cu130 is no release
    if release != expected:
        return f"has torch {release}, and the command {expected}: install requirements.lock on all nodes"
    if code_digest() != request["code"]:
        return f"runs another version of this code, from {ROOT}: take that off the PYTHONPATH of `ray start`"
    for path, digest in request["plugins"].items():
        content = Path(path).read_bytes() if Path(path).is_file() else None
        if content is None or hashlib.sha256(content).hexdigest() != digest:
            return f"has another plugin {path}, or none: put the file on a file system that all nodes share"
    return None


def other_data(request: dict) -> str | None:
    root = Path(request["data_root"])
    for source, fingerprint in request["sources"].items():
        try:
            if data.describe(source, root).fingerprint != fingerprint:
                return f"has other images at {source}: copy the command's, or share one folder"
            data.require_files(source, root)
        except data.DataError as error:
            return f"lacks data: {error}"
    return None


@functools.cache
def code_digest() -> str:
    """SHA-256 over the files of this package that compute."""
    sha = hashlib.sha256()
    for path in sorted((ROOT / "bench").rglob("*.*")):
        if path.suffix in (".py", ".c", ".h"):
            sha.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return sha.hexdigest()

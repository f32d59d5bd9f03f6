"""The program of a network (bench/models/torch_export.py) as an ONNX file, and that file run by ONNX Runtime.

Inputs `images` (N, C, H, W) and `lam` (N,), output `logits` (N, classes), for any N. Needs the packages of the extra
`onnx`.
"""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
INT64 = 7  # in ONNX's enumeration of types


def lacking() -> str | None:
    """One line about the missing packages with the remedy, or None where ONNX files can be written and run."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    return f"needs {', '.join(missing)}, not installed here: `make setup`, or `pip install {' '.join(missing)}`"


def searchsorted(sequence, values, **_):
    """torch.searchsorted, which ONNX lacks, of values (N,) in a rising sequence (S,): how many in it are less."""
    from onnxscript import opset18 as op

    less = op.Cast(op.Less(sequence, op.Unsqueeze(values, [-1])), to=INT64)
    return op.ReduceSum(less, [-1], keepdims=0)


def save(program: torch.export.ExportedProgram, path: Path, recipe: str) -> None:
    """Write the program with its weights. recipe: JSON, stored as the file's metadata `recipe.json`."""
    names = {"input_names": ["images", "lam"], "output_names": ["logits"]}
    further = {torch.ops.aten.searchsorted.Tensor: searchsorted}
    translated = torch.onnx.export(program, **names, custom_translation_table=further, dynamo=True, verbose=False)
    translated.model.metadata_props["recipe.json"] = recipe
    translated.save(path, external_data=False)


def load(path: Path) -> Callable[[Tensor, Tensor], Tensor]:
    """(images, lam) → logits on the CPU, by ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def run(images: Tensor, lam: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {"images": images.numpy(), "lam": lam.numpy()})[0])

    return run

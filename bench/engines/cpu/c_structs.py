"""The structs of the C kernels, field by field as in csrc, and the calls that take them."""

import ctypes

import torch
from torch import Tensor
from torch.profiler import record_function

POINTWISE, WINOGRAD, GATHER, STRIDED = range(4)
LONG, POINTER, DOUBLE = ctypes.c_long, ctypes.c_void_p, ctypes.c_double


def fields(longs: str = "", pointers: str = "", doubles: str = "") -> list[tuple]:
    kinds = ((longs, LONG), (pointers, POINTER), (doubles, DOUBLE))
    return [(name, kind) for names, kind in kinds for name in names.split()]


class Unit(ctypes.Structure):
    """A convolution or pointwise step with scale, shift, sums and ReLU on its result (csrc/fused_conv.h)."""

    _fields_ = [
        *fields("kind height width inputs out_height out_width outputs", "x weights y"),
        *fields("grid_height grid_width out_step out_i out_j in_step taps runs", "down right length"),
        *fields("", "before mask after raw scale shift row"),
        *fields("relu sparse"),
    ]


class Norm(ctypes.Structure):
    """Training-mode BN with FiLM, residual, ReLU and dropout (csrc/batch_norm.h). An array of two in C is two fields
    here, for the branches c and a."""

    _fields_ = [
        *fields("images pixels channels used zeros", "x plus y weight_c weight_a bias_c bias_a"),
        *fields("", "running_mean_c running_mean_a running_var_c running_var_a", "momentum eps"),
        *fields("", "gamma beta row"),
        *fields("rows relu key dropped", "", "scale"),
        *fields("", "mean inverse sums grad to_x to_plus to_weight to_bias to_gamma to_beta"),
    ]


class Fold(ctypes.Structure):
    """BN and FiLM as scale and shift (csrc/fold_bn_film.h). The branches are as in Norm."""

    _fields_ = [
        *fields("rows channels", "weight_c weight_a bias_c bias_a mean_c mean_a var_c var_a"),
        *fields("", "through_c gamma beta scale shift", "eps"),
    ]


class Perceptron(ctypes.Structure):
    """A FiLM MLP (csrc/film_mlp.h)."""

    _fields_ = [
        *fields("rows inputs hidden outputs leaky wide wide_row", "code first first_bias second second_bias"),
        *fields("second_row", "middle y grad to_middle to_first to_first_bias to_second to_second_bias"),
    ]


class Gradient(ctypes.Structure):
    """The weight gradient of a convolution (csrc/weight_grad.h)."""

    _fields_ = [*fields("", "unit found"), *fields("tiled", "room")]


class Dropped(ctypes.Structure):
    """Dropout alone (csrc/dropout.h); Norm has the same fields."""

    _fields_ = [*fields("count", "x y"), *fields("key dropped", "", "scale")]


LEVELS = 2**32  # values of the hash that decides what is dropped


def drop(structure: ctypes.Structure, p: float) -> None:
    """Set the dropout fields for probability p. Kept elements are divided by the exact probability of being kept."""
    structure.dropped = round(p * LEVELS)
    structure.scale = LEVELS / (LEVELS - structure.dropped)


def draw() -> int:
    """Draw a dropout key from torch's global generator."""
    return int(torch.randint(2**63 - 1, ()))


KINDS = ("elementwise", "Winograd's convolutions", "gathered convolutions", "Winograd's convolutions")  # by Unit.kind


def run_units(lib: ctypes.CDLL, units: ctypes.Array, images: int) -> None:
    """Run the structs on the first `images` images; one by one, by kind, under torch's profiler."""
    if not torch.autograd._profiler_enabled():
        lib.run(units, LONG(len(units)), LONG(images))
        return
    for unit in units:
        with record_function(f"kernels::{KINDS[unit.kind]}"):
            lib.run(ctypes.byref(unit), LONG(1), LONG(images))


class Call(ctypes.Structure):
    """A call of a training pass, by its kind (csrc/kernels.c)."""

    _fields_ = fields("kind", "what")


UNIT, NORM_FORWARD, NORM_BACKWARD, TO_WEIGHTS = range(4)
NAMES = (
    None,
    "BN with FiLM, ReLU and dropout",
    "BN with FiLM, ReLU and dropout",
    "convolutions to the weights",
)  # by Call.kind


def run_calls(lib: ctypes.CDLL, calls: ctypes.Array, images: int) -> None:
    """Run the calls on the first `images` images; one by one, by kind, under torch's profiler."""
    if not torch.autograd._profiler_enabled():
        lib.run_calls(calls, LONG(len(calls)), LONG(images))
        return
    for call in calls:
        name = KINDS[Unit.from_address(call.what).kind] if call.kind == UNIT else NAMES[call.kind]
        with record_function(f"kernels::{name}"):
            lib.run_calls(ctypes.byref(call), LONG(1), LONG(images))


def call(kind: str, function, *arguments) -> None:
    """Call a function of the library, under a name for torch's profiler."""
    if not torch.autograd._profiler_enabled():
        function(*arguments)
        return
    with record_function(f"kernels::{kind}"):
        function(*arguments)


class Head(ctypes.Structure):
    """Average pooling and the classifier (csrc/classifier.h)."""

    _fields_ = fields("pixels channels classes weight_row used", "weight bias maps logits means to_weight to_bias")


class Ascent(ctypes.Structure):
    """The update of a PGD step (csrc/pgd_step.h)."""

    _fields_ = fields("count", "x low high gradient next", "step")


def point(structure: ctypes.Structure, tensors: dict[str, Tensor | None]) -> None:
    """Set each field to the address of its tensor. Parameters and buffers: see parameter_pointers."""
    for name, tensor in tensors.items():
        setattr(structure, name, None if tensor is None else tensor.data_ptr())


def stored(x: Tensor) -> torch.dtype:
    """The dtype in which the kernels store images made from x: bf16 under autocast, else that of x."""
    return torch.bfloat16 if torch.is_autocast_enabled("cpu") else x.dtype


def images_last(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Lay x (N, C, H, W) out as (N, H, W, C) in memory, as the kernels take images."""
    return x.to(dtype).contiguous(memory_format=torch.channels_last)

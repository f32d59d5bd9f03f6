"""A pretend GPU: torch's device "pretend", whose tensors hold CPU data. Tests without a GPU run the GPU's path on it.

As a GPU does, the device refuses an operator on tensors of two devices, and a generator of another device. A Counter
counts what costs time on a GPU: kernel launches, waits of the host for the device, and copies to the device.

A process has one such device for good, once this module is imported. Launches are those of torch's operators; on a GPU
some operators are two or three kernels.
"""

import collections
import contextlib
import traceback
from collections.abc import Iterator

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

NAME = "pretend"

# Operators after which the host waits for a value or a size; indexing by a mask is another.
WAITS = {"_local_scalar_dense", "equal", "is_nonzero", "masked_select", "nonzero", "repeat_interleave"}
WAITS |= {"_unique2", "unique_consecutive", "unique_dim"}
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_"}
SEQUENCES = (list, tuple)  # as operators take and give them
# Operators that start no kernel.
VIEWS = {"_reshape_alias", "_unsafe_view", "alias", "as_strided", "detach", "expand", "lift_fresh", "permute", "select"}
VIEWS |= {"slice", "split", "split_with_sizes", "squeeze", "t", "transpose", "unbind", "unsqueeze", "view"}
VIEWS |= {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "resize_"}


class WrongDevice(RuntimeError):
    """An operator got tensors of two devices, or a generator of another device."""


class BackendModule:
    """What torch asks of `torch.pretend`."""

    def is_available(self) -> bool:
        return True

    is_initialized = is_available

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        """Operators without a generator draw from the CPU's, which torch.manual_seed has seeded."""

    def get_rng_state(self, device: int = 0) -> torch.Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: torch.Tensor, device: int = 0) -> None:
        pass

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=BackendModule())
DEVICE = torch.device(NAME)


class PretendTensor(torch.Tensor):
    """A tensor of the device; `data_on_cpu` holds its values."""

    @staticmethod
    def __new__(cls, data: torch.Tensor):
        layout = {"strides": data.stride(), "storage_offset": data.storage_offset()}
        return torch.Tensor._make_wrapper_subclass(cls, data.shape, dtype=data.dtype, device=f"{NAME}:0", **layout)

    def __init__(self, data: torch.Tensor):
        self.data_on_cpu = data

    def __repr__(self) -> str:
        return f"PretendTensor({self.data_on_cpu})"

    def tolist(self):
        return self.cpu().tolist()

    def numpy(self, *arguments, **options):
        raise TypeError(f"can't convert {NAME}:0 device type tensor to numpy. Use Tensor.cpu()")

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        raise RuntimeError(f"{function} outside of pretend_device.computing()")


class PretendGenerator(torch.Generator):
    """A CPU generator that says which device it is of."""

    def __new__(cls, device="cpu"):
        return super().__new__(cls, "cpu")

    def __init__(self, device="cpu"):
        self.named_device = torch.device(device)

    @property
    def device(self) -> torch.device:
        return self.named_device

    def manual_seed(self, seed: int) -> "PretendGenerator":
        super().manual_seed(seed)
        return self


class Counter(TorchDispatchMode):
    """Computes the operators of the device on the CPU. `launches`: by operator; `waits` and `copies`: by the line of
    bench/ that causes these."""

    def __init__(self):
        super().__init__()
        self.launches, self.waits, self.copies = (collections.Counter() for _ in range(3))

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Otherwise each operator passes through torch._dynamo, which takes seconds to import."""
        return False

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        tensors = tensors_in((*args, *kwargs.values()))
        target = kwargs.get("device") and torch.device(kwargs["device"])
        onto_device = target is not None and target.type == NAME
        if not onto_device and not any(isinstance(tensor, PretendTensor) for tensor in tensors):
            return function(*args, **kwargs)
        name = function.overloadpacket.__name__
        self.check(name, tensors)
        self.count(name, args, target)
        if onto_device:
            kwargs["device"] = torch.device("cpu")
        result = function(*on_cpu(args), **{key: on_cpu(value) for key, value in kwargs.items()})
        if name.endswith("_"):  # in place
            return args[0] if isinstance(result, torch.Tensor) else result
        if target is not None and not onto_device:  # a copy to the CPU, or a new tensor there
            return result
        return on_device(result)

    def check(self, name: str, tensors: list[torch.Tensor]) -> None:
        """A number (a tensor of no dimension) may be the CPU's; copies may be of both devices."""
        if name not in ("copy_", "_to_copy"):
            for tensor in tensors:
                if tensor.dim() and not isinstance(tensor, PretendTensor):
                    raise WrongDevice(f"{name}: tensors on {NAME}:0 and cpu, at {place()}")

    def count(self, name: str, args: tuple, target: torch.device | None) -> None:
        masks = (
            [index for index in args[1] if index is not None and index.dtype is torch.bool] if name in INDEXING else []
        )
        if name in WAITS or masks or leaves_device(name, args, target):
            self.waits[f"{name} at {place()}"] += 1
        elif name in ("copy_", "_to_copy") and not all(isinstance(arg, PretendTensor) for arg in args[: COPIED[name]]):
            self.copies[f"{name} at {place()}"] += 1
        if name not in VIEWS:
            self.launches[name] += 1


def tensors_in(values: tuple | list) -> list[torch.Tensor]:
    """The tensors among the values, also in lists and tuples."""
    tensors = []
    for value in values:
        if isinstance(value, torch.Tensor):
            tensors.append(value)
        elif type(value) in SEQUENCES:
            tensors += tensors_in(value)
    return tensors


def on_cpu(value):
    """The CPU data of a tensor of the device, also in lists and tuples; other values as they are."""
    if isinstance(value, PretendTensor):
        return value.data_on_cpu
    return type(value)([on_cpu(each) for each in value]) if type(value) in SEQUENCES else value


def on_device(value):
    """Tensors of the device that hold an operator's result."""
    if isinstance(value, torch.Tensor):
        return PretendTensor(value)
    return type(value)([on_device(each) for each in value]) if type(value) in SEQUENCES else value


COPIED = {"copy_": 2, "_to_copy": 1}  # number of arguments that are tensors


def leaves_device(name: str, args: tuple, target: torch.device | None) -> bool:
    """Whether an operator brings values to the host."""
    if name == "copy_":
        return not isinstance(args[0], PretendTensor)
    return name == "_to_copy" and target is not None and target.type == "cpu"


def place() -> str:
    """The innermost line of bench/ on the stack."""
    for frame, line in traceback.walk_stack(None):
        if "/bench/" in frame.f_code.co_filename:
            return f"bench/{frame.f_code.co_filename.rpartition('/bench/')[2]}:{line}"
    return "a line outside of bench/"


class GeneratorCheck(TorchFunctionMode):
    """Refuses a generator of another device than the values that it draws."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if (generator := kwargs.get("generator")) is not None:  # torch takes it by this name alone
            tensors = [arg.device for arg in args if isinstance(arg, torch.Tensor)]
            device = torch.device(kwargs.get("device") or (tensors[0] if tensors else "cpu"))
            if generator.device.type != device.type:
                raise WrongDevice(f"a generator on {generator.device} draws on {device}, at {place()}")
        return function(*args, **kwargs)


@contextlib.contextmanager
def computing() -> Iterator[Counter]:
    """Compute on the device within, and count."""
    generator, torch.Generator = torch.Generator, PretendGenerator
    try:
        with Counter() as counter, GeneratorCheck(), torch.autograd.set_multithreading_enabled(False):
            yield counter
    finally:
        torch.Generator = generator


def lower_precision(name: str):
    """The autocast rule of an operator: cast the floating-point tensors of the device."""
    operator = getattr(torch.ops.aten, name).default

    def run(*args, **kwargs):
        keys = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)
        with torch._C._ExcludeDispatchKeyGuard(keys):
            dtype = torch.get_autocast_dtype(NAME)
            cast = tree_map_only(torch.Tensor, lambda t: t.to(dtype) if t.is_floating_point() else t, (args, kwargs))
            return operator(*cast[0], **cast[1])

    return run


AUTOCAST = torch.library.Library("aten", "IMPL", "AutocastPrivateUse1")
FALLTHROUGH = torch.library.Library("_", "IMPL", "AutocastPrivateUse1")
FALLTHROUGH.fallback(torch.library.fallthrough_kernel)
for operator_name in ("addmm", "baddbmm", "bmm", "conv2d", "convolution", "linear", "matmul", "mm"):
    AUTOCAST.impl(operator_name, lower_precision(operator_name))

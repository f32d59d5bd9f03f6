"""The network that a width of a slimmable one should be, put together layer by layer at its own sizes."""

from torch import nn

from bench.models import build
from bench.models.film import FiLM
from bench.models.slimmable import SlimConv2d, SlimLinear


def stand_alone(net, width: float):
    """A network without widths whose layers have α of the channels, with the slices of `net` as its weights."""
    small = build(net.recipe.model_copy(update={"widths": ()}), net.stem.in_channels, 10).double()
    ours, index = dict(net.named_modules()), net.recipe.widths.index(width)
    for name, module in list(small.named_modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            first = name == "stem" or name.endswith((".gamma.0", ".beta.0", ".both.0"))
            replace(small, name, sliced(ours[name], width, inputs=first, outputs=name == "head"))
        elif isinstance(module, nn.BatchNorm2d):
            copy = nn.BatchNorm2d(int(module.num_features * width)).double()
            copy.load_state_dict(ours[name][index].state_dict())
            replace(small, name, copy)
        elif isinstance(module, FiLM):
            module.channels = int(module.channels * width)
    small.load_state_dict({n: b for n, b in net.named_buffers() if n in ("codebook", "lambdas")}, strict=False)
    return small


def sliced(layer, width: float, inputs: bool, outputs: bool):
    """The first α of a layer; `inputs` and `outputs` say which end is left whole: the image, a code, the classes."""
    weight = layer.weight[: None if outputs else int(len(layer.weight) * width)]
    weight = weight[:, : None if inputs else int(layer.weight.shape[1] * width)]
    if isinstance(layer, nn.Linear):
        found = SlimLinear(weight.shape[1], weight.shape[0])
        found.bias.data = layer.bias.data[: len(weight)].clone()
    else:
        sizes = (weight.shape[1], weight.shape[0], layer.kernel_size, layer.stride, layer.padding)
        found = SlimConv2d(*sizes, bias=False)
    found.weight.data = weight.data.clone()
    return found


def replace(net, name: str, module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(net.get_submodule(parent), child, module)

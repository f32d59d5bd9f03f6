"""The network that a slimmable one should equal at a width, built layer by layer without slimmable parts."""

from torch import nn

from bench.models import build
from bench.models.film import FiLM
from bench.models.slimmable import SlimConv2d, SlimLinear


def network_of_width(net, width: float):
    """A network whose layers have α = `width` of the channels, with slices of the weights of `net`."""
    small = build(net.recipe.model_copy(update={"widths": ()}), net.stem.in_channels, 10).double()
    modules, index = dict(net.named_modules()), net.recipe.widths.index(width)
    for name, module in list(small.named_modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            is_first = name == "stem" or name.endswith((".gamma.0", ".beta.0", ".both.0"))
            replace(small, name, sliced(modules[name], width, all_inputs=is_first, all_outputs=name == "head"))
        elif isinstance(module, nn.BatchNorm2d):
            copy = nn.BatchNorm2d(int(module.num_features * width)).double()
            copy.load_state_dict(modules[name][index].state_dict())
            replace(small, name, copy)
        elif isinstance(module, FiLM):
            module.channels = int(module.channels * width)
    small.load_state_dict({n: b for n, b in net.named_buffers() if n in ("codebook", "lambdas")}, strict=False)
    return small


def sliced(layer, width: float, all_inputs: bool, all_outputs: bool):
    """The first α of a layer's channels; `all_inputs` keeps an image or code whole, `all_outputs` the classes."""
    weight = layer.weight[: None if all_outputs else int(len(layer.weight) * width)]
    weight = weight[:, : None if all_inputs else int(layer.weight.shape[1] * width)]
    if isinstance(layer, nn.Linear):
        new_layer = SlimLinear(weight.shape[1], weight.shape[0])
        new_layer.bias.data = layer.bias.data[: len(weight)].clone()
    else:
        sizes = (weight.shape[1], weight.shape[0], layer.kernel_size, layer.stride, layer.padding)
        new_layer = SlimConv2d(*sizes, bias=False)
    new_layer.weight.data = weight.data.clone()
    return new_layer


def replace(net, name: str, module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(net.get_submodule(parent), child, module)

"""Lower the plain forward of a network, by torch.fx, to the steps that the C kernels compute.

Every backbone is a chain of fused blocks y = dropout(ReLU(norm(conv(x)) + residual)) with every part optional: a Step.
The plans (inference_plan, training_plan) and the layer-wise path (layerwise) all run the same steps.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import fx, nn

from bench.models.dual_bn import ConditionalNorm
from bench.models.film import FiLM
from bench.models.network import ConditionalNetwork
from bench.models.slimmable import SlimConv2d, SwitchableBN

INPUT = -1  # the index of the images among the values; value i is the output of step i


class Unsupported(Exception):
    """The kernels cannot compute what the network does."""


@dataclass(eq=False)
class Step:
    """One fused block. `x` and `residual` are indices of values. `dropout` holds in training mode alone."""

    x: int
    conv: SlimConv2d | None = None
    norm: ConditionalNorm | None = None
    residual: int | None = None
    relu: bool = False
    dropout: float = 0.0


class Tracer(fx.Tracer):
    """Keeps convolutions and norm layers whole."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, SlimConv2d | ConditionalNorm)


class Features(nn.Module):
    """A module whose forward is `net.features`, since fx traces forwards."""

    def __init__(self, net: ConditionalNetwork):
        super().__init__()
        self.net = net

    def forward(self, x, cond):
        return self.net.features(x, cond)


def lower(net: ConditionalNetwork) -> list[Step]:
    """Trace `net.features` into steps, the last of which makes the features. Raises Unsupported."""
    for method in ("forward", "condition", "code", "films", "fold"):
        if getattr(type(net), method) is not getattr(ConditionalNetwork, method):
            raise Unsupported(f"{type(net).__name__} has a {method} of its own")
    for norm in net.norms:
        if not isinstance(norm.bn_a, nn.BatchNorm2d | SwitchableBN) or type(norm.film) not in (FiLM, type(None)):
            raise Unsupported("a norm layer with parts that the kernels do not know")
        if type(norm).forward is not ConditionalNorm.forward:
            raise Unsupported(f"{type(norm).__name__} has a forward of its own")
    try:
        graph = Tracer().trace(features := Features(net))
    except Exception as error:  # control flow on a tensor's values, or other code of a plugin's backbone
        raise Unsupported(f"the forward pass cannot be traced: {error}") from None
    return Lowering(graph, dict(features.named_modules())).steps


class Lowering:
    """Turns the nodes of a graph into `steps`; `values` maps a node to the index of its value."""

    def __init__(self, graph: fx.Graph, modules: dict[str, nn.Module]):
        self.modules, self.steps, self.values = modules, [], {}
        lower_call = {operator.add: self.add, F.relu: self.relu, F.dropout: self.dropout}
        for node in graph.nodes:
            if node.op == "placeholder":
                self.values[node] = INPUT
            elif node.op == "call_module" and node not in self.values:
                self.layer(node)
            elif node.op == "call_function" and node.target in lower_call:
                self.values[node] = lower_call[node.target](node)
            elif node.op == "output":
                if self.value(node.args[0]) != len(self.steps) - 1:
                    raise Unsupported("the features are not the last value that is computed")
            elif node.op != "call_module" and not is_condition_attribute(node):
                raise Unsupported(f"{node.op} {node.target}")

    def layer(self, node: fx.Node) -> None:
        """Append a convolution together with the norm layer that alone takes its output, or a norm layer."""
        layer, x = self.modules[node.target], self.value(node.args[0])
        if isinstance(layer, SlimConv2d) and type(layer) is not SlimConv2d:
            raise Unsupported(f"convolution {type(layer).__name__}")
        if not isinstance(layer, SlimConv2d):
            self.append(Step(x, norm=layer), node)
            return
        norm = sole_user(node, lambda user: isinstance(self.modules.get(str(user.target)), ConditionalNorm))
        if norm is None or block_of(norm) != block_of(node):
            self.append(Step(x, layer), node)
        else:
            self.append(Step(x, layer, self.modules[norm.target]), node, norm)

    def value(self, node: object) -> int:
        if not isinstance(node, fx.Node) or node not in self.values:
            raise Unsupported(f"{node} is not a value that a block makes")
        return self.values[node]

    def append(self, step: Step, *nodes: fx.Node) -> None:
        self.steps.append(step)
        self.values |= dict.fromkeys(nodes, len(self.steps) - 1)

    def add(self, node: fx.Node) -> int:
        """Add the earlier operand in the step that makes the later one."""
        earlier, later = sorted(self.value(operand) for operand in node.args)
        step, block = self.steps[later], max(node.args, key=self.value)
        last = later == len(self.steps) - 1 and earlier < later and len(block.users) == 1
        if not last or step.residual is not None or step.relu:
            raise Unsupported("a sum other than that of a block and its residual")
        step.residual = earlier
        return later

    def relu(self, node: fx.Node) -> int:
        value = self.value(node.args[0])
        if value == INPUT or len(node.args[0].users) > 1:
            raise Unsupported("ReLU of a value that is used elsewhere")
        self.steps[value].relu = True
        return value

    def dropout(self, node: fx.Node) -> int:
        value = self.value(node.args[0])
        step = self.steps[value]
        if value == INPUT or step.norm is None or not step.relu or len(node.args[0].users) > 1:
            raise Unsupported("dropout elsewhere than after a norm layer with ReLU")
        step.dropout = float(node.kwargs["p"])
        return value


def sole_user(node: fx.Node, accepts: Callable[[fx.Node], bool]) -> fx.Node | None:
    users = list(node.users)
    return users[0] if len(users) == 1 and users[0].op == "call_module" and accepts(users[0]) else None


def block_of(node: fx.Node) -> str:
    """The name of the module that holds a layer: `net.blocks.2`."""
    return node.target.rpartition(".")[0]


def is_condition_attribute(node: fx.Node) -> bool:
    """Whether a node reads an attribute of the Condition, such as cond.width."""
    return node.op == "call_function" and node.target is getattr

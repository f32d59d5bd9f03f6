"""SOLAR (Tareen et al., WACV 2026): OATS with a classifier of its own for each width.

In OATS all sub-networks share one classifier, of which a width uses the first columns. SOLAR's switchable output layer
is one linear layer per width, on that width's features. Backbone, losses and training are those of OATS (Algorithm 2).
docs/successors.md compares this with the authors' code.
"""

from torch import Tensor, nn

from bench.models.slimmable import SlimLinear, slim


class SwitchableHead(SlimLinear):
    """Classifiers of all widths: that of width 1 has SlimLinear's names in the state dict, `narrower` holds the others.

    The number of features tells the width.
    """

    def __init__(self, features: int, classes: int, widths: tuple[float, ...]):
        super().__init__(features, classes)
        self.narrower = nn.ModuleList(nn.Linear(slim(features, width), classes) for width in widths[:-1])

    def weights_at(self, width: float, inputs: int) -> tuple[Tensor, Tensor]:
        """(classes, inputs) weight and (classes,) bias of the classifier for `inputs` features."""
        head = next(head for head in (self, *self.narrower) if head.in_features == inputs)
        return head.weight, head.bias


def switchable_head(backbone: type) -> type:
    """The backbone's class with a classifier per width of the recipe."""

    class SolarNetwork(backbone):
        def __init__(self, recipe, in_channels: int, classes: int, **sizes: int):
            super().__init__(recipe, in_channels, classes, **sizes)
            self.head = SwitchableHead(self.head.in_features, classes, recipe.widths)

    return SolarNetwork

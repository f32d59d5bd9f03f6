"""Measurement: what is measured on a trained network."""

from typing import Literal

from pydantic import Field, model_validator

from bench.spec.content_key import Frozen
from bench.spec.registry import Probe, lookup


class Measurement(Frozen):
    """A measurement on a trained network, at one width. `probe` determines which of the other fields matter.

    Where `steps` or `start` is None, the attack's own value in the registry applies.
    """

    probe: str = Field("accuracy", description="accuracy (SA and RA), or another probe of bench.spec.registry")
    attack: str = Field("pgd7", description="an attack of bench.spec.registry")
    epsilon: float = Field(0.0, ge=0, le=1, description="L∞ radius, images in [0,1]")
    step: float = Field(0.0, ge=0, description="step size of an iterated attack, image units")
    steps: int | None = Field(None, ge=1, description="steps of the attack")
    start: Literal["uniform", "image"] | None = Field(None, description="at random in the ε-ball, or the image itself")
    restarts: int = Field(1, ge=1, description="an image counts as robust when it withstands all of them")
    targeted: bool = Field(False, description="towards each wrong class in turn, the likeliest first")
    lambdas: tuple[float, ...] = Field((), description="for PGD-AT its one λ; empty for a probe without λ")
    width: float = Field(1.0, gt=0, le=1, description="width factor of a slimmable network")
    test_images: int | None = Field(None, ge=1, description="number of test images, the first ones; None: all")
    few_images: bool = Field(False, description="on the scale's few images; MLflow keeps these results apart")
    images: tuple[int, ...] = Field((), description="indices of the test images whose saliency maps are stored")
    surrogate: str | None = Field(
        None, description="key of the network that examples are crafted on (masking), or of the other end of a blend"
    )
    blend: str | None = Field(None, description="of bench.spec.registry; `lambdas` are then its α (docs/dials.md)")
    seed: int = Field(0, ge=0, description="of the attack's random start: in a suite, the seed of the recipe")

    @model_validator(mode="after")
    def _fits_together(self):
        if self.attacks and not (self.epsilon > 0 and self.step > 0 and self.lambdas):
            raise ValueError(f"{self.probe} takes epsilon and step above 0, and at least one λ")
        return self

    @property
    def attacks(self) -> bool:
        """Whether the probe attacks the network, from random starts that `seed` determines."""
        return "epsilon" in lookup(Probe, self.probe).takes

    def of_seed(self, seed: int) -> "Measurement":
        """The measurement on the network of a seed: its attack starts from this seed's random points."""
        return self.model_copy(update={"seed": seed}) if self.attacks else self

    @property
    def attack_label(self) -> str:
        """The attack and its changed settings, as in MLflow's metrics and the CSV files: pgd7-50steps-r10."""
        parts = [self.attack, *([f"{self.steps}steps"] if self.steps else []), *([self.start] if self.start else [])]
        parts += [f"r{self.restarts}"] * (self.restarts > 1) + ["targeted"] * self.targeted
        return "-".join(parts)

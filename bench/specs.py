"""The words everyone shares: Recipe, Measurement, Trial.

A Recipe is everything that determines a trained network; a Measurement is what is asked of it. Both are frozen and
hash to a content key, so that two figures that need the same network share it, and a finished trial is found again.
"""

import functools
import hashlib
import json
import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bench.errors import unknown

RECIPE_VERSION = 1  # raise it whenever the same recipe would train another network than before

S1 = (0.0, 0.1, 0.2, 0.3, 0.4, 1.0)  # the paper's λ sets, Sec. 4.1, Sec. 4.4, and App. C
S2 = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
S3 = (0.15, 0.25, 0.35, 0.5, 0.7, 0.9)
S4 = (0.1, 0.2, 0.3, 0.4, 1.0)
LAMBDA_SETS = {"S1": S1, "S2": S2, "S3": S3, "S4": S4}


def lambda_set(name: str) -> tuple[float, ...]:
    """A named set, or unions and differences of them from left to right: `S2+S3-S1`. Ascending. Raises ValueError."""
    words = re.split(r"\s*([+-])\s*", name.strip())
    for word in words[::2]:
        if word not in LAMBDA_SETS:
            raise ValueError(unknown("λ set", word, LAMBDA_SETS))
    found = set(LAMBDA_SETS[words[0]])
    for sign, word in zip(words[1::2], words[2::2], strict=True):
        found = found | set(LAMBDA_SETS[word]) if sign == "+" else found - set(LAMBDA_SETS[word])
    return tuple(sorted(found))


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def canonical(self) -> str:
        """JSON with sorted keys and without the fields that stand at their default.

        Leaving defaults out lets a later version add a field, neutral by default, without renaming every old network.
        A default that changes what is trained must therefore raise RECIPE_VERSION.
        """
        return json.dumps(self.model_dump(mode="json", exclude_defaults=True), sort_keys=True, separators=(",", ":"))

    @property
    def key(self) -> str:
        """16 hexadecimal digits (64 bits) of the SHA-256 over the canonical JSON and the recipe version."""
        return key_of(self)


@functools.lru_cache(maxsize=100_000)
def key_of(model: Frozen) -> str:
    """Remembered by the fields' values, and not within the model, whose changed copies would carry it along: a plan
    asks for each key some thirty times."""
    return hashlib.sha256(f"v{RECIPE_VERSION}:{model.canonical()}".encode()).hexdigest()[:16]


class Protocol(Frozen):
    """The rows of the protocol ledger (docs/protocol.md): where paper and authors' code differ, or both are silent."""

    step_rule: Literal["quarter", "authors"] = Field(
        "quarter", description="row 1: PGD step ε/4 (the paper's 2/255 at ε=8/255), or min(1.25ε, ε+4/255)/steps"
    )
    lam_sampling: Literal["iid", "fixed-zeros"] = Field(
        "iid", description="row 2: λ of each sample i.i.d., or exactly ceil(B/|S|) zeros in each batch"
    )
    film: Literal["paper", "authors"] = Field(
        "paper",
        description="row 3: after every BN, two MLPs with hidden width C; or none after the shortcut's BN and WRN's "
        "last, one MLP with hidden width 2C and a Leaky ReLU on γ and β too",
    )
    clean_branch: Literal["by-lambda", "always-c"] = Field(
        "by-lambda", description="row 4: clean images with λ≠0 go through BN_a, or all clean images through BN_c"
    )
    selection: Literal["one", "each", "last"] = Field(
        "one",
        description="row 5: one checkpoint by the mean over λ of (SA+RA)/2 on held-out images; another epoch per λ and "
        "metric; or simply the last epoch",
    )
    unseen: Literal["interpolate", "nearest"] = Field(
        "interpolate", description="row 7: the code of an unseen λ, from its two trained neighbours or the nearest one"
    )
    attack_bn: Literal["eval", "train"] = Field("eval", description="row 12: BN mode while crafting in training")
    attack_lam0: Literal["skip", "make"] = Field(
        "skip", description="row 13: λ=0 samples have weight 0 on the adversarial term, so no attack is made for them"
    )
    encoding_seed: int = Field(
        0, ge=0, description="row 14: seed of the random orthogonal matrix, stored with the network"
    )
    dct: Literal["orthonormal", "unnormalised"] = Field(
        "orthonormal", description="row 15: columns of the orthonormal DCT matrix, or rows of the un-normalised one"
    )
    film_init: Literal["one", "zero"] = Field(
        "one", description="row 16: γ starts around 1, as in the FiLM paper that Sec. 3.1 adopts; or around 0"
    )


# What only a conditional network has: for PGD-AT these fields stand at their default, or else the same network would
# have several keys, and `--set film=authors` would train every PGD-AT network again.
CONDITIONAL_ROWS = {
    "lam_sampling",
    "film",
    "clean_branch",
    "unseen",
    "attack_lam0",
    "encoding_seed",
    "dct",
    "film_init",
}

# Rows 6, 8, 10, 11 and 9 are the recipe's own fields (held-out count, learning rate, dropout, augmentation, batch).
PROTOCOLS = {
    "paper": Protocol(),
    "authors-code": Protocol(
        step_rule="authors",
        lam_sampling="fixed-zeros",
        film="authors",
        selection="each",
        dct="unnormalised",
        film_init="zero",
    ),
}
AUTHORS_BATCH_PGD_AT = 256  # row 9: the authors' code trains PGD-AT with 256 images a batch


class Recipe(Frozen):
    """Everything that determines a trained network. Its key names the directory `runs/trials/<key>/`."""

    # data
    dataset: str = Field(description="name of the data, as figures show it")
    data_hash: str = Field(description="content hash of the data, so that other pixels are another network")
    train_images: int | None = Field(None, ge=1, description="training images used; none for all")
    heldout: int = Field(ge=1, description="training images set apart for selection (row 6)")
    augment: Literal["none", "crop-flip"] = Field(description="row 11: pad 4, random crop, random flip; or nothing")
    # network
    arch: str = Field(description="resnet34, or wrn-<depth>-<width>, e.g. wrn-16-8")
    method: str = Field(description="pgd_at, oat, or another name in bench.training.budget.METHODS")
    lam: float | None = Field(None, ge=0, le=1, description="the fixed λ of PGD-AT")
    lambdas: tuple[float, ...] = Field((), description="the λ set an OAT network is trained on")
    lam_density: Literal["set", "continuous", "continuous-low"] = Field(
        "set",
        description="P_λ: uniform over the set; or over [0,1], uniform or denser for small λ (App. C; row 20)",
    )
    beta: float | None = Field(None, gt=0, description="of oat_trades alone: the weight of its KL term at λ=1")
    norm: Literal["normal", "dual", "dual-affine"] = Field(
        "normal", description="one BN; BN_c and BN_a (Sec. 3.2); or shared statistics with the affine parameters of two"
    )
    encoding: str = Field("none", description="of λ: none, onehot, dct-<d>, ro-<d>")
    dropout: float = Field(0.3, ge=0, lt=1, description="in the blocks of a WRN (row 10)")
    widths: tuple[float, ...] = Field((), description="width factors of a slimmable network (Sec. 3.3), ascending to 1")
    # attack in training
    epsilon: float = Field(gt=0, le=1, description="L∞ radius, images in [0,1]")
    attack_steps: int = Field(7, ge=1)
    # optimiser
    lr: float = Field(gt=0)
    schedule: Literal["cosine", "one-cycle"] = Field("cosine", description="stepped per epoch; one-cycle per step")
    epochs: int = Field(ge=1)
    batch: int = Field(ge=2)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(5e-4, ge=0)
    # the rest
    protocol: Protocol = Protocol()
    precision: Literal["fp32", "bf16"] = Field("fp32", description="of the network in training; evaluation is fp32")
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _fits_together(self):
        if self.method == "pgd_at" and (self.lam is None or self.lambdas or self.norm != "normal"):
            raise ValueError("pgd_at takes one fixed lam, no lambdas, and norm: normal")
        if self.method != "pgd_at" and (self.lam is not None or not self.lambdas):
            raise ValueError(f"{self.method} takes lambdas (a set), not lam")
        if self.norm != "normal" and (self.lambdas[0] != 0 or len(self.lambdas) < 2):
            raise ValueError(f"norm: {self.norm} needs 0 and another λ in lambdas, or a branch is never trained")
        if any(not 0 <= lam <= 1 for lam in self.lambdas) or list(self.lambdas) != sorted(set(self.lambdas)):
            raise ValueError("lambdas must be distinct, in [0,1], and ascending")
        if self.method == "oat_trades" and self.beta is None:
            raise ValueError("oat_trades takes beta, the weight of its KL term: 6 is TRADES' own")
        if self.method != "oat_trades" and self.beta is not None:
            raise ValueError(f"beta belongs to oat_trades, and {self.method} has no KL term to weigh")
        if self.widths and (
            self.widths[0] <= 0 or self.widths[-1] != 1 or list(self.widths) != sorted(set(self.widths))
        ):
            raise ValueError("widths must be distinct, in (0,1], ascending, and end with 1")
        if self.lam_density != "set" and self.method == "pgd_at":
            raise ValueError("lam_density belongs to a method that samples λ, and pgd_at has one λ")
        return self

    @property
    def label(self) -> str:
        """The network as a figure's legend names it."""
        return method_label(self.method, self.norm, bool(self.widths))

    @property
    def name(self) -> str:
        """A short name a person can tell apart in a list: `oat-dual dct-16 · digits · wrn-10-1 · lr 0.1 · seed 0`."""
        slim, (first, *rest) = "s" if self.widths else "", self.method.split("_")
        method = "_".join([first + slim, *rest]) + f"-{self.norm}"
        if self.method == "pgd_at":
            method = f"pgd-at{slim} λ={self.lam:g}"
        about = " ".join([method, *self.variant])
        return f"{about} · {self.dataset} · {self.arch} · lr {self.lr:g} · seed {self.seed}"

    @property
    def variant(self) -> list[str]:
        """What tells the network from the paper's usual one of its method: encoding, λ set and density, ledger rows."""
        found = []
        if self.method != "pgd_at":
            names = [name for name, values in LAMBDA_SETS.items() if values == self.lambdas]
            found += ["scalar" if self.encoding == "none" else self.encoding] * (self.encoding != "ro-128")
            found += [names[0] if names else f"{len(self.lambdas)} λ"] * (self.lambdas != S1)
            found += [self.lam_density] * (self.lam_density != "set")
            found += [f"β={self.beta:g}"] if self.beta else []
        rows = self.protocol.model_dump(exclude_defaults=True)
        known = [name for name, rows_ in PROTOCOLS.items() if rows_ == self.protocol and rows]
        return found + (known or [f"{row}={value}" for row, value in rows.items()])

    def essential(self) -> "Recipe":
        """The same network's recipe with every field that cannot matter at its default, so that it has one key."""
        changes: dict = {}
        if self.method == "pgd_at":
            rows = {name: value for name, value in self.protocol if name not in CONDITIONAL_ROWS}
            changes |= {"encoding": "none", "protocol": Protocol(**rows)}
        if not self.arch.startswith("wrn"):
            changes["dropout"] = Recipe.model_fields["dropout"].default
        return self.model_copy(update=changes)

    def attack_step(self, epsilon: float | None = None, steps: int | None = None) -> float:
        """The PGD step size of ledger row 1, in image units."""
        return step_size(self.protocol.step_rule, epsilon or self.epsilon, steps or self.attack_steps)


def method_label(method: str, norm: str, slimmable: bool = False) -> str:
    """PGD-AT, OAT (dual BN), OAT TRADES (dual BN); with an S after the first word where the network is slimmable."""
    slim, (first, *rest) = "S" if slimmable else "", method.upper().split("_")
    return f"PGD-AT{slim}" if method == "pgd_at" else " ".join([first + slim, *rest, f"({norm} BN)"])


def step_size(rule: str, epsilon: float, steps: int) -> float:
    """Ledger row 1: ε/4, which is the paper's 2/255 at ε = 8/255; or the authors' min(1.25ε, ε + 4/255)/steps."""
    return epsilon / 4 if rule == "quarter" else min(1.25 * epsilon, epsilon + 4 / 255) / steps


class Measurement(Frozen):
    """What is asked of a trained network, at one width. `probe` says what; the attack's fields belong to `accuracy` and
    `transfer`, and `epsilon` and `step` to `masking` too.

    Fields of the attack that are None stand at the attack's own (bench.attacks.ATTACKS).
    """

    probe: Literal["accuracy", "bn_statistics", "saliency", "cost", "transfer", "masking"] = Field(
        "accuracy", description="accuracy (SA and RA), or another name in bench.measures.passes.PASSES"
    )
    attack: str = Field("pgd7", description="a name in bench.attacks.ATTACKS")
    epsilon: float = Field(0.0, ge=0, le=1)
    step: float = Field(0.0, ge=0, description="step size of an iterated attack, image units")
    steps: int | None = Field(None, ge=1)
    start: Literal["uniform", "image"] | None = Field(None, description="in the ε-ball at random, or the image itself")
    restarts: int = Field(1, ge=1, description="an image counts as robust when it withstands all of them")
    targeted: bool = Field(False, description="towards each wrong class in turn, the likeliest first")
    lambdas: tuple[float, ...] = Field((), description="for PGD-AT its one λ; none where a probe asks for no λ")
    width: float = Field(1.0, gt=0, le=1)
    test_images: int | None = Field(None, ge=1, description="the first so many test images; none for all")
    few_images: bool = Field(
        False, description="on the scale's few images: MLflow keeps it apart from the whole test set"
    )
    images: tuple[int, ...] = Field((), description="test images, by index, whose saliency maps are kept")
    surrogate: str | None = Field(None, description="key of the network that examples are crafted on (masking)")
    seed: int = Field(0, ge=0, description="of the attack's random start")

    @model_validator(mode="after")
    def _fits_together(self):
        attacks = self.probe in ("accuracy", "transfer", "masking")
        if attacks and not (self.epsilon > 0 and self.step > 0 and self.lambdas):
            raise ValueError(f"{self.probe} takes epsilon and step above 0, and at least one λ")
        return self

    @property
    def attack_label(self) -> str:
        """The attack with what was changed in it, as MLflow's metrics and the CSV files name it: pgd7-50steps-r10."""
        parts = [self.attack, *([f"{self.steps}steps"] if self.steps else []), *([self.start] if self.start else [])]
        parts += [f"r{self.restarts}"] * (self.restarts > 1) + ["targeted"] * self.targeted
        return "-".join(parts)


class Trial(Frozen):
    """A recipe and what is to be measured on it. `source` says where the data lies and is no part of any key."""

    recipe: Recipe
    measurements: tuple[Measurement, ...]
    source: str = Field(description="a data set's name, or the absolute path of a Parquet or image folder")

    @property
    def key(self) -> str:
        return self.recipe.key

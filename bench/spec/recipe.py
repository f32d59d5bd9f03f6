"""Recipe: everything that determines a trained network."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from bench.spec.content_key import Frozen
from bench.spec.lambda_sets import LAMBDA_SETS, S1
from bench.spec.limits import FEW_LAMBDAS, FEW_WIDTHS, at_most
from bench.spec.protocol_ledger import PROTOCOLS, Protocol, step_size, unused_rows
from bench.spec.registry import NORMS


class Recipe(Frozen):
    """Everything that determines a trained network. The key names the directory `runs/trials/<key>/`."""

    # data
    dataset: str = Field(description="name of the data, as figures show it")
    data_hash: str = Field(description="content hash of the data")
    train_images: int | None = Field(None, ge=1, description="number of training images; None: all")
    pool: int = Field(1, ge=1, description="on loading, each channel is averaged over pool × pool pixels")
    heldout: int = Field(ge=1, description="training images held out for selection (row 6)")
    augment: Literal["none", "crop-flip"] = Field(description="row 11: pad 4, random crop, random flip; or nothing")
    # network
    arch: str = Field(description="resnet34, or wrn-<depth>-<width>, e.g. wrn-16-8")
    method: str = Field(description="pgd_at, oat, or another method of bench.spec.registry")
    lam: float | None = Field(None, ge=0, le=1, description="the fixed λ of PGD-AT")
    lambdas: Annotated[tuple[float, ...], at_most(1_000, FEW_LAMBDAS)] = Field(
        (), description="the λ set an OAT network is trained on"
    )
    lam_density: Literal["set", "continuous", "continuous-low"] = Field(
        "set",
        description="P_λ: uniform over the set; or over [0,1], uniform or denser for small λ (App. C; row 20)",
    )
    beta: float | None = Field(None, gt=0, description="of oat_trades alone: the weight of its KL term at λ=1")
    max_margin: float | None = Field(
        None, gt=0, description="of oat_mma alone: its d_max, up to which margins are trained, in units of epsilon"
    )
    norm: str = Field(
        "normal",
        description="normal: one BN; dual: BN_c and BN_a (Sec. 3.2); dual-affine: shared statistics with the affine "
        "parameters of two; or another norm of bench.spec.registry",
    )
    encoding: str = Field("none", description="of λ: none, onehot, dct-<d>, ro-<d>")
    dropout: float = Field(0.3, ge=0, lt=1, description="in the blocks of a WRN (row 10)")
    widths: Annotated[tuple[float, ...], at_most(16, FEW_WIDTHS)] = Field(
        (), description="width factors of a slimmable network (Sec. 3.3), ascending to 1"
    )
    # attack in training
    epsilon: float = Field(gt=0, le=1, description="L∞ radius, images in [0,1]")
    attack_steps: Annotated[int, at_most(1_000, "each is a pass of every image in every epoch")] = Field(
        7, ge=1, description="PGD steps on each training batch"
    )
    # optimiser
    lr: float = Field(gt=0, description="the highest learning rate")
    tuned_from: float | None = Field(
        None, ge=0, le=1, description="of pgd_at: fine-tune the network of this λ and otherwise the same recipe"
    )
    tuning_lr: float | None = Field(None, gt=0, description="learning rate of fine-tuning; `lr` is the start's")
    ema: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay per step of the moving average of weights and BN statistics that is selected and measured; "
        "0: no average",
    )
    schedule: Literal["cosine", "one-cycle"] = Field("cosine", description="stepped per epoch; one-cycle per step")
    epochs: Annotated[int, at_most(10_000, "the paper trains 200, and each is a row of progress.jsonl")] = Field(
        ge=1, description="passes over the training images"
    )
    batch: int = Field(ge=2, description="images of a training step (row 9)")
    momentum: float = Field(0.9, ge=0, lt=1, description="of SGD")
    weight_decay: float = Field(5e-4, ge=0, description="of every parameter")
    # the rest
    protocol: Protocol = Field(Protocol(), description="rows of the protocol ledger, below")
    precision: Literal["fp32", "tf32", "bf16"] = Field(
        "fp32",
        description="of the network in training; evaluation is fp32; tf32: of convolutions, on NVIDIA GPUs alone",
    )
    seed: int = Field(0, ge=0, description="of weights, batches, λ and attacks in training")

    @model_validator(mode="after")
    def _fits_together(self):
        if self.method == "pgd_at" and (self.lam is None or self.lambdas or self.norm != "normal"):
            raise ValueError("pgd_at takes one fixed lam, no lambdas, and norm: normal")
        if self.method != "pgd_at" and (self.lam is not None or not self.lambdas):
            raise ValueError(f"{self.method} takes lambdas (a set), not lam")
        if self.tuned_from is not None and (self.method != "pgd_at" or self.tuned_from == self.lam):
            raise ValueError("tuned_from belongs to pgd_at, and is another λ than lam")
        if (self.tuned_from is None) != (self.tuning_lr is None):
            raise ValueError("tuned_from and tuning_lr belong together: give both or neither")
        branches = NORMS[self.norm].branches if self.norm in NORMS else 1  # a plan refuses unknown names
        if branches > 1 and (self.lambdas[0] != 0 or len(self.lambdas) < 2):
            raise ValueError(f"norm: {self.norm} needs 0 and another λ in lambdas, or a branch is never trained")
        if any(not 0 <= lam <= 1 for lam in self.lambdas) or list(self.lambdas) != sorted(set(self.lambdas)):
            raise ValueError("lambdas must be distinct, in [0,1], and ascending")
        if self.method == "oat_trades" and self.beta is None:
            raise ValueError("oat_trades takes beta, the weight of its KL term: 6 is TRADES' own")
        if self.method != "oat_trades" and self.beta is not None:
            raise ValueError(f"beta belongs to oat_trades, and {self.method} has no KL term to weigh")
        if (self.method == "oat_mma") != (self.max_margin is not None):
            raise ValueError("max_margin belongs to oat_mma, which needs it: 4 is the largest of MMA's paper")
        if self.method == "float" and (
            self.lambdas != (0, 1) or self.norm != "dual" or self.encoding != "none" or self.widths
        ):
            raise ValueError("float takes lambdas: [0, 1], norm: dual, encoding: none and no widths")
        if self.method == "oat_sol" and not self.widths:
            raise ValueError("oat_sol takes widths, and gives each a classifier of its own")
        if self.widths and (
            self.widths[0] <= 0 or self.widths[-1] != 1 or list(self.widths) != sorted(set(self.widths))
        ):
            raise ValueError("widths must be distinct, in (0,1], ascending, and end with 1")
        if self.lam_density != "set" and self.method in ("pgd_at", "float"):
            raise ValueError(f"lam_density belongs to a method that samples λ from all of [0,1]: not to {self.method}")
        return self

    def is_candidate(self, epoch: int) -> bool:
        """Whether the network after this epoch (from 0) is a candidate for selection: every tenth epoch, each of the
        last quarter, and the last (ledger row 19). Evaluating a candidate attacks all held-out images at every λ."""
        return (epoch + 1) % 10 == 0 or epoch >= 0.75 * self.epochs or epoch + 1 == self.epochs

    @property
    def start(self) -> "Recipe | None":
        """The recipe of the network that fine-tuning starts from, or None."""
        if self.tuned_from is None:
            return None
        return self.model_copy(update={"lam": self.tuned_from, "tuned_from": None, "tuning_lr": None, "ema": 0.0})

    @property
    def label(self) -> str:
        """The network as a figure's legend names it."""
        return method_label(self.method, self.norm, bool(self.widths))

    @property
    def name(self) -> str:
        """A short name for lists: `oat-dual dct-16 · digits · wrn-10-1 · lr 0.1 · seed 0`."""
        slim, (first, *rest) = "s" if self.widths else "", self.method.split("_")
        method = "_".join([first + slim, *rest]) + f"-{self.norm}"
        if self.method == "pgd_at":
            method = f"pgd-at{slim} λ={self.lam:g}"
        about = " ".join([method, *self.variant])
        pooled = f" pooled {self.pool}×{self.pool}" if self.pool > 1 else ""
        return f"{about} · {self.dataset}{pooled} · {self.arch} · lr {self.lr:g} · seed {self.seed}"

    @property
    def variant(self) -> list[str]:
        """Differences from the paper's usual network of the method: encoding, λ set and density, start, average, ledger
        rows."""
        words = [] if self.tuned_from is None else [f"from λ={self.tuned_from:g}"]
        words += [f"EMA {self.ema:g}"] * (self.ema > 0)
        if self.method not in ("pgd_at", "float"):
            names = [name for name, values in LAMBDA_SETS.items() if values == self.lambdas]
            words += ["scalar" if self.encoding == "none" else self.encoding] * (self.encoding != "ro-128")
            words += [names[0] if names else f"{len(self.lambdas)} λ"] * (self.lambdas != S1)
            words += [self.lam_density] * (self.lam_density != "set")
            words += [f"β={self.beta:g}"] if self.beta else []
            words += [f"d_max={self.max_margin:g}ε"] if self.max_margin else []
        rows = self.protocol.model_dump(exclude_defaults=True)
        known = [name for name, rows_ in PROTOCOLS.items() if rows_ == self.protocol and rows]
        return words + (known or [f"{row}={value}" for row, value in rows.items()])

    def essential(self) -> "Recipe":
        """The recipe with every field that cannot matter at its default, so that the network has one key."""
        unused = unused_rows(self.method)
        changes: dict = {"protocol": Protocol(**{name: value for name, value in self.protocol if name not in unused})}
        if self.method == "pgd_at":
            changes["encoding"] = "none"
        if not self.arch.startswith("wrn"):
            changes["dropout"] = Recipe.model_fields["dropout"].default
        return self.model_copy(update=changes)

    def attack_step(self, epsilon: float | None = None, steps: int | None = None) -> float:
        """The PGD step size of ledger row 1, in image units."""
        return step_size(self.protocol.step_rule, epsilon or self.epsilon, steps or self.attack_steps)


def method_label(method: str, norm: str, slimmable: bool = False) -> str:
    """The label of a method: PGD-AT, OAT (dual BN), OAT TRADES (dual BN); slimmable: OATS (dual BN)."""
    slim, (first, *rest) = "S" if slimmable else "", method.upper().split("_")
    return f"PGD-AT{slim}" if method == "pgd_at" else " ".join([first + slim, *rest, f"({norm} BN)"])

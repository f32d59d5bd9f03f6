"""The protocol ledger (docs/protocol.md): a switch for each row on which the paper and the authors' code differ or say
nothing. `protocol: paper` and `protocol: authors-code` set all of them."""

from typing import Literal

from pydantic import Field

from bench.spec.content_key import Frozen


class Protocol(Frozen):
    """Rows of the protocol ledger (docs/protocol.md): where the paper and the authors' code differ or say nothing."""

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
        0, ge=0, lt=2**64, description="row 14: seed of the random orthogonal matrix, stored with the network"
    )
    dct: Literal["orthonormal", "unnormalised"] = Field(
        "orthonormal", description="row 15: columns of the orthonormal DCT matrix, or rows of the un-normalised one"
    )
    film_init: Literal["one", "zero"] = Field(
        "one", description="row 16: γ starts around 1, as in the FiLM paper that Sec. 3.1 adopts; or around 0"
    )
    # of FLOAT alone, here against its authors' code (docs/successors.md)
    noise_draw: Literal["stored", "each-pass"] = Field(
        "stored", description="row 25: noise of the tested network: one draw, stored with it, or another in each pass"
    )
    noise_ra: Literal["same-lambda", "lambda-1"] = Field(
        "same-lambda", description="row 26: RA at λ>0 is of the network at this λ, or of the network at λ=1"
    )
    noise_attack_lam0: Literal["same-network", "with-noise"] = Field(
        "same-network", description="row 27: RA at λ=0: the attack sees the tested network, or one with noise of λ=1"
    )


# Rows of conditional networks. For PGD-AT they are set to their default: otherwise the same network would have several
# keys, and `--set film=authors` would train every PGD-AT network again.
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


NOISE_ROWS = {"noise_draw", "noise_ra", "noise_attack_lam0"}  # of FLOAT alone


def unused_rows(method: str) -> set[str]:
    """The rows without effect on a method's networks."""
    if method == "pgd_at":
        return CONDITIONAL_ROWS | NOISE_ROWS
    return CONDITIONAL_ROWS - {"lam_sampling"} if method == "float" else NOISE_ROWS


# Rows 6, 8, 9, 10 and 11 are fields of Recipe: held-out count, learning rate, batch, dropout, augmentation.
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


def step_size(rule: str, epsilon: float, steps: int) -> float:
    """PGD step of ledger row 1: ε/4 (the paper's 2/255 at ε = 8/255), or the authors' min(1.25ε, ε + 4/255)/steps."""
    return epsilon / 4 if rule == "quarter" else min(1.25 * epsilon, epsilon + 4 / 255) / steps

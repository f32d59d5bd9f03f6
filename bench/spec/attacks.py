"""The attacks by name: what a plan must know of each, and what a measurement may change in it. Without torch, for which
a plan would wait longer than for all else; `named` runs them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bench.spec import autoattack_packages
from bench.spec.measurement import Measurement

CHANGES = {"steps": None, "start": None, "restarts": 1, "targeted": False}  # what a measurement may change; unchanged


@dataclass(frozen=True)
class Attack:
    """`run` names its function in from_measurement.FUNCTIONS; `steps` and `start` hold where none are asked.

    `loss` names in LOSSES there what it increases where it has no target; `passes` of the network per step, a forward
    and a backward each counted 1. fixed: the fields of CHANGES that mean nothing to it, and are refused. effort:
    classes → gradient steps of an image, where that is not `steps`. lacking: what hinders it on this machine, in one
    line. package: whose work it is.
    """

    run: str
    steps: int
    start: str
    loss: str = "cross_entropy"
    passes: int = 2
    fixed: tuple[str, ...] = ()
    effort: Callable[[int], int] | None = None
    lacking: Callable[[], str | None] = lambda: None
    package: Callable[[], str] | None = None


ATTACKS = {
    "pgd7": Attack("pgd", 7, "uniform"),  # the paper's, in training and evaluation (Sec. 4.1)
    "pgd20": Attack("pgd", 20, "uniform"),  # Fig. 7
    "mifgsm": Attack("mi_fgsm", 10, "image"),
    "fgsm": Attack("fgsm", 1, "image", fixed=("steps",)),
    "square": Attack("square", 1000, "image", loss="margin", passes=1, fixed=("start",)),  # its steps are queries
    "pgd50": Attack("pgd", 50, "uniform"),  # docs/attacks.md has these three
    "cw50": Attack("pgd", 50, "uniform", loss="margin"),
    "autoattack": Attack(
        *("autoattack", autoattack_packages.STEPS, "uniform"),
        fixed=tuple(CHANGES),
        effort=autoattack_packages.effort,
        lacking=autoattack_packages.lacking,
        package=autoattack_packages.package,
    ),
}


def objection(name: str, asked) -> str | None:
    """What is wrong with the changes that `asked`, a measurement or a suite's, makes in an attack, in one line."""
    changed = [field for field, own in CHANGES.items() if field in ATTACKS[name].fixed and getattr(asked, field) != own]
    return f"{name} takes no {' and no '.join(changed)}: leave that out" if changed else None


def credit(what: Measurement) -> dict[str, str]:
    """{"package": …} where an attack is another package's work, for the measurement's rows."""
    own = ATTACKS[what.attack].package
    return {"package": own()} if own else {}


def effort(what: Measurement, classes: int) -> float:
    """Gradient steps that a measurement spends on each image and λ at most: an image that has fallen is let alone, and
    a query, a forward pass alone, is half."""
    attack, targets = ATTACKS[what.attack], classes - 1 if what.targeted else 1
    steps = attack.effort(classes) if attack.effort else what.steps or attack.steps
    return steps * what.restarts * targets * attack.passes / 2

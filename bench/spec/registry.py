"""Registry of methods, attacks, probes, blends, norms and backbones: name, cost and location of the code of each.

Every function is given as "module:function" and imported when it is first needed, so that a plan needs no torch; a
plugin (bench/spec/plugins.py) may give the function itself. bench/spec/registry_entries.py has the fields of each kind
of entry, docs/extending.md an example.
"""

from collections.abc import Callable
from typing import Any

from bench.errors import unknown
from bench.spec.autoattack_package import STEPS as AUTOATTACK_STEPS
from bench.spec.limits import check_name
from bench.spec.registry_entries import (
    ATTACK_DEFAULTS,
    Attack,
    Backbone,
    Blend,
    Entry,
    Figure,
    Method,
    Norm,
    Probe,
    load,
)

METHODS: dict[str, Method] = {}
ATTACKS: dict[str, Attack] = {}
PROBES: dict[str, Probe] = {}
BLENDS: dict[str, Blend] = {}
NORMS: dict[str, Norm] = {}
BACKBONES: dict[str, Backbone] = {}
FIGURES: dict[str, Figure] = {}  # of plugins; the others are found in reports/figures/
TABLES: dict[type, dict[str, Any]] = {
    Method: METHODS,
    Attack: ATTACKS,
    Probe: PROBES,
    Blend: BLENDS,
    Norm: NORMS,
    Backbone: BACKBONES,
    Figure: FIGURES,
}


def register(entry: Entry) -> None:
    """Add an entry. Raises ValueError where no file can have its name, the name is taken, or its target is neither
    text nor callable."""
    if not isinstance(entry, Backbone):  # a name such as wrn-<depth>-<width>
        check_name(entry.name)
    if not callable(entry.target) and ":" not in entry.target:
        raise ValueError(f"target of {entry.kind} {entry.name!r}: module:function is expected, not {entry.target!r}")
    table = TABLES[type(entry)]
    if entry.name in table:
        raise ValueError(f"{entry.kind} {entry.name!r} is registered already")
    table[entry.name] = entry


def resolve(entry: Entry) -> Callable:
    """The function or class of an entry, imported now."""
    return load(entry.target)


def lookup(kind: type, name: str) -> Any:
    """The entry of a name. Raises ValueError with the nearest known name."""
    if name not in TABLES[kind]:
        raise ValueError(unknown(kind.kind, name, TABLES[kind]))
    return TABLES[kind][name]


def backbone_of(arch: str) -> tuple[Backbone, dict[str, int]]:
    """The backbone of a recipe's `arch` and the sizes in the name. Raises ValueError."""
    for backbone in BACKBONES.values():
        sizes = backbone.parse(arch)
        if sizes is not None:
            return backbone, sizes
    raise ValueError(unknown(Backbone.kind, arch, BACKBONES))


for _entry in (
    Method("pgd_at", "bench.training.objectives:pgd_at", about="PGD adversarial training at one fixed λ (Eq. 1)"),
    Method("oat", "bench.training.objectives:oat", about="once-for-all adversarial training: λ is an input (Sec. 3.1)"),
    Method(
        *("oat_trades", "bench.training.trades:oat_trades", "bench.spec.costs:training_image_of_trades", ("beta",)),
        about="OAT with TRADES' KL term in place of the adversarial cross-entropy",
    ),
    # this and the next two: docs/successors.md
    Method(
        *("oat_mma", "bench.training.mma:oat_mma", "bench.spec.costs:training_image_of_mma", ("max_margin",)),
        about="OAT with the loss of MMA training in place of the adversarial cross-entropy",
    ),
    Method(
        *("float", "bench.training.float_weight_noise:float_at", "bench.spec.costs:training_image_of_float"),
        about="FLOAT: λ scales noise on the weights, in place of FiLM",
        network="bench.training.float_weight_noise:weight_noise",
    ),
    Method(
        *("oat_sol", "bench.training.objectives:oat"),
        about="SOLAR: slimmable OAT with a classifier per width",
        network="bench.training.solar:switchable_head",
    ),
    Attack(  # in training and evaluation (Sec. 4.1)
        *("pgd7", "bench.attacks.pgd:pgd", 7, "uniform"),
        about="PGD of 7 steps from a random start, in training and evaluation (Sec. 4.1)",
    ),
    Attack("pgd20", "bench.attacks.pgd:pgd", 20, "uniform", about="PGD of 20 steps (Fig. 7)"),
    Attack("mifgsm", "bench.attacks.pgd:mi_fgsm", 10, "image", about="FGSM of 10 steps with momentum 1 (Fig. 7)"),
    Attack("fgsm", "bench.attacks.pgd:fgsm", 1, "image", fixed=("steps",), about="one signed step of size ε (Fig. 7)"),
    Attack(  # its steps are queries, a forward pass each
        *("square", "bench.attacks.square:square", 1000, "image", "bench.attacks.pgd:margin"),
        passes=1,
        fixed=("start",),
        about="random search without gradients, 1,000 queries",
    ),
    # this and the next two: docs/attacks.md
    Attack("pgd50", "bench.attacks.pgd:pgd", 50, "uniform", about="PGD of 50 steps"),
    Attack(
        *("cw50", "bench.attacks.pgd:pgd", 50, "uniform", "bench.attacks.pgd:margin"),
        about="PGD of 50 steps on the margin loss of Carlini and Wagner",
    ),
    Attack(
        *("autoattack", "bench.attacks.autoattack:autoattack", AUTOATTACK_STEPS, "uniform"),
        fixed=tuple(ATTACK_DEFAULTS),
        effort="bench.spec.autoattack_package:effort",
        lacking="bench.spec.autoattack_package:lacking",
        package="bench.spec.autoattack_package:package",
        about="AutoAttack: APGD-CE, APGD-T, FAB-T and Square, by its authors' package",
    ),
    Probe(
        *("accuracy", "bench.measures.accuracy:accuracy", "bench.spec.costs:accuracy"),
        takes=("attack", "epsilon", "lambdas", "test_images", "few_images"),
    ),
    Probe("bn_statistics", "bench.measures.bn_statistics:bn_statistics"),
    Probe(
        *("saliency", "bench.measures.saliency:saliency", "bench.spec.costs:saliency"),
        takes=("lambdas", "images", "test_images"),
    ),
    Probe("cost", "bench.measures.cost:forward_cost"),
    Probe("switching", "bench.measures.switching:switching"),
    Probe(
        *("transfer", "bench.measures.transfer:transfer", "bench.spec.costs:transfer"),
        takes=("attack", "epsilon", "lambdas", "test_images", "few_images"),
        several_lambdas=True,
    ),
    Probe(
        *("masking", "bench.measures.gradient_masking:masking", "bench.spec.costs:masking"),
        takes=("epsilon", "lambdas", "masking_images"),
    ),
    Blend(
        *("probabilities", "bench.measures.blends.output_mixing:probabilities", "bench.spec.blends:robust_partner"),
        *("mixed probabilities", 2, 1.1, "mean of the probabilities of PGD-AT λ=0 and λ=1 (arXiv 2301.12554)"),
    ),
    Blend(
        *("logits", "bench.measures.blends.output_mixing:logits", "bench.spec.blends:robust_partner"),
        *("mixed logits", 2, 1.1, "mean of the logits of PGD-AT λ=0 and λ=1"),
    ),
    Blend(
        *("mixednuts", "bench.measures.blends.mixednuts:mixednuts", "bench.spec.blends:robust_partner"),
        *("MixedNUTS", 2, 2.1, "probabilities of PGD-AT λ=0 and λ=1, mixed nonlinearly (arXiv 2402.02263)"),
    ),
    Blend(
        *("weights", "bench.measures.blends.weight_interpolation:weights", "bench.spec.blends:start"),
        *("interpolated weights", 1, 1, "weights between a network and one fine-tuned from it (arXiv 2302.10164)"),
    ),
    Blend(
        *("bn", "bench.measures.blends.bn_interpolation:bn", "bench.spec.blends:own_branches"),
        *("interpolated BN", 1, 1, "between the branches of dual BN without FiLM (arXiv 2210.04886)"),
    ),
    Norm("normal", "bench.models.dual_bn:normal_bn"),
    Norm("dual", "bench.models.dual_bn:dual_bn", branches=2),  # Sec. 3.2
    Norm("dual-without-film", "bench.models.dual_bn:dual_bn_without_film", branches=2),  # docs/dials.md
    Norm("dual-affine", "bench.models.dual_affine_bn:DualAffineNorm", branches=2),  # arXiv 2403.19150
    Backbone("resnet34", "bench.models.resnet:ResNet34"),
    Backbone("wrn-<depth>-<width>", "bench.models.wide_resnet:WideResNet", "bench.spec.architectures:wrn_sizes"),
):
    register(_entry)

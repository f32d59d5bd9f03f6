"""Every engine passes every check: over norms, widths, encodings, ledger rows, methods, attacks and precisions.

A new engine is one line in ENGINES.
"""

import functools
import typing

import pytest
import torch

from bench.engines.cpu.engine import CpuEngine, why_unavailable
from bench.engines.eager import EagerEngine
from bench.engines.gpu.engine import GpuEngine
from bench.models import resnet
from bench.spec import registry
from bench.spec.protocol_ledger import NOISE_ROWS, Protocol
from bench.spec.recipe import Recipe
from bench.training.optimiser import sgd
from tests.engines import conformance, steps
from tests.engines.conformance import Make
from tests.engines.references import EVAL_LAM, TRAINING_LAM, Pass
from tests.recipes import oat as oat_recipe
from tests.recipes import pgd_at as pgd_at_recipe

MISSING = why_unavailable(torch.device("cpu"))
ENGINES = {"eager": (EagerEngine, None), "cpu": (CpuEngine, MISSING), "gpu": (GpuEngine, None)}

oat = functools.partial(oat_recipe, dropout=0.0)
pgd_at = functools.partial(pgd_at_recipe, dropout=0.0)
WIDTHS = (0.5, 0.75, 1.0)  # of 16 channels: 8, 12, 16
NORMS = {"normal": oat("normal"), "dual": oat("dual"), "dual-affine": oat("dual-affine"), "pgd-at": pgd_at()}
WITHOUT_FILM = {"dual-without-film": oat("dual-without-film", lambdas=(0.0, 1.0))}
SLIM = {"dual": oat(widths=WIDTHS), "authors": oat(widths=WIDTHS, protocol=Protocol(film="authors"))}
SLIM["dual-affine"] = oat("dual-affine", widths=WIDTHS)
ENCODINGS = {name: oat(encoding=name) for name in ("none", "onehot", "dct-16")}  # and ro-16, that of NORMS
# Rows of the ledger: of f(x, λ) itself, of the attack and the loss of a training step, and of what a batch and a
# checkpoint are made of, before and after the network.
NETWORK_ROWS = {"film", "film_init", "unseen", "encoding_seed", "dct"}
STEP_ROWS = {"step_rule", "clean_branch", "attack_bn", "attack_lam0"}
OTHER_ROWS = {"lam_sampling", "selection"}
OTHER_ROWS |= NOISE_ROWS  # of FLOAT's evaluation
BATCHES_OF_LAM = {"zeros": TRAINING_LAM * 0, "no zeros": TRAINING_LAM.clamp(min=0.1), "one": torch.full((4,), 0.2)}


def ledger_rows(names: set[str]) -> dict[str, Recipe]:
    """A recipe for every value of these rows of Protocol that is not the default."""
    recipes = {}
    for name in sorted(names):
        field = Protocol.model_fields[name]
        values = typing.get_args(field.annotation) or (1,)
        for value in sorted(set(values) - {field.default}):
            fields = {"encoding": "dct-16"} if name == "dct" else {}
            recipes[f"{name}={value}"] = oat(protocol=Protocol(**{name: value}), **fields)
    return recipes


METHODS = {"oat": oat(), "pgd_at": pgd_at(), "pgd_at-0": pgd_at(0.0), "pgd_at-1": pgd_at(1.0)}
METHODS |= {"oat_trades": oat(method="oat_trades", beta=6.0), "oat-normal": oat("normal")}
METHODS |= {"oat-slim": oat(widths=WIDTHS), "oat-dual-affine": oat("dual-affine")}
METHODS |= {"oat_mma": oat(method="oat_mma", max_margin=4.0), "oat_sol": oat(method="oat_sol", widths=WIDTHS)}
METHODS |= {"float": oat(method="float", lambdas=(0.0, 1.0), encoding="none")}
METHODS |= {"trades-rows": oat(method="oat_trades", beta=2.0, protocol=Protocol(attack_lam0="make", attack_bn="train"))}
ATTACKS = {(entry.target, entry.start, entry.loss): entry for entry in registry.ATTACKS.values()}
ATTACKS = {
    entry.name: entry for entry in ATTACKS.values() if entry.name != "autoattack"
}  # calls f(x, λ) as Square does


@pytest.fixture(params=ENGINES)
def make(request) -> Make:
    make, missing = ENGINES[request.param]
    if missing:
        pytest.skip(missing)
    return make


def cases(table: dict) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("recipe", table.values(), ids=table)


# --- norms, encodings, widths, ledger rows


BY_ENCODING = {f"encoding={name}": recipe for name, recipe in ENCODINGS.items()}


@cases(NORMS | WITHOUT_FILM | BY_ENCODING | ledger_rows(NETWORK_ROWS))
def test_network(make, recipe):
    conformance.check_eval(make, recipe)
    conformance.check_training(make, recipe)


@pytest.fixture
def without_onednn():
    """oneDNN, with which PyTorch convolves, writes out of bounds in the backward of some strided 1×1 convolutions."""
    with torch.backends.mkldnn.flags(enabled=False):
        yield


@pytest.mark.usefixtures("without_onednn")
@cases(SLIM)
def test_width(make, recipe):
    """The full width of one of these networks; test_network has that of each norm and FiLM."""
    for width in WIDTHS if recipe == SLIM["dual"] else WIDTHS[:2]:
        conformance.check_eval(make, recipe, Pass(EVAL_LAM, width))
        conformance.check_training(make, recipe, Pass(TRAINING_LAM, width))


def test_resnet(make):
    """On small images, in eval mode: a large batch of a deep network always has an activation at ReLU's kink."""
    conformance.check_eval(make, oat(arch="resnet34"), shape=(1, 4, 4))


@pytest.mark.parametrize("width", [0.5, 1.0])
def test_short_resnet(make, short_resnet, width):
    """Half of its channels are whole vectors."""
    recipe = oat(arch="resnet34", widths=(0.5, 1.0))
    conformance.check_eval(make, recipe, Pass(EVAL_LAM, width))
    conformance.check_training(make, recipe, Pass(TRAINING_LAM, width))
    conformance.check_pgd(make, recipe, Pass(EVAL_LAM, width))


@pytest.mark.usefixtures("without_onednn")
@pytest.mark.parametrize("width", [0.3, 1.0])
def test_odd_channels(make, monkeypatch, width):
    """20 and 33 channels, or 6 and 9: no whole vectors, at width 1 either."""
    monkeypatch.setattr(resnet, "STAGES", ((20, 1, 1), (33, 1, 2)))
    recipe = oat(arch="resnet34", widths=(0.3, 1.0))
    conformance.check_eval(make, recipe, Pass(EVAL_LAM, width))
    conformance.check_training(make, recipe, Pass(TRAINING_LAM, width))
    conformance.check_pgd(make, recipe, Pass(EVAL_LAM, width))


@pytest.mark.parametrize("shape", [(3, 9, 7), (1, 4, 4), (1, 2, 1)], ids=str)
def test_image_shape(make, shape):
    recipe = oat()
    conformance.check_eval(make, recipe, shape=shape)
    many = TRAINING_LAM.repeat_interleave(4)  # few images of few pixels have a variance near 0
    conformance.check_training(make, recipe, Pass(many), shape)
    conformance.check_pgd(make, recipe, shape=shape)


@pytest.mark.parametrize("lam", BATCHES_OF_LAM.values(), ids=BATCHES_OF_LAM)
@cases({"dual": NORMS["dual"], "dual-affine": NORMS["dual-affine"]})
def test_batch_of_lambda(make, recipe, lam):
    """Of one branch alone; test_network has mixed batches, and norms without branches."""
    conformance.check_training(make, recipe, Pass(lam))
    conformance.check_eval(make, recipe, Pass(lam[:1]))


@pytest.mark.parametrize("branch", ["a", "c"])
@cases({"dual": NORMS["dual"], "dual-affine": NORMS["dual-affine"], "slim": SLIM["dual"]})
def test_branch(make, recipe, branch):
    conformance.check_eval(make, recipe, Pass(EVAL_LAM, branch=branch))
    if recipe == NORMS["dual"]:
        conformance.check_pgd(make, recipe, Pass(EVAL_LAM, branch=branch))


# --- methods and attacks


@cases(METHODS | ledger_rows(STEP_ROWS))
def test_training_step(make, recipe):
    steps.check_training_step(make, recipe)


def test_registry_is_covered():
    assert {recipe.method for recipe in METHODS.values()} == set(registry.METHODS)
    assert {recipe.norm for recipe in (NORMS | WITHOUT_FILM).values()} == set(registry.NORMS)
    assert set(Protocol.model_fields) == NETWORK_ROWS | STEP_ROWS | OTHER_ROWS


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@cases({"dual": NORMS["dual"], "pgd-at": NORMS["pgd-at"]})
def test_attack(make, recipe, attack):
    options = {"steps": 12 if attack.passes == 1 else 3, "start": attack.start, "loss": registry.load(attack.loss)}

    def few_steps(model, x, y, rng):
        return registry.resolve(attack)(model, x, y, epsilon=0.1, step=0.03, rng=rng, **options)

    steps.check_attack(make, recipe, few_steps)


@cases(NORMS | {"slim": SLIM["dual"]})
def test_pgd(make, recipe):
    for width in recipe.widths or (1.0,):
        conformance.check_pgd(make, recipe, Pass(EVAL_LAM, width))
    conformance.check_pgd(make, recipe, Pass(EVAL_LAM[:1]))


# --- precision, modes, several passes


@cases(NORMS | {"wrn-16-2": oat(arch="wrn-16-2"), "slim": SLIM["dual"]})
def test_bf16(make, recipe):
    for width in recipe.widths[:2] or (1.0,):
        conformance.check_eval(make, recipe, Pass(EVAL_LAM, width, precision="bf16"), (1, 16, 16))
        conformance.check_training(make, recipe, Pass(TRAINING_LAM, width, precision="bf16"), (1, 16, 16))
    if recipe in NORMS.values():
        conformance.check_pgd(make, recipe, Pass(EVAL_LAM, precision="bf16"))


@cases(NORMS)
def test_gradient_to_x_in_training_mode(make, recipe):
    conformance.check_training(make, recipe, gradient_to_x=True)


@cases(NORMS)
def test_without_gradients(make, recipe):
    conformance.check_no_grad_training(make, recipe)


@cases(NORMS)
def test_several_passes(make, recipe):
    conformance.check_batch_sizes(make, recipe)
    conformance.check_conditions(make, recipe)
    conformance.check_two_eval_passes(make, recipe)
    for order in ((0, 1), (1, 0)) if recipe == NORMS["dual"] else ((1, 0),):
        conformance.check_two_training_passes(make, recipe, order)


@cases(NORMS)
def test_updates_by_an_optimiser(make, recipe):
    conformance.check_optimiser(make, recipe, lambda net: sgd(net, recipe))


@pytest.mark.parametrize("norm", ["dual", "dual-affine"])
def test_dropout(make, norm):
    conformance.check_dropout(make, oat_recipe(norm, dropout=0.3))

"""Recipes and their keys: stable, and different exactly when the network is."""

import json

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.spec.content_key import Frozen
from bench.spec.lambda_sets import S1, S2, S3, S4, lambda_set
from bench.spec.measurement import Measurement
from bench.spec.protocol_ledger import PROTOCOLS, Protocol
from bench.spec.recipe import Recipe
from bench.spec.trial import Trial
from tests.recipes import oat, pgd_at

OAT = oat(encoding="ro-128", data_hash="0" * 64)
OTHER = {  # another valid value for each field of OAT; method and lam are PGD-AT's, below
    "dataset": "svhn",
    "data_hash": "1" * 64,
    "train_images": None,
    "pool": 2,
    "heldout": 41,
    "augment": "crop-flip",
    "arch": "wrn-16-1",
    "lambdas": S2,
    "lam_density": "continuous",
    "norm": "normal",
    "encoding": "dct-128",
    "dropout": 0.2,
    "widths": (0.5, 1.0),
    "epsilon": 0.2,
    "attack_steps": 3,
    "lr": 0.05,
    "schedule": "one-cycle",
    "epochs": 3,
    "batch": 128,
    "momentum": 0.8,
    "weight_decay": 0.0,
    "ema": 0.9,
    "protocol": PROTOCOLS["authors-code"],
    "precision": "bf16",
    "seed": 1,
}
OTHER_ROWS = {
    "step_rule": "authors",
    "lam_sampling": "fixed-zeros",
    "film": "authors",
    "clean_branch": "always-c",
    "selection": "last",
    "unseen": "nearest",
    "attack_bn": "train",
    "attack_lam0": "make",
    "encoding_seed": 1,
    "dct": "unnormalised",
    "film_init": "zero",
    "noise_draw": "each-pass",
    "noise_ra": "lambda-1",
    "noise_attack_lam0": "with-noise",
}


def changed(recipe: Recipe, **fields) -> Recipe:
    return Recipe.model_validate(recipe.model_dump() | fields)


def test_a_key_is_for_ever():
    """These are names of directories people keep: they change with RECIPE_VERSION only."""
    assert OAT.canonical() == (
        '{"arch":"wrn-10-1","attack_steps":2,"augment":"none","batch":64,"data_hash":"' + "0" * 64 + '",'
        '"dataset":"digits","encoding":"ro-128","epochs":2,"epsilon":0.1,"heldout":40,'
        '"lambdas":[0.0,0.1,0.2,0.3,0.4,1.0],"lr":0.1,"method":"oat","norm":"dual","train_images":128}'
    )
    assert OAT.key == "c6400964dfe984c3"
    assert Measurement(epsilon=0.1, step=0.025, lambdas=S1).key == "a3fc216fd0f73958"


@given(st.permutations(list(OAT.model_dump())))
def test_the_order_of_fields_does_not_matter(names):
    plain = OAT.model_dump(mode="json")
    assert Recipe.model_validate({name: plain[name] for name in names}).key == OAT.key


def test_a_recipe_survives_its_json():
    assert Recipe.model_validate_json(json.dumps(OAT.model_dump(mode="json"))) == OAT


def test_the_changes_tried_here_are_all_fields():
    assert (
        OTHER.keys() | {"method", "lam", "beta", "tuned_from", "tuning_lr", "max_margin"} == Recipe.model_fields.keys()
    )
    assert OTHER_ROWS.keys() == Protocol.model_fields.keys()


def test_any_changed_field_changes_the_key():
    recipes = [OAT, pgd_at(0.0), pgd_at(0.5)] + [changed(OAT, **{name: value}) for name, value in OTHER.items()]
    recipes += [changed(OAT, method="oat_trades", beta=beta) for beta in (1, 6)]
    recipes += [pgd_at(0.5, tuned_from=lam, tuning_lr=lr) for lam, lr in ((0, 0.1), (1, 0.1), (1, 0.2))]
    recipes += [changed(OAT, method="oat_mma", max_margin=margin) for margin in (1.5, 4)]
    recipes += [changed(OAT, protocol={name: value}) for name, value in OTHER_ROWS.items()]
    assert len({recipe.key for recipe in recipes}) == len(recipes)


def test_any_changed_field_of_a_measurement_changes_its_key():
    base = {"epsilon": 0.1, "step": 0.025, "lambdas": S1}
    other = {"attack": "fgsm", "epsilon": 0.2, "step": 0.1, "lambdas": S2, "width": 0.5, "test_images": 10, "seed": 1}
    other |= {"probe": "saliency", "steps": 3, "start": "image", "restarts": 2, "targeted": True, "images": (1,)}
    other |= {"few_images": True, "surrogate": "c6400964dfe984c3", "blend": "logits"}
    assert other.keys() == Measurement.model_fields.keys()
    measurements = [Measurement(**base), *(Measurement(**(base | {name: value})) for name, value in other.items())]
    assert len({measurement.key for measurement in measurements}) == len(other) + 1


def test_defaults_do_not_enter_the_key():
    spelt_out = {name: field.default for name, field in Recipe.model_fields.items() if not field.is_required()}
    given = OAT.model_dump(exclude_defaults=True)
    assert Recipe.model_validate(spelt_out | given).key == OAT.key
    assert "momentum" not in json.loads(OAT.canonical()) and "protocol" not in json.loads(OAT.canonical())
    partly = changed(OAT, protocol={"film": "authors", "selection": "one"})
    assert json.loads(partly.canonical())["protocol"] == {"film": "authors"}


def test_a_later_field_that_is_neutral_by_default_renames_nothing():
    class Later(Recipe):
        width: float = 1.0

    assert Later.model_validate(OAT.model_dump()).key == OAT.key


@pytest.mark.parametrize(
    "fields",
    [
        {"lam": 0.5},
        {"lambdas": ()},
        {"lambdas": (0.1, 0.1)},
        {"lambdas": (0.4, 0.1)},
        {"lambdas": (0.0, 1.1)},
        {"method": "pgd_at"},
        {"method": "pgd_at", "lam": 0.5},
        {"method": "pgd_at", "lam": 0.5, "lambdas": (), "norm": "dual"},
        {"epsilon": 0},
        {"lr": -0.1},
        {"lr": float("nan")},
        {"lr": float("inf")},
        {"protocol": {"encoding_seed": -1}},
        {"epochs": 0},
        {"batch": 1},
        {"dropout": 1},
        {"momentum": 1},
        {"heldout": 0},
        {"seed": -1},
        {"epoch": 3},
        {"protocol": {"flim": "paper"}},
        {"protocol": {"film": "ours"}},
        {"widths": (0.5,)},
        {"widths": (0.5, 0.75)},
        {"widths": (0.0, 1.0)},
        {"widths": (0.75, 0.5, 1.0)},
        {"widths": (0.5, 0.5, 1.0)},
        {"widths": (0.5, 1.0, 1.5)},
        {"lam_density": "log"},
        {"method": "pgd_at", "lam": 0.5, "lambdas": (), "norm": "normal", "lam_density": "continuous"},
    ],
    ids=str,
)
def test_what_does_not_fit_together_is_refused(fields):
    with pytest.raises(pydantic.ValidationError):
        changed(OAT, **fields)


def test_words_are_frozen():
    with pytest.raises(pydantic.ValidationError):
        OAT.lr = 1.0
    assert hash(OAT) == hash(changed(OAT)) and issubclass(Trial, Frozen)


def test_the_lambda_sets_are_the_paper_s():
    assert S1 == (0, 0.1, 0.2, 0.3, 0.4, 1) and S2 == (0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1)
    assert S3 == (0.15, 0.25, 0.35, 0.5, 0.7, 0.9) and S1[1:] == S4
    assert set(lambda_set("S2+S3")) == {*S2, *S3} and not {*S2} & {*S3}


NAMES = {"S1": S1, "S2": S2, "S3": S3, "S4": S4}
NAME = st.sampled_from(sorted(NAMES))


@given(NAME, st.lists(st.tuples(st.sampled_from("+-"), NAME, st.sampled_from(["", " ", "  "])), max_size=5))
def test_a_lambda_set_is_built_from_left_to_right(first, more):
    text, expected = first, set(NAMES[first])
    for sign, name, space in more:
        text += space + sign + space + name
        expected = expected.union(NAMES[name]) if sign == "+" else expected.difference(NAMES[name])
    assert lambda_set(text) == tuple(sorted(expected))


@given(NAME, NAME)
def test_a_union_has_no_order_and_a_difference_takes_away_what_it_added(first, second):
    assert lambda_set(f"{first}+{second}") == lambda_set(f"{second}+{first}")
    assert not set(lambda_set(f"{first}+{second}-{second}")) & set(NAMES[second])
    assert lambda_set(f"{first}-{first}") == ()


@given(st.text(alphabet="S1234+- sx", max_size=8))
def test_any_other_text_is_no_lambda_set(text):
    words = text.replace("-", "+").split("+")
    if all(word.strip() in NAMES for word in words):
        assert set(lambda_set(text)) <= {*S1, *S2, *S3, *S4}
    else:
        with pytest.raises(ValueError, match="unknown λ set"):
            lambda_set(text)


def test_the_authors_protocol_is_the_ledger_s_right_column():
    assert PROTOCOLS["paper"] == Protocol()
    differing = PROTOCOLS["authors-code"].model_dump(exclude_defaults=True)
    assert differing.keys() == {"step_rule", "lam_sampling", "film", "selection", "dct", "film_init"}
    assert differing["selection"] == "each" and differing["film_init"] == "zero"


def test_the_attack_step_of_the_paper_is_2_of_255():
    assert changed(OAT, epsilon=8 / 255).attack_step() == pytest.approx(2 / 255)


def test_a_name_tells_networks_apart():
    assert oat("dual").name != oat("normal").name and pgd_at(0.1).name != pgd_at(0.2).name
    assert (pgd_at().label, oat("normal").label, oat().label) == ("PGD-AT", "OAT (normal BN)", "OAT (dual BN)")


def test_a_slimmable_network_is_named_and_labelled_as_such():
    widths = (0.5, 1.0)
    slim = [pgd_at(widths=widths), oat("normal", widths=widths), oat(widths=widths)]
    assert [recipe.label for recipe in slim] == ["PGD-ATS", "OATS (normal BN)", "OATS (dual BN)"]
    assert slim[0].name.startswith("pgd-ats λ=0.5 ") and slim[2].name.startswith("oats-dual ")


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({}, "pgd7"),
        ({"attack": "fgsm"}, "fgsm"),
        ({"steps": 50, "restarts": 10}, "pgd7-50steps-r10"),
        ({"start": "image"}, "pgd7-image"),
        ({"attack": "pgd20", "targeted": True}, "pgd20-targeted"),
        ({"seed": 3, "width": 0.5}, "pgd7"),
    ],
)
def test_an_attack_is_labelled_by_what_was_changed_in_it(fields, label):
    assert Measurement(epsilon=0.1, step=0.025, lambdas=S1, **fields).attack_label == label


@pytest.mark.parametrize("lacking", ["epsilon", "step", "lambdas"])
def test_accuracy_needs_an_attack_and_a_lambda(lacking):
    fields = {"epsilon": 0.1, "step": 0.025, "lambdas": S1}
    fields.pop(lacking)
    with pytest.raises(pydantic.ValidationError, match="accuracy takes"):
        Measurement(**fields)
    Measurement(probe="bn_statistics", **fields)  # the others do not


def test_dual_bn_needs_both_kinds_of_lambda():
    for lambdas in (S4, (0.0,)):
        with pytest.raises(ValueError, match="norm: dual needs 0"):
            oat("dual", lambdas=lambdas)


def test_networks_that_differ_in_encoding_or_a_ledger_row_are_told_apart_by_name():
    variants = [{}, {"encoding": "none"}, {"encoding": "dct-16"}, {"lambdas": S2}, {"lam_density": "continuous"}]
    variants += [{"protocol": Protocol(film="authors")}, {"protocol": PROTOCOLS["authors-code"]}, {"seed": 1}]
    names = [oat(**({"encoding": "ro-128"} | changed)).name for changed in variants]
    assert len(set(names)) == len(names)
    assert names[0].startswith("oat-dual · ") and names[2].startswith("oat-dual dct-16 · ")
    assert "film=authors" in names[5] and "authors-code" in names[6]
    assert "film" not in pgd_at().name

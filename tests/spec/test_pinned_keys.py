"""Keys of recipes and measurements, as the first version computed them: they name directories that people keep.

A key changes with RECIPE_VERSION only.
"""

import pytest

from bench.spec.content_key import RECIPE_VERSION
from bench.spec.lambda_sets import S1, S2
from bench.spec.measurement import Measurement
from bench.spec.protocol_ledger import PROTOCOLS
from bench.spec.recipe import Recipe

BASE = {"dataset": "svhn", "data_hash": "0" * 64, "heldout": 1000, "augment": "none", "arch": "wrn-16-8"}
BASE |= {"epsilon": 8 / 255, "lr": 0.1, "epochs": 80, "batch": 128}
OAT = BASE | {"method": "oat", "lambdas": S1, "encoding": "ro-128"}
RECIPES = {
    "ae12c6f3d775e03e": BASE | {"method": "pgd_at", "lam": 0.3},
    "847dc0e9a9cb60ad": OAT,
    "c4c40bbfc2eae465": OAT | {"norm": "dual"},
    "ff78b3c78e6d48fc": OAT | {"norm": "dual-affine"},
    "1b886881c11a23dd": OAT | {"method": "oat_trades", "norm": "dual", "beta": 6},
    "dd5ce2631cf1f057": OAT | {"norm": "dual", "widths": (0.5, 0.75, 1.0), "arch": "resnet34"},
    "53d96d54736a201c": OAT
    | {"norm": "dual", "protocol": PROTOCOLS["authors-code"], "lambdas": S2, "encoding": "dct-16"},
    "e87c5998413d974b": BASE
    | {"method": "oat", "lambdas": S1, "norm": "dual", "encoding": "onehot", "dropout": 0.0, "schedule": "one-cycle"}
    | {"train_images": 500, "precision": "bf16", "lam_density": "continuous", "seed": 2},
}
PGD7 = {"epsilon": 8 / 255, "step": 2 / 255, "lambdas": S1}
CHANGED = {"attack": "pgd50", "restarts": 10, "few_images": True, "test_images": 1000, "start": "image"}
MEASUREMENTS = {
    "c6cae27aba697166": PGD7,
    "4d1dc6476434fb5e": PGD7 | CHANGED | {"targeted": True, "steps": 5},
    "edf5379b14297667": PGD7 | {"attack": "autoattack", "width": 0.5},
    "8fd4913ed39d9fcc": {"probe": "bn_statistics"},
    "6af07b17cc51c6d5": {"probe": "saliency", "lambdas": S1, "images": tuple(range(10))},
    "effdcfc6063946f0": {"probe": "cost", "width": 0.75},
    "61e5dd8bfa379917": PGD7 | {"probe": "transfer"},
    "79c98a50ceec50af": PGD7 | {"probe": "masking", "test_images": 256, "surrogate": "c6400964dfe984c3"},
}


def test_the_version_is_that_of_these_keys():
    assert RECIPE_VERSION == 1


@pytest.mark.parametrize(("key", "fields"), RECIPES.items(), ids=RECIPES)
def test_the_key_of_a_recipe(key, fields):
    assert Recipe(**fields).key == key


@pytest.mark.parametrize(("key", "fields"), MEASUREMENTS.items(), ids=MEASUREMENTS)
def test_the_key_of_a_measurement(key, fields):
    assert Measurement(**fields).key == key

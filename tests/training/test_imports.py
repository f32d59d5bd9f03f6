"""What a new process imports that builds a network, counts its cost and trains it, and what it does not."""

import json
import subprocess
import sys

import pytest

from tests.command import ROOT

SCRIPT = """
import json, sys
import bench.models
after = [sorted(sys.modules)]

from pathlib import Path
from bench.measures.cost import cost, parameter_count
from tests.recipes import digits, oat
for recipe in (oat(), oat(method="float", lambdas=(0.0, 1.0), encoding="none")):
    parameter_count(recipe, 1, 10), cost(recipe, (1, 8, 8), 10)
after.append(sorted(sys.modules))

import torch
from bench.training.loop import train
recipe = oat(epochs=1, batch=16, train_images=32)
assert len(list(train(recipe, digits(recipe), Path(sys.argv[1]), torch.device("cpu")))) == 1
print(json.dumps([*after, sorted(sys.modules)]))
"""


@pytest.fixture(scope="module")
def modules(tmp_path_factory) -> list[list[str]]:
    """Those imported with bench.models, after counting, and after training."""
    command = [sys.executable, "-c", SCRIPT, tmp_path_factory.mktemp("training")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=True)
    return json.loads(done.stdout)


def test_the_models_import_no_engine(modules):
    assert "bench.models" in modules[0] and not [name for name in modules[0] if name.startswith("bench.engines")]


def test_counting_imports_no_computer_algebra(modules):
    """torch's own random numbers on the device "meta" do: seconds of the first plan after an installation."""
    assert not {"sympy", "torch._dynamo"} & set(modules[1])


def test_training_imports_no_compiler(modules):
    """It would take 2 s of each process that trains."""
    assert "bench.training.loop" in modules[2] and "torch._dynamo" not in modules[2]

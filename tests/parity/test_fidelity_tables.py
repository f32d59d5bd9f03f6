"""The tables of docs/fidelity.md: TABLE=docs/fidelity.md writes them into that file, five minutes' work on one core."""

import os
from pathlib import Path

import pytest
import torch

from bench.speed import markdown_tables
from tests.parity import reference
from tests.parity.difference import assert_equal, compare, difference
from tests.parity.networks import CASES, ENCODINGS, Case, batch, pair
from tests.parity.steps import of_ours, of_the_authors

reference.require()
if "TABLE" not in os.environ:
    pytest.skip("TABLE=docs/fidelity.md writes the tables there", allow_module_level=True)

KINDS = {"pgd-at": "PGD-AT", "normal": "OAT, normal BN", "dual": "OAT, dual BN"}
NAMES = {"resnet34": "ResNet-34", "wrn-16-8": "WRN-16-8", "wrn-40-2": "WRN-40-2"}
HEAD = ["network", "code of λ", "logits, eval", "logits, training", "statistics", "iterates unequal", "update"]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("precision", ["fp32", "fp64"])
def test_differences(precision):
    rows = [[*HEAD, "worst tensor"]]
    for case in CASES:
        measured = compare(case, precision)
        assert_equal(measured, precision)
        code = "–" if case.kind == "pgd-at" else ENCODINGS[case.arch]
        cells = [f"{'slimmable ' * case.slim}{NAMES[case.arch]}, {KINDS[case.kind]}", code]
        cells += [shown(value) for value in (measured.logits, measured.training_logits, measured.statistics)]
        cells += [f"{measured.pixels} of {measured.pixels_of:,}", shown(measured.update), shown(measured.worst_update)]
        rows.append(cells)
    write(precision, rows)


@pytest.mark.timeout(3600)
def test_rounding():
    """Rounding in fp32: the same step by three networks, each compared with the authors' network in torch's default
    memory format, with calm weights and with any weights."""
    case, last = Case("wrn-40-2", "dual"), torch.channels_last
    cells, data = {"ours": [], "ours in channels_last": [], "the authors' in channels_last": []}, batch(case)
    for calm in (True, False):
        theirs, ours = pair(case, torch.float32, calm)
        exact = of_the_authors(theirs, case, data)
        steps = [of_ours(ours, case, data, exact.images)]
        theirs, ours = (net.to(memory_format=last) for net in pair(case, torch.float32, calm))
        steps += [of_ours(ours, case, data, exact.images), of_the_authors(theirs, case, data, exact.images)]
        for name, step in zip(cells, steps, strict=True):
            measured = difference(0.0, exact, step)
            cells[name] += [shown(measured.update), f"{measured.pixels} of {measured.pixels_of:,}"]
    head = ["WRN-40-2, OAT, dual BN", "update, calm", "iterates unequal, calm", "update, any", "iterates unequal, any"]
    write("rounding", [head] + [[name, *values] for name, values in cells.items()])


def shown(value: float) -> str:
    return f"{value:.0e}" if value else "0"


def write(name: str, rows: list[list[str]]) -> None:
    markdown_tables.write(Path(os.environ["TABLE"]), name, markdown_tables.markdown(rows))

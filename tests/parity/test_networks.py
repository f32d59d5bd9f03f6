"""Our networks with the authors' weights: equal logits, statistics, PGD iterates and one-step updates.

fp64 shows that the arithmetic is the same: only rounding differs, in the fourteenth digit. It takes long, so by default
it covers the networks at 32×32 with dual BN, which contain all parts of the others; TABLE covers all (test_table.py).
"""

import pytest

from tests.parity import reference
from tests.parity.difference import assert_equal, compare
from tests.parity.networks import CASES

reference.require()
FP64 = [case for case in CASES if case.kind == "dual" and case.size == 32]


@pytest.mark.parametrize(("case", "precision"), [(c, "fp32") for c in CASES] + [(c, "fp64") for c in FP64], ids=str)
def test_ours_is_theirs(case, precision):
    assert_equal(compare(case, precision), precision)

"""Constants of the protocol authors-code: step size, codes of λ, number of zeros in a batch."""

import numpy as np
import pytest
import torch

from bench.models.lambda_encoding import codebook
from bench.spec.lambda_sets import S1
from bench.spec.protocol_ledger import PROTOCOLS, step_size
from bench.training import lambda_sampling
from tests.parity import reference
from tests.parity.networks import Case, encoding_matrix

reference.require()


@pytest.mark.parametrize(("levels", "steps"), [(8, 7), (8, 20), (4, 10), (32, 7)])
def test_step_size(levels, steps):
    theirs = reference.load("attacks.pgd").PGD(eps=levels / 255, steps=steps).alpha
    assert step_size(PROTOCOLS["authors-code"].step_rule, levels / 255, steps) == theirs


@pytest.mark.parametrize("dim", [16, 128])
def test_dct_codes(dim):
    ours = codebook(f"dct-{dim}", S1, dct_kind=PROTOCOLS["authors-code"].dct)
    torch.testing.assert_close(ours, torch.tensor(encoding_matrix(f"dct-{dim}")[: len(S1)], dtype=torch.float32))


@pytest.mark.parametrize("size", [128, 100, 7])
def test_lambdas_of_a_batch(size):
    np.random.seed(0)
    sampling = reference.load("utils.sample_lambda")
    with reference.on_the_cpu():
        theirs, _, zeros = sampling.element_wise_sample_lambda("disc", list(S1), None, size)
    ours, our_zeros = lambda_sampling.sample(Case("resnet34", "dual").recipe, size, torch.Generator().manual_seed(0))
    assert our_zeros == zeros and ours.dtype == theirs.dtype and len(ours) == len(theirs) == size
    assert torch.equal(ours == 0, theirs == 0)  # both have their zeros first
    assert set(ours.tolist()) <= set(torch.tensor(S1).tolist()) >= set(theirs.tolist())


def test_their_packages_are_removed_after_the_import():
    reference.load("models.cifar10.resnet_OAT")
    assert reference.imported_packages() == []

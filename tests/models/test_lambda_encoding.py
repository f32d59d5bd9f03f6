"""λ as a vector (Sec. 3.1, App. E): against closed formulas and numpy's own interpolation."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.models.lambda_encoding import codebook, encode
from bench.spec.lambda_sets import S1, S4

LAMBDAS = torch.tensor(S1)


@pytest.mark.parametrize("encoding", ["ro-16", "ro-128", "dct-16", "dct-128", "onehot"])
def test_codes_are_orthonormal(encoding):
    book = codebook(encoding, S1)
    torch.testing.assert_close(book @ book.T, torch.eye(6), atol=1e-6, rtol=0)


def test_random_orthogonal_codes_depend_on_the_seed_alone():
    assert torch.equal(codebook("ro-16", S1, seed=1), codebook("ro-16", S4 + (2.0,), seed=1))
    assert not torch.allclose(codebook("ro-16", S1, seed=1), codebook("ro-16", S1, seed=2))


def dct_matrix(d: int) -> np.ndarray:
    """Un-normalised DCT-II: row k is 2·cos(πk(2n+1)/2d) over n."""
    k, n = np.mgrid[:d, :d]
    return 2 * np.cos(np.pi * k * (2 * n + 1) / (2 * d))


def test_dct_codes_are_the_first_columns_of_the_orthonormal_matrix():
    matrix = dct_matrix(16) / np.sqrt(2 * 16)
    matrix[0] /= np.sqrt(2)
    np.testing.assert_allclose(codebook("dct-16", S1).numpy(), matrix[:, :6].T, atol=1e-6)


def test_the_authors_dct_codes_are_the_first_rows_of_the_plain_matrix():
    np.testing.assert_allclose(codebook("dct-16", S1, dct_kind="unnormalised").numpy(), dct_matrix(16)[:6], atol=1e-5)


def test_no_encoding_is_lambda_itself():
    assert torch.equal(codebook("none", S1), LAMBDAS[:, None])


@pytest.mark.parametrize("encoding", ["none", "onehot", "dct-16", "ro-128"])
@pytest.mark.parametrize("unseen", ["interpolate", "nearest"])
def test_a_trained_lambda_gives_exactly_its_row(encoding, unseen):
    book = codebook(encoding, S1)
    assert torch.equal(encode(LAMBDAS, LAMBDAS, book, unseen), book)


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=8))
def test_an_unseen_lambda_lies_linearly_between_its_neighbours(lams):
    book = codebook("ro-16", S1)
    expected = np.stack([np.interp(lams, LAMBDAS.numpy(), column) for column in book.T.numpy()], axis=1)
    np.testing.assert_allclose(encode(torch.tensor(lams), LAMBDAS, book).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(("lam", "row"), [(0.06, 1), (0.04, 0), (0.69, 4), (0.71, 5), (0.35 + 1e-3, 4)])
def test_nearest_takes_the_row_of_the_nearest_trained_lambda(lam, row):
    book = codebook("ro-16", S1)
    assert torch.equal(encode(torch.tensor([lam]), LAMBDAS, book, "nearest")[0], book[row])


@pytest.mark.parametrize("unseen", ["interpolate", "nearest"])
def test_beyond_the_ends_the_end_is_taken(unseen):
    book, lambdas = codebook("ro-16", (0.1, 0.4)), torch.tensor([0.1, 0.4])
    assert torch.equal(encode(torch.tensor([0.0, 1.0]), lambdas, book, unseen), book)


def test_a_set_of_one_lambda_has_one_code():
    book = codebook("ro-16", (0.5,))
    assert torch.equal(encode(torch.tensor([0.0, 0.5, 1.0]), torch.tensor([0.5]), book), book.expand(3, -1))


@pytest.mark.parametrize("encoding", ["ro-5", "dct-5", "fourier-16", "ro", "ro-", "ro-x", "dct--16", ""])
def test_a_bad_encoding_is_refused(encoding):
    with pytest.raises(ValueError, match="encoding"):
        codebook(encoding, S1)

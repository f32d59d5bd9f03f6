"""One thread inside, as many as before after it, whatever happens inside."""

import pytest
import torch

from bench.engines.threads import one_thread
from bench.measures import cost
from tests.recipes import oat


@pytest.fixture
def two_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("two_threads")
def test_threads_are_as_before_after_an_error():
    with pytest.raises(KeyError), one_thread():
        assert torch.get_num_threads() == 1
        raise KeyError
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_a_cost_is_counted_on_one_thread(monkeypatch):
    """A plan counts many, perhaps beside trials that need the cores."""
    threads, build = [], cost.build
    monkeypatch.setattr(cost, "build", lambda *arguments: threads.append(torch.get_num_threads()) or build(*arguments))
    cost.cost(oat(arch="wrn-10-3"), (1, 8, 8), 7)
    assert threads == [1] and torch.get_num_threads() == 2

"""The address of a Ray cluster is checked before anything else is done."""

import socket

import pytest

from bench.errors import BadInput
from bench.run.ray_address import check_address


def test_an_address_at_which_something_listens_is_taken(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        check_address(f"127.0.0.1:{server.getsockname()[1]}")
    check_address("auto")


@pytest.mark.parametrize("address", ["", "head", "head:", "head:ten", ":", "10001"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(BadInput, match="auto or host:port is expected"):
        check_address(address)


@pytest.mark.parametrize("address", ["ray://head:10001", "ray://", "auto"])
def test_a_ray_client_is_refused_with_the_remedy(address, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")  # Ray takes this for "auto"
    with pytest.raises(
        BadInput, match=r"ray://.*: a Ray Client .*: run the command on a node of .*: --address auto or"
    ):
        check_address(address)


@pytest.mark.parametrize("address", ["127.0.0.1:9", "127.0.0.1:99999", "no.such.host.invalid:1"])
def test_an_address_without_a_cluster_is_refused_in_one_line(address):
    with pytest.raises(BadInput, match="no Ray cluster answers there") as caught:
        check_address(address)
    assert "\n" not in str(caught.value)

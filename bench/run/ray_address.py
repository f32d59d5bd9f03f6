"""The address of a Ray cluster. Imports no Ray, which takes seconds, before the address was checked."""

import dataclasses
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from bench.errors import BadInput
from bench.run.request import Request


@contextmanager
def on_cluster(request: Request, address: str | None) -> Iterator[Request]:
    """A context with the request whose workers are those of the cluster at the address; unchanged without one.

    Raises BadInput.
    """
    if address is None:
        yield request
        return
    check_address(address)
    from bench.run.cluster_workers import ClusterWorkers, joined

    with joined(address):
        workers = ClusterWorkers(request.runs, request.cpus_per_trial, request.gpus_per_trial)
        yield dataclasses.replace(request, workers=workers)


def check_address(address: str, timeout: float = 5) -> None:
    """Raise BadInput when nothing listens at `host:port`; Ray itself would retry for minutes."""
    if address == "auto":
        return
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        raise BadInput(f"--address {address}: auto, host:port, or ray://host:port is expected")
    try:
        socket.create_connection((host, int(port)), timeout=timeout).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInput(f"--address {address}: no Ray cluster answers there ({reason})") from None

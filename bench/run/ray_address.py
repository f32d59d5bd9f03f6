"""The address of a Ray cluster. Imports no Ray, which takes seconds, before the address was checked."""

import dataclasses
import os
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
    """Raise BadInput when nothing listens at `host:port`; Ray itself would retry for minutes.

    Refuses a Ray Client (`ray://`): Tune would run on the head, out of reach of this process's display and signals.
    """
    meant = os.environ.get("RAY_ADDRESS", address) if address == "auto" else address  # as Ray reads "auto"
    if meant.startswith("ray://"):
        given = address if meant == address else f"auto, with RAY_ADDRESS={meant}"
        remedy = "run the command on a node of the cluster: --address auto or HOST:PORT, without ray:// in RAY_ADDRESS"
        raise BadInput(f"--address {given}: a Ray Client is not supported: {remedy}")
    if address == "auto":
        return
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        raise BadInput(f"--address {address}: auto or host:port is expected")
    try:
        socket.create_connection((host, int(port)), timeout=timeout).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInput(f"--address {address}: no Ray cluster answers there ({reason})") from None

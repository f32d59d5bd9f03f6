"""Check the address of a Ray cluster. Imports no Ray, which takes seconds."""

import socket

from bench.errors import BadInput


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

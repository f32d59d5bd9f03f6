"""Errors in what the user gave: one line that says where, what is wrong, and what is allowed."""

import difflib
from collections.abc import Iterable


class BadInput(Exception):
    """Invalid input. The CLI prints `str(error)`, one line with `file:line: …` where there is a file, and exits 2."""


def unknown(kind: str, name: object, allowed: Iterable[object]) -> str:
    """A message such as "unknown field 'epoch', did you mean 'epochs'? (allowed: …)"."""
    names = [str(allowed_name) for allowed_name in allowed]
    similar = difflib.get_close_matches(str(name), names, n=1)
    hint = f", did you mean {similar[0]!r}?" if similar else ""
    return f"unknown {kind} {str(name)!r}{hint} (allowed: {', '.join(names)})"

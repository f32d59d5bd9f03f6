"""Bad input: one line that says where, what is wrong, and what would be right. The CLI prints it and exits 2."""

import difflib
from collections.abc import Iterable


class BadInput(Exception):
    """`str(error)` is the whole line, `file:line: …` where there is a file."""


def unknown(what: str, name: object, allowed: Iterable[object]) -> str:
    """ "unknown field 'epoch', did you mean 'epochs'? (allowed: …)"."""
    names = [str(a) for a in allowed]
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f", did you mean {close[0]!r}?" if close else ""
    return f"unknown {what} {str(name)!r}{hint} (allowed: {', '.join(names)})"

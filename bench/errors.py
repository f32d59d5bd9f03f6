"""Errors in what the user gave: one line that says where, what is wrong, and what is allowed."""

import difflib
from collections.abc import Iterable

LONGEST_MESSAGE = 2000  # characters
NO_TEXT = "not text in this locale's encoding: set PYTHONUTF8=1, or rename it"


class BadInput(Exception):
    """Invalid input. The CLI prints `str(error)`, one line with `file:line: …` where there is a file, and exits 2."""

    def __init__(self, message: object):
        super().__init__(one_line(message))


def one_line(message: object) -> str:
    """The message on one line: control characters and what is no text are escaped, and a long middle is left out."""
    text = str(message)
    if len(text) > LONGEST_MESSAGE:
        text = f"{text[: LONGEST_MESSAGE // 2]} … {text[-LONGEST_MESSAGE // 2 :]}"
    return "".join(c if c.isprintable() or c == " " else ascii(c)[1:-1] for c in text)


def unknown(kind: str, name: object, allowed: Iterable[object]) -> str:
    """A message such as "unknown field 'epoch', did you mean 'epochs'? (allowed: …)"."""
    names, text = [str(allowed_name) for allowed_name in allowed], str(name)[:100]
    similar = difflib.get_close_matches(text, names, n=1)
    hint = f", did you mean {similar[0]!r}?" if similar else ""
    return f"unknown {kind} {text!r}{hint} (allowed: {', '.join(names)})"


class NotFinite(ArithmeticError):
    """Weights or outputs of a network that are NaN or infinite: nothing measured on it would mean anything."""

"""The one number of a claim that decides its verdict, read from claims.json: for README's table and the page's rows."""

from typing import NamedTuple

REFERRING = ("the former", "of that")  # in a condition's text: to the conditions before it


class DecidingNumber(NamedTuple):
    """check: entry of a check. lines: its conditions that tell the number; the last is the one that decides."""

    check: dict
    lines: list[dict]


def deciding_number(part: dict, verdict: str) -> DecidingNumber | None:
    """The first check that decides and has the claim's verdict, and its number; None if no check has it.

    The number is of the first condition with the check's verdict, and those before it where its text refers to them.
    """
    check = next((check for check in part["checks"] if check["verdict"] == verdict and check["decides"]), None)
    told = check["told"] if check else []
    last = next((i for i, line in enumerate(told) if line["asked"] and line["verdict"] == verdict), None)
    if last is None:
        return None
    first = 0 if any(words in told[last]["what"] for words in REFERRING) else last
    return DecidingNumber(check, told[first : last + 1])


def deciding_numbers(claim: dict) -> list[tuple[dict, DecidingNumber]]:
    """Each part of a claim with a check that has the claim's verdict, and its number."""
    return [(part, number) for part in claim["parts"] if (number := deciding_number(part, claim["verdict"]))]

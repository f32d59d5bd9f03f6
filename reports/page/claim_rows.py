"""A claim as a row of the page: its verdict, the number that decides it as a picture, and what would settle it."""

import re

from reports.claims.deciding_number import deciding_numbers
from reports.claims.verdict_rule import NOT_JUDGED, NOT_REPRODUCED, NOT_RUN, REPRODUCED

WIDTH, MARGIN = 130, 9  # of the picture of an interval, pixels
SYMBOLS = {REPRODUCED: "✓", NOT_REPRODUCED: "✗", NOT_RUN: "–", NOT_JUDGED: "–"}  # otherwise ?


def with_rows(claims: dict) -> dict:
    """Claims with `row` for the page, and the lists `shown`, `not_run`, and `own`, not the paper's claims."""
    entries, own = (
        [claim | {"row": claim_row(claim), "symbol": SYMBOLS.get(claim["verdict"], "?")} for claim in group]
        for group in (claims["claims"], claims.get("own_claims", []))
    )
    not_run = [claim for claim in entries if claim["verdict"] == NOT_RUN and not claim["parts"]]
    return claims | {"shown": [claim for claim in entries if claim not in not_run], "not_run": not_run, "own": own}


def claim_row(claim: dict) -> dict:
    """{"number", "picture", "settle"}: the deciding number as text and as a picture, or None; what would settle."""
    numbers = deciding_numbers(claim)
    if not numbers:
        return {"number": None, "picture": None, "settle": settle_unmeasured(claim)}
    check, line = numbers[0][1].check, numbers[0][1].lines[-1]
    return {"number": line, "picture": picture(line.get("interval")), "settle": settle_short(check["settle"])}


def settle_unmeasured(claim: dict) -> str:
    if claim["verdict"] == NOT_JUDGED:
        return ", ".join(dict.fromkeys(check["where"] for check in claim["unjudged"]))
    if claim["verdict"] != NOT_RUN:
        return ""
    if not claim["parts"]:
        return "run its figures"
    return "run " + max((missing["on"] for missing in claim["missing"]), key=len)  # the data sets of most checks


def settle_short(text: str) -> str:
    """Shorten seeds_to_settle.settle_text: `6 seeds (3 more, 0.24 h)`, or `more than 200 seeds`."""
    head, _, rest = text.partition(": ")
    seeds = head.partition(" would")[0]
    if head.startswith("number of seeds"):
        return rest
    if not rest or head.startswith("more than"):
        return seeds
    rest = re.sub(r" on [^,]*", "", rest.replace("about ", "").replace(" hours", " h").replace(" minutes", " min"))
    return f"{seeds} ({rest})"


def picture(interval: dict | None) -> dict | None:
    """Positions in a picture of WIDTH: of the number, its interval, and the region asked; None without numbers."""
    if not interval or None in (interval["value"], interval["low"], interval["high"]):
        return None
    low, high = interval["asked_low"], interval["asked_high"]
    edges = [edge for edge in (low, high) if edge is not None]
    ends = [interval["low"], interval["high"], *edges]
    span = max(ends) - min(ends) or 1.0

    def x(number: float) -> float:
        return round(MARGIN + (WIDTH - 2 * MARGIN) * (number - min(ends)) / span, 1)

    left, right = (0 if low is None else x(low)), (WIDTH if high is None else x(high))
    places = {name: x(interval[name]) for name in ("value", "low", "high")}
    return places | {"width": WIDTH, "region": (left, round(right - left, 1)), "edges": [x(edge) for edge in edges]}

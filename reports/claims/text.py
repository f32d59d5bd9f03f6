"""Answers in words and numbers: for the page, and as rows of claims.csv."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import yaml

from reports.claims.decide import NOT_JUDGED, NOT_RUN, Condition, all_hold, telling
from reports.load import formatting
from reports.statistics import gradient_masking
from reports.statistics.estimates import EXACT
from reports.statistics.intervals import CONFIDENCE

SUITES = Path(__file__).parents[2] / "suites"
UNPLANNED = "nothing was planned"
COLUMNS = ["claim", "claim_verdict", "check", "check_verdict", "figure", "dataset", "stands_for", "scale", "condition"]
COLUMNS += ["condition_verdict", "estimate", "low", "high", "asked_low", "asked_high", "unit", "interval", "keys"]
COLUMNS += ["masked"]  # of these keys, those that show signs of masked gradients
SIGNED = ("pp",)


def claim(claim, answers: list, scale: str, plans: list[dict], masked: dict[str, list[str]]) -> dict:
    """A claim for claims.json. answers: claims.Answer of its checks. plans: of this scale. masked:
    reports.statistics.gradient_masking.failed; RA of such a network is not what it seems, and the verdict says so."""
    accuracies = [answer for answer in answers if answer.check.probe == "accuracy"]
    waiting = [answer for answer in answers if answer.verdict == NOT_RUN]
    apart = [answer for answer in answers if answer.verdict == NOT_JUDGED]
    return {
        "id": claim.id,
        "claim": claim.claim,
        "paper": claim.paper,
        "source": claim.source,
        "verdict": all_hold([answer.verdict for answer in answers]),
        "but": gradient_masking.sentence(len(keys(accuracies) & masked.keys())),
        "parts": parts([answer for answer in answers if answer.conditions]),
        "missing": [{"on": on(answer), "name": answer.check.name, "what": answer.missing} for answer in waiting],
        "commands": commands(waiting, scale, plans),
        "unjudged": [{"name": answer.check.name, "where": where(answer, scale)} for answer in apart],
        "figures": list(dict.fromkeys(figure for answer in answers for figure in figures(answer))),
        "asks": [{"name": check.name, "asks": check.asks} for check in claim.checks],
        "networks": networks(answers),
    }


def parts(answers: list) -> list[dict]:
    """The checks that have numbers, together where they are of the same networks and intervals."""
    found: dict[tuple, dict] = {}
    for answer in answers:
        head = {"on": on(answer), "figures": figures(answer), "note": note(answer)}
        part = found.setdefault(tuple(map(str, head.values())), head | {"checks": []})
        told, more = telling(answer.conditions, answer.found)
        lines = [line(condition) for condition in told]
        part["checks"].append({"name": answer.check.name, "verdict": answer.verdict, "told": lines, "more": more})
    return list(found.values())


def figures(answer) -> list[str]:
    return list(dict.fromkeys(answer.check.figure[dataset] for dataset in answer.datasets))


def on(answer) -> str:
    """The data that it was asked of: CIFAR-10, ResNet-34; or digits, WRN-10-1, in place of SVHN."""
    names = formatting.listing(formatting.dataset(name) for name in answer.datasets)
    if answer.panel is None:
        return names
    own = answer.datasets == (answer.panel.dataset,)
    return answer.panel.title if own else f"{answer.panel.title}, in place of {names}"


def where(answer, scale: str) -> str:
    place = f"at scale {' or '.join(answer.check.scales)}"
    return place if scale not in answer.check.scales else f"{place} with the paper's own data"


def note(answer) -> str:
    """What the intervals speak of, and whether more is to come."""
    kinds = sorted({condition.estimate.kind for condition in answer.conditions if condition.estimate} - {EXACT})
    gone = answer.panel.missing_text
    return "; ".join([*kinds, *([f"provisional: {gone}"] if gone else [])])


def networks(answers: list) -> list[dict]:
    """The networks that the numbers rest on, by name."""
    found = {}
    for answer in answers:
        own = keys([answer])
        for trial in answer.panel.trials.to_dict("records") if own else ():
            if trial["key"] in own:
                found[trial["key"]] = {name: trial[name] for name in ("key", "name", "url")}
    return sorted(found.values(), key=lambda one: (one["name"], one["key"]))


def keys(answers: list) -> set[str]:
    conditions = [condition for answer in answers for condition in answer.conditions if condition.estimate]
    return {key for condition in conditions for key in condition.estimate.keys}


# ---- numbers


def line(condition: Condition) -> dict:
    """{"what", "value", "asked"} of a condition, as text."""
    if condition.estimate is None:
        return {"what": condition.what, "asked": "", "value": f"cannot be told: {condition.reason}"}
    low, high = condition.estimate.bounds(CONFIDENCE)
    unit = f" {condition.unit}" if condition.unit not in ("", "×") else ""
    value = number(condition.estimate.value, condition) + unit
    if condition.estimate.kind != EXACT or low < high:
        value += f" [{number(low, condition)}, {number(high, condition)}]"
    return {"what": condition.what, "asked": region(condition), "value": value}


def number(value: float, condition: Condition) -> str:
    """Two decimals, no minus before a zero."""
    text = f"{value:+.2f}" if condition.unit in SIGNED else f"{value:.2f}"
    return text.replace("-", "−") if float(text) else text.lstrip("+-")


def region(condition: Condition) -> str:
    low, high = condition.low, condition.high
    low_text, high_text = (f"{bound:g}".replace("-", "−") for bound in (low, high))
    unbounded = [low == -float("inf"), high == float("inf")]
    if condition.unit == "%" and low <= 0:
        unbounded[0] = True
    if condition.unit == "%" and high >= 100:
        unbounded[1] = True
    if all(unbounded):
        return ""
    if unbounded[1]:
        return f"≥ {low_text}"
    if unbounded[0]:
        return f"≤ {high_text}"
    return f"within ±{high_text}" if low == -high else f"{low_text} to {high_text}"


def rows(claim, answers: list, scale: str, masked: dict[str, list[str]]) -> list[dict]:
    """A row per condition; a check without any has one row with its verdict."""
    overall, found = all_hold([answer.verdict for answer in answers]), []
    for answer in answers:
        head = {"claim": claim.id, "claim_verdict": overall}
        head |= {"check": answer.check.name, "check_verdict": answer.verdict}
        head |= {"figure": " ".join(figures(answer)), "stands_for": " ".join(answer.datasets), "scale": scale}
        head |= {"dataset": answer.panel.dataset if answer.panel else ""}
        for condition, verdict in zip(answer.conditions, answer.found, strict=True):
            row = head | {"condition": condition.what, "condition_verdict": verdict, "unit": condition.unit}
            row |= {"asked_low": condition.low, "asked_high": condition.high, "interval": condition.reason}
            if condition.estimate:
                low, high = condition.estimate.bounds(CONFIDENCE)
                row |= {"estimate": round(condition.estimate.value, 4), "low": round(low, 4), "high": round(high, 4)}
                row |= {"interval": condition.estimate.kind, "keys": " ".join(sorted(condition.estimate.keys))}
                row |= {"masked": " ".join(sorted(condition.estimate.keys & masked.keys()))}
            found.append(row)
        found += [] if answer.conditions else [head]
    return found


# ---- what to run


def commands(waiting: Sequence, scale: str, plans: list[dict]) -> list[str]:
    """What would run the networks that are missing: the plan's own command goes on where it stopped; a data set that no
    plan has is in a suite."""
    wanted = {(one.check.figure[dataset], dataset): one.panel for one in waiting for dataset in one.datasets}
    found, fresh = [], {}
    for (figure, dataset), panel in wanted.items():
        own = [plan["command"] for plan in plans if panel is not None and plans_it(plan, figure, dataset)]
        found += own[-1:]
        for suite, experiments in {} if own else suites().items():
            names = [name for name, (figures, data) in experiments.items() if figure in figures and data == dataset]
            fresh[suite] = fresh.get(suite, []) + names
    for suite, names in fresh.items():
        every = set(names) == set(suites()[suite])
        only = "" if every else "".join(f" --only {name}" for name in dict.fromkeys(names))
        found += [f"python -m bench run suites/{suite} --scale {scale}{only}"] if names else []
    return list(dict.fromkeys(found))


def plans_it(plan: dict, figure: str, dataset: str) -> bool:
    return any(figure in panel["figures"] and dataset == panel.get("stands_for") for panel in plan["panels"])


@cache
def suites() -> dict[str, dict[str, tuple[list[str], str]]]:
    """File → experiment → its figures and data set. Read once: every claim asks, and YAML is slow to read."""
    found = {}
    for path in sorted(SUITES.glob("*.yaml")):
        experiments = yaml.safe_load(path.read_text("utf-8"))["experiments"]
        found[path.name] = {name: (one["figures"], one["dataset"]) for name, one in experiments.items()}
    return found

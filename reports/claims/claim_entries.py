"""Write answers as entries of claims.json and rows of claims.csv."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import cache

from bench import ROOT
from bench.spec.strict_yaml import read
from bench.spec.suite import suite_paths
from reports.claims.seeds_to_settle import settle_text
from reports.claims.verdict_rule import (
    NOT_JUDGED,
    NOT_REPRODUCED,
    NOT_RUN,
    REPRODUCED,
    ClaimCondition,
    all_hold,
    select_shown,
)
from reports.load import formatting
from reports.statistics.estimates import EXACT
from reports.statistics.gradient_masking import verdict_note
from reports.statistics.intervals import CONFIDENCE

UNPLANNED = "nothing was planned"
COLUMNS = ["claim", "claim_verdict", "check", "check_verdict", "figure", "dataset", "stands_for", "scale", "condition"]
COLUMNS += ["condition_verdict", "estimate", "low", "high", "asked_low", "asked_high", "unit", "interval", "keys"]
COLUMNS += ["seeds_to_settle"]  # seeds in all that would decide the check with 80 % power
COLUMNS += ["decides", "masked"]  # decides: has a part in the claim's verdict; masked: keys with signs of masking
SIGNED = ("pp",)


def claim_entry(claim, answers: list, scale: str, plans: list[dict], masked: dict[str, list[str]]) -> dict:
    """Entry of a claim in claims.json.

    answers: judge.Answer of its checks. plans: of this scale. masked: gradient_masking.failed_signs; the RA of such a
    network is unreliable, and the verdict says so.
    """
    accuracies = [answer for answer in answers if answer.check.probe == "accuracy"]
    not_run = [answer for answer in answers if answer.verdict == NOT_RUN]
    not_judged = [answer for answer in answers if answer.verdict == NOT_JUDGED]
    return {name: getattr(claim, name) for name in ("id", "claim", "paper", "source")} | {
        "verdict": claim_verdict(answers),
        "but": verdict_note(len(keys(accuracies) & masked.keys())),
        "parts": parts([answer for answer in answers if answer.conditions]),
        "missing": [{"on": data_text(a), "name": a.check.name, "what": a.missing} for a in not_run],
        "commands": commands(not_run, scale, plans),
        "unjudged": [{"name": answer.check.name, "where": scale_text(answer, scale)} for answer in not_judged],
        "figures": list(dict.fromkeys(figure for answer in answers for figure in figures(answer))),
        "asks": [{"name": check.name, "asks": check.asks} for check in claim.checks],
        "networks": networks(answers),
    }


def claim_verdict(answers: list) -> str:
    """Verdict of a claim from its checks that decide."""
    return all_hold([answer.verdict for answer in answers if answer.check.decides])


def parts(answers: list) -> list[dict]:
    """Checks with numbers, grouped by their networks and kind of intervals."""
    groups: dict[tuple, dict] = {}
    for answer in answers:
        head = {"on": data_text(answer), "figures": figures(answer), "note": note(answer)}
        group = groups.setdefault(tuple(map(str, head.values())), head | {"checks": []})
        shown = select_shown(answer.conditions, answer.verdicts)
        lines = [condition_line(condition) | {"verdict": verdict} for condition, verdict in shown]
        check = {"name": answer.check.name, "verdict": answer.verdict, "decides": answer.check.decides}
        check |= {"settle": settle_text(answer.settled, answer.panel, keys([answer])), "told": lines}
        check |= {"more": len(answer.conditions) - len(shown), "supplementary": supplementary_text(answer)}
        group["checks"].append(check)
    return list(groups.values())


def supplementary_text(answer) -> str:
    """Count the verdicts on supplementary conditions that ask something: 12 hold, 1 fails, 1 open. Empty for none."""
    pairs = zip(answer.conditions, answer.verdicts, strict=True)
    asked = [verdict for condition, verdict in pairs if not condition.decides and not condition.unbounded]
    counts = Counter({REPRODUCED: "hold", NOT_REPRODUCED: "fail"}.get(verdict, "open") for verdict in asked)
    return ", ".join(f"{counts[word]} {word}" for word in ("hold", "fail", "open") if counts[word])


def figures(answer) -> list[str]:
    return list(dict.fromkeys(answer.check.figure[dataset] for dataset in answer.datasets))


def data_text(answer) -> str:
    """Name the data: CIFAR-10, ResNet-34; or digits, WRN-10-1, in place of SVHN."""
    names = formatting.listing(formatting.dataset(name) for name in answer.datasets)
    if answer.panel is None:
        return names
    same = answer.datasets == (answer.panel.dataset,)
    return answer.panel.title if same else f"{answer.panel.title}, in place of {names}"


def scale_text(answer, scale: str) -> str:
    place = f"at scale {' or '.join(answer.check.scales)}"
    return place if scale not in answer.check.scales else f"{place} with the paper's own data"


def note(answer) -> str:
    kinds = sorted({condition.estimate.kind for condition in answer.conditions if condition.estimate} - {EXACT})
    missing = answer.panel.missing_text
    return "; ".join([*kinds, *([f"provisional: {missing}"] if missing else [])])


def networks(answers: list) -> list[dict]:
    panels = [answer.panel.trials[["key", "name", "url"]] for answer in answers if answer.conditions]
    used = keys(answers)
    by_key = {trial["key"]: trial for p in panels for trial in p.to_dict("records") if trial["key"] in used}
    return sorted(by_key.values(), key=lambda network: (network["name"], network["key"]))


def keys(answers: list) -> set[str]:
    conditions = [condition for answer in answers for condition in answer.conditions if condition.estimate]
    return {key for condition in conditions for key in condition.estimate.keys}


# ---- numbers


def condition_line(condition: ClaimCondition) -> dict:
    """{"what", "value", "asked"} of a condition, as text, and "interval", the same as numbers; None without a value."""
    if condition.estimate is None:
        return {"what": condition.text, "asked": "", "value": f"cannot be told: {condition.reason}", "interval": None}
    low, high = condition.estimate.bounds(CONFIDENCE)
    unit = f" {condition.unit}" if condition.unit not in ("", "×") else ""
    value = number_text(condition.estimate.value, condition) + unit
    if condition.estimate.kind != EXACT or low < high:
        value += f" [{number_text(low, condition)}, {number_text(high, condition)}]"
    numbers = {"value": condition.estimate.value, "low": low, "high": high}
    numbers |= {"asked_low": condition.low, "asked_high": condition.high}
    interval = {name: round(number, 4) if math.isfinite(number) else None for name, number in numbers.items()}
    return {"what": condition.text, "asked": region_text(condition), "value": value, "interval": interval}


def number_text(value: float, condition: ClaimCondition) -> str:
    text = f"{value:+.2f}" if condition.unit in SIGNED else f"{value:.2f}"
    return text.replace("-", "−") if float(text) else text.lstrip("+-")


def region_text(condition: ClaimCondition) -> str:
    low, high = condition.low, condition.high
    low_text, high_text = (f"{bound:g}".replace("-", "−") for bound in (low, high))
    least, most = (0, 100) if condition.unit == "%" else (-math.inf, math.inf)
    if low <= least or high >= most:
        return "" if low <= least and high >= most else f"≤ {high_text}" if low <= least else f"≥ {low_text}"
    return f"within ±{high_text}" if low == -high else f"{low_text} to {high_text}"


def csv_rows(claim, answers: list, scale: str, masked: dict[str, list[str]]) -> list[dict]:
    """A row per condition; a check without conditions has one row with its verdict."""
    overall, rows = claim_verdict(answers), []
    for answer in answers:
        head = {"claim": claim.id, "claim_verdict": overall}
        head |= {"check": answer.check.name, "check_verdict": answer.verdict, "decides": answer.check.decides}
        head |= {"figure": " ".join(figures(answer)), "stands_for": " ".join(answer.datasets), "scale": scale}
        head |= {"dataset": answer.panel.dataset if answer.panel else ""}
        for condition, verdict in zip(answer.conditions, answer.verdicts, strict=True):
            row = head | {"condition": condition.text, "condition_verdict": verdict, "unit": condition.unit}
            row |= {"decides": answer.check.decides and condition.decides}
            row |= {"asked_low": condition.low, "asked_high": condition.high, "interval": condition.reason}
            if condition.estimate:
                low, high = condition.estimate.bounds(CONFIDENCE)
                row |= {"estimate": round(condition.estimate.value, 4), "low": round(low, 4), "high": round(high, 4)}
                row |= {"interval": condition.estimate.kind, "keys": " ".join(sorted(condition.estimate.keys))}
                row |= {"masked": " ".join(sorted(condition.estimate.keys & masked.keys()))}
            rows.append(row | {"seeds_to_settle": answer.settled.seeds if answer.settled else None})
        rows += [] if answer.conditions else [head]
    return rows


# ---- commands that run what is missing


def commands(not_run: Sequence, scale: str, plans: list[dict]) -> list[str]:
    """Commands that run the missing networks: the plan's own command, or the suite of a data set without a plan."""
    missing = {(a.check.figure[dataset], dataset): a.panel for a in not_run for dataset in a.datasets}
    lines, by_suite = [], {}
    for (figure, dataset), panel in missing.items():
        planned = [plan["command"] for plan in plans if panel is not None and is_planned(plan, figure, dataset)]
        lines += planned[-1:]
        for suite, names in {} if planned else experiments_of(figure, dataset).items():
            by_suite[suite] = by_suite.get(suite, []) + names
    for suite, names in by_suite.items():
        complete = set(names) == set(suites()[suite])
        only = "" if complete else "".join(f" --only {name}" for name in dict.fromkeys(names))
        lines += [f"python -m bench run suites/{suite} --scale {scale_as_given(scale, plans)}{only}"]
    return list(dict.fromkeys(lines))


def experiments_of(figure: str, dataset: str) -> dict[str, list[str]]:
    """{suite: experiments} that train a figure's networks on a data set; of suites/extra/ where no other suite does."""
    by_suite = {}
    for suite, experiments in suites().items():
        names = [name for name, e in experiments.items() if figure in e["figures"] and e["dataset"] == dataset]
        by_suite |= {suite: names} if names else {}
    return {suite: names for suite, names in by_suite.items() if "/" not in suite} or by_suite


def scale_as_given(scale: str, plans: list[dict]) -> str:
    """A scale by name, or by the path of the file that the plans were made from."""
    paths = [path for plan in plans for path in re.findall(r"--scale[ =](\S+\.ya?ml)(?!\S)", plan["command"])]
    return paths[-1] if paths else scale


def is_planned(plan: dict, figure: str, dataset: str) -> bool:
    return any(figure in panel["figures"] and dataset == panel["stands_for"] for panel in plan["panels"])


@cache  # YAML is slow to read, and every claim needs the suites
def suites() -> dict[str, dict[str, dict]]:
    """Path below suites/ → the fields of the suite's experiments by name. Raises BadInput."""
    return {path.relative_to(ROOT / "suites").as_posix(): read(path).data["experiments"] for path in suite_paths()}

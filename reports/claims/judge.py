"""The paper's claims held against the runs of one scale: claims.json for the page, claims.csv for everyone else.

claims.yaml says what is asked, reports.claims.decide decides. The same runs give the same bytes.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pandas as pd

from reports.claims import schema, text
from reports.claims.decide import NOT_JUDGED, NOT_RUN, Condition, all_hold, verdicts
from reports.claims.schema import Check, Claim
from reports.figures import FIGURES
from reports.load import results
from reports.load.results import Panel, View
from reports.statistics import gradient_masking
from reports.statistics.contrasts import Absent

FILE = Path(__file__).with_name("claims.yaml")
SAME_RUNS = {"fig8": "fig4"}  # a figure no check names, because it draws another's networks

Views = Callable[[str, str], View]  # (figure, probe) → all that was planned and measured for it


@dataclass(frozen=True)
class Answer:
    """What a check came to on one data set, or on several that one panel stands in for.

    panel None: nothing was planned. judged False: the scale cannot tell. missing: what keeps it from being asked.
    conditions and their verdicts, found, are empty in all of these cases.
    """

    check: Check
    datasets: tuple[str, ...]
    panel: Panel | None
    judged: bool
    missing: str = ""
    conditions: list[Condition] = field(default_factory=list)
    found: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        return NOT_JUDGED if not self.judged else NOT_RUN if self.missing else all_hold(self.found)


@cache
def known() -> tuple[Claim, ...]:
    return tuple(schema.load(FILE, FIGURES))


def write(plans: list[dict], runs: Path, out: Path, drawn: dict[str, str]) -> list[Path]:
    """claims.json and claims.csv in `out`, from all plans and results of one scale; nothing if no claim is on what was
    drawn. drawn: figure → scale. Of several scales the newest plan's."""
    judged_on = {figure for claim in known() for check in claim.checks for figure in check.figure.values()}
    scales = [scale for figure, scale in drawn.items() if SAME_RUNS.get(figure, figure) in judged_on]
    if not scales:
        return []
    scale = [plan["scale"] for plan in plans if plan["scale"] in scales][-1]
    plans = [plan for plan in plans if plan["scale"] == scale]

    @cache
    def views(figure: str, probe: str) -> View:
        return results.view(plans, runs, figure, scale, {"probe": [probe]})

    masked = gradient_masking.failed(views("masking", "masking"))
    answers = [(claim, judge(claim, views, scale)) for claim in known()]
    page = {"scale": scale, "claims": [text.claim(*one, scale, plans, masked) for one in answers]}
    (out / "claims.json").write_text(json.dumps(page, ensure_ascii=False, indent=1) + "\n", "utf-8")
    table = pd.DataFrame([row for one in answers for row in text.rows(*one, scale, masked)], columns=text.COLUMNS)
    table.to_csv(out / "claims.csv", index=False, lineterminator="\n")
    return [out / "claims.json", out / "claims.csv"]


def judge(claim: Claim, views: Views, scale: str) -> list[Answer]:
    """Every check of a claim on each of its data sets. All that can be judged shares the claim's error in equal parts,
    also what is still to be run, so that a verdict does not change as other runs come in."""
    answers = [answer for check in claim.checks for answer in asked(check, views, scale)]
    share = 1 / max(sum(answer.judged for answer in answers), 1)
    return [answered(answer, share) for answer in answers]


def asked(check: Check, views: Views, scale: str) -> list[Answer]:
    """The check's questions, not yet answered: one per panel, however many data sets it stands in for, and one for all
    data sets without a panel."""
    panels: dict[frozenset, tuple[Panel, list[str]]] = {}
    absent = []
    for dataset, figure in check.figure.items():
        found = stand_ins(views(figure, check.probe), dataset)
        absent += [] if found else [dataset]
        for panel in found:
            networks = frozenset(zip(panel.trials.key, panel.trials.label, strict=True))
            panels.setdefault(networks, (panel, []))[1].append(dataset)
    able = not check.scales or scale in check.scales
    answers = []
    for panel, datasets in panels.values():
        own = not check.scales or panel.dataset in datasets  # numbers belong to the paper's own pixels
        answers.append(Answer(check, tuple(datasets), panel, able and own))
    return answers + ([Answer(check, tuple(absent), None, able, text.UNPLANNED)] if absent else [])


def stand_ins(view: View, dataset: str) -> list[Panel]:
    """The panels of a data set: its own, or else all that stand in for it. One with changed fields is another
    experiment than the paper's, and no claim is judged on it."""
    panels = [panel for panel in view.panels if dataset in panel.stands_for and not panel.overrides]
    return [panel for panel in panels if panel.dataset == dataset] or panels


def answered(answer: Answer, share: float) -> Answer:
    """share: of its claim's error."""
    if not answer.judged or answer.panel is None:
        return answer
    start = (answer.check, answer.datasets, answer.panel, True)
    try:
        conditions = answer.check.conditions(answer.panel)
    except Absent as absent:
        return Answer(*start, missing=str(absent))
    return Answer(*start, conditions=conditions, found=verdicts(conditions, share))

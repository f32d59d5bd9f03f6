"""Judge the paper's claims on the runs of one scale: claims.json for the page, claims.csv for other readers.

claims.yaml says what is asked. The same runs give the same bytes.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import pandas as pd

from reports.claims import claim_entries, schema
from reports.claims.schema import Check, Claim
from reports.claims.seeds_to_settle import Settled, seeds_to_settle
from reports.claims.verdict_rule import NOT_JUDGED, NOT_RUN, ClaimCondition, check_verdict, verdicts
from reports.figures import FIGURES
from reports.load.panels import Panel, View, load_view
from reports.statistics.contrasts import MissingNetworks
from reports.statistics.gradient_masking import failed_signs

FILE = Path(__file__).with_name("claims.yaml")
OWN_FILE = Path(__file__).with_name("own_claims.yaml")  # of this suite, not the paper's
SAME_RUNS = {"fig8": "fig4"}  # figure that no check names → figure with the same networks

BUDGET = ("data_hash", "pool", "arch", "epochs", "batch", "train_images", "epsilon", "schedule")  # fields of a recipe

Views = Callable[[str, str], View]  # (figure, probe) → everything planned and measured for it


@dataclass(frozen=True)
class Answer:
    """Result of a check on one data set, or on several that one panel stands in for.

    panel None: nothing was planned. judged False: the scale cannot tell. missing: reason why it was not run. In these
    cases, conditions and their verdicts are empty. settled: seeds that would decide an inconclusive check.
    """

    check: Check
    datasets: tuple[str, ...]
    panel: Panel | None
    judged: bool
    missing: str = ""
    conditions: list[ClaimCondition] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    settled: Settled | None = None

    @property
    def verdict(self) -> str:
        if not self.judged or self.missing:
            return NOT_RUN if self.judged else NOT_JUDGED
        return check_verdict(self.conditions, self.verdicts)


@cache
def all_claims() -> tuple[Claim, ...]:
    return tuple(schema.load(FILE, FIGURES))


@cache
def own_claims() -> tuple[Claim, ...]:
    """Claims that the paper does not make. They are judged where one of their figures is planned."""
    return tuple(schema.load(OWN_FILE, FIGURES))


def figures_of(claims: Iterable[Claim]) -> set[str]:
    return {figure for claim in claims for check in claim.checks for figure in check.figure.values()}


def write(plans: list[dict], runs: Path, out: Path, drawn: dict[str, str]) -> list[Path]:
    """Write claims.json and claims.csv to `out`, from all plans and results of one scale, and return their paths.

    drawn: figure → scale. Of several scales, the newest plan's counts; nothing is written if no claim is about a drawn
    figure.
    """
    judged_on = figures_of((*all_claims(), *own_claims()))
    scales = [scale for figure, scale in drawn.items() if SAME_RUNS.get(figure, figure) in judged_on]
    if not scales:
        return []
    scale = [plan["scale"] for plan in plans if plan["scale"] in scales][-1]
    plans = [plan for plan in plans if plan["scale"] == scale]

    @cache
    def views(figure: str, probe: str) -> View:
        return load_view(plans, runs, figure, scale, {"probe": [probe]})

    planned = dict.fromkeys(figure for plan in plans for panel in plan["panels"] for figure in panel["figures"])

    @cache
    def accuracy_panels() -> list[tuple[str, Panel]]:
        return [(figure, panel) for figure in planned for panel in views(figure, "accuracy").panels]

    masked = failed_signs(views("masking", "masking"))
    own = [claim for claim in own_claims() if figures_of([claim]) & planned.keys()]
    answers = [(claim, judge(claim, views, scale, accuracy_panels)) for claim in (*all_claims(), *own)]
    entries = [claim_entries.claim_entry(*pair, scale, plans, masked) for pair in answers]
    page = {"scale": scale, "claims": entries[: len(all_claims())]}
    page |= {"own_claims": entries[len(all_claims()) :]} if own else {}
    (out / "claims.json").write_text(json.dumps(page, ensure_ascii=False, indent=1) + "\n", "utf-8")
    rows = [row for pair in answers for row in claim_entries.csv_rows(*pair, scale, masked)]
    pd.DataFrame(rows, columns=claim_entries.COLUMNS).to_csv(out / "claims.csv", index=False, lineterminator="\n")
    return [out / "claims.json", out / "claims.csv"]


def judge(claim: Claim, views: Views, scale: str, others: Callable[[], list[tuple[str, Panel]]]) -> list[Answer]:
    """Answer every check of a claim on each of its data sets. others: (figure, panel) of all accuracies at this scale.

    Everything that decides and can be judged shares the claim's error in equal parts, also what is still to be run, so
    that a verdict does not change as other runs finish.
    """
    questions = [question for check in claim.checks for question in questions_of(check, views, scale)]
    share = 1 / max(sum(question.judged and question.check.decides for question in questions), 1)
    return [answer(informed(question, others), share if question.check.decides else 1.0) for question in questions]


def informed(question: Answer, others: Callable[[], list[tuple[str, Panel]]]) -> Answer:
    """The question, with relatives of its panel if no network of its own has two seeds."""
    if question.panel is None or question.check.probe != "accuracy" or has_two_seeds(question.panel.points):
        return question
    return replace(question, panel=with_relatives(question.panel, others()))


def family(panel: Panel) -> set[tuple]:
    """Data, network and budget of each of a panel's networks."""
    budgets = ([recipe.get(name) for name in BUDGET] for recipe in panel.trials.recipe)
    return {(panel.dataset, panel.arch, *map(str, budget)) for budget in budgets}


def has_two_seeds(points: pd.DataFrame) -> bool:
    """Whether some network of the points was trained with two seeds."""
    networks = points[["label", "lam", "seed"]].drop_duplicates()
    return bool(networks.duplicated(["label", "lam"]).any())


def with_relatives(panel: Panel, others: Iterable[tuple[str, Panel]]) -> Panel:
    """The panel with the points of those among `others`, (figure, panel), that are of its family and have two seeds."""
    own = family(panel)
    relatives = {
        f"{other.title} ({figure})": other.points
        for figure, other in others
        if has_two_seeds(other.points) and family(other) & own and other.overrides == panel.overrides
    }
    return replace(panel, relatives=relatives)


def questions_of(check: Check, views: Views, scale: str) -> list[Answer]:
    """A check's answers without conditions: one per panel, however many data sets it stands in for, and one for all
    data sets without a panel. A data set's own panels count, or else all that stand in for it; none with overridden
    fields, which the paper has not."""
    panels: dict[frozenset, tuple[Panel, list[str]]] = {}
    absent = []
    for dataset, figure in check.figure.items():
        panels_of = [p for p in views(figure, check.probe).panels if dataset in p.stands_for and not p.overrides]
        standing_in = [panel for panel in panels_of if panel.dataset == dataset] or panels_of
        absent += [] if standing_in else [dataset]
        for panel in standing_in:
            networks = frozenset(zip(panel.trials.key, panel.trials.label, strict=True))
            panels.setdefault(networks, (panel, []))[1].append(dataset)
    at_scale = not check.scales or scale in check.scales
    questions = []
    for panel, datasets in panels.values():
        papers_data = not check.scales or panel.dataset in datasets  # numbers hold for the paper's own pixels only
        questions.append(Answer(check, tuple(datasets), panel, at_scale and papers_data))
    return questions + ([Answer(check, tuple(absent), None, at_scale, claim_entries.UNPLANNED)] if absent else [])


def answer(question: Answer, share: float) -> Answer:
    """Judge a question if its networks are there. share: of the claim's error."""
    if not question.judged or question.panel is None:
        return question
    try:
        conditions = question.check.conditions(question.panel)
    except MissingNetworks as missing:
        return replace(question, missing=str(missing))
    judged = verdicts(conditions, share)
    settled = seeds_to_settle(conditions, check_verdict(conditions, judged), share)
    return replace(question, conditions=conditions, verdicts=judged, settled=settled)

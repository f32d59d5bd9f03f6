"""`python -m reports.oat_or_not [--results FOLDER …] [--page FILE] [--check]`: the page docs/results/oat-or-not.md.

Is OAT better than two networks mixed? The page is made from files of `python -m bench report`: claims.json, and of the
figures `dials` and `dials-autoattack` the points (CSV) and the table of costs. With --check nothing is written, and the
exit code is 1 where the page has another text.
"""

import argparse
import json
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bench import ROOT
from bench.errors import BadInput
from reports.answers import data_name, write_or_check
from reports.claims.deciding_number import deciding_number
from reports.claims.judge import own_claims
from reports.claims.questions import word_of
from reports.claims.schema import Check
from reports.claims.verdict_rule import NOT_REPRODUCED, NOT_RUN, REPRODUCED, all_hold
from reports.load import formatting
from reports.page.report_pages import environment
from reports.statistics.attained_robustness import lead_by_accuracy, levels_text

RESULTS = ROOT / "docs" / "results"
MIXED, ATTACKED = 101, 105  # of own_claims.yaml: outputs mixed, and the same under AutoAttack
PLACES = {REPRODUCED: "ahead", NOT_REPRODUCED: "behind"}
TOLD = {
    "Yes": "OAT covers more pairs of SA and RA than each mixture of two trained networks",
    "No": "a mixture of two trained networks, without further training, covers more pairs of SA and RA than OAT",
    "Undecided": "the seeds do not tell whether OAT covers more pairs of SA and RA than every mixture of two networks",
}
TOLD_ATTACKED = {
    "Yes": "under AutoAttack OAT is ahead of mixed probabilities",
    "No": "under AutoAttack OAT is behind mixed probabilities",
    "Undecided": "under AutoAttack seeds and images are too few to tell OAT from mixed probabilities",
    "Not run": "AutoAttack was not run",
}
COSTS = {  # column of the figure's table → words
    "training, MACs": "MACs of training",
    "weights in memory, kB": "memory for weights",
    "a pass of one image, MACs": "MACs of a pass",
}


@dataclass(frozen=True)
class Comparison:
    """A check of hypervolumes, OAT against a dial, with its entry in claims.json and the kind of its interval."""

    claim: int
    check: Check
    entry: dict
    note: str


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m reports.oat_or_not", description=__doc__.splitlines()[0])
    default = [RESULTS / name for name in ("laptop", "cifar10_jpeg") if (RESULTS / name / "dials.json").exists()]
    parser.add_argument("--results", type=Path, nargs="+", default=default, help="folders of `python -m bench report`")
    parser.add_argument("--page", type=Path, default=RESULTS / "oat-or-not.md", help="the page to write")
    write_or_check(parser, lambda args: page(args.results, args.page.parent))


def page(folders: list[Path], place: Path) -> str:
    """The page in Markdown. place: its folder, from which links start. Raises BadInput."""
    sections = []
    for folder in folders:
        link = f"{Path(os.path.relpath(folder.resolve(), place.resolve())).as_posix()}/README.md"
        compared = comparisons(folder)
        sections += [section(folder, data, compared[data]) | {"data": data, "link": link} for data in compared]
    if not sections:
        raise BadInput(f"no claim {MIXED} in {', '.join(map(str, folders))}: run suites/extra/dials.yaml and report")
    return environment(is_html=False).get_template("oat-or-not.md.j2").render(sections=sections).rstrip("\n") + "\n"


def comparisons(folder: Path) -> dict[str, list[Comparison]]:
    """Data set → the comparisons of claims.json on it, where claim 101 was judged. Raises BadInput."""
    checks = {(claim.id, check.name): check for claim in own_claims() for check in claim.checks}
    by_data = defaultdict(list)
    for claim in json.loads((folder / "claims.json").read_text("utf-8")).get("own_claims", []):
        for part in claim["parts"]:
            for entry in part["checks"]:
                check = checks.get((claim["id"], entry["name"]))
                if check is None:
                    raise BadInput(f"{folder}: claim {claim['id']} is not today's: draw the report again")
                if check.predicate == "larger_hypervolume":
                    by_data[data_name(part)].append(Comparison(claim["id"], check, entry, part["note"]))
    return {data: compared for data, compared in by_data.items() if any(each.claim == MIXED for each in compared)}


def answer_and_words(data: str, compared: list[Comparison], costs: dict[str, dict]) -> tuple[str, str]:
    """The answer with its deciding number, and a sentence on what OAT gains or loses, and costs."""
    mixed, attacked = ([each for each in compared if each.claim == claim] for claim in (MIXED, ATTACKED))
    verdict = all_hold([each.entry["verdict"] for each in mixed])
    check, numbers = deciding_number({"checks": [each.entry for each in mixed]}, verdict)
    args = next(each.check.args for each in mixed if each.entry is check)
    answer = f"**{word_of(verdict)}** on {data}: in hypervolume {args.label} − {args.frontier} is "
    answer += f"{numbers[-1]['value']} of the box of SA and RA that the two span ({mixed[0].note})"
    under_attack = all_hold([each.entry["verdict"] for each in attacked]) if attacked else NOT_RUN
    told = f"On {data} {TOLD[word_of(verdict)]}; {TOLD_ATTACKED[word_of(under_attack)]}."
    ours, theirs = costs.get(args.label), costs.get(args.frontier)
    ratios = [(name, ratio(ours[column], theirs[column])) for column, name in COSTS.items()] if ours and theirs else []
    text = formatting.listing(f"{value:.2f} times the {name}" for name, value in ratios if value)
    return answer, told + (f" OAT takes {text} of the two networks." if text else "")


def ratio(ours: str, theirs: str) -> float | None:
    """Quotient of two cells of the table of costs; None where one has no number."""
    return None if "–" in (ours, theirs) else float(ours.replace(",", "")) / float(theirs.replace(",", ""))


def section(folder: Path, data: str, compared: list[Comparison]) -> dict:
    """What the page says of one data set: OAT against each dial, the costs, and the same under AutoAttack."""
    attacked = [each for each in compared if each.claim == ATTACKED]
    under_pgd = [each for each in compared if each.claim != ATTACKED]
    labels = [under_pgd[0].check.args.label, *(each.check.args.frontier for each in under_pgd)]
    costs = cost_rows(folder, data)
    answer, told = answer_and_words(data, compared, costs)
    return {
        "answer": answer,
        "told": told,
        "dials": against_dials(folder, "dials", data, under_pgd),
        "costs": [costs[label] for label in labels if label in costs] or [{"costs": "not measured"}],
        "attacked": against_dials(folder, "dials-autoattack", data, attacked) if attacked else None,
    }


def against_dials(folder: Path, figure: str, data: str, compared: list[Comparison]) -> dict:
    """The attack, `setting`, and the table, `rows`: difference in hypervolume, its verdict, and at which SA it lies."""
    points = pd.read_csv(folder / f"{figure}.csv")
    points = points[points.dataset.map(formatting.dataset) + ", " + points.arch.map(formatting.arch) == data]
    rows = []
    for each in compared:
        args, number = each.check.args, each.entry["told"][-1]
        leads = lead_by_accuracy(points, args.label, args.frontier)
        sides = [levels_text([level for level, lead in leads.items() if lead == sign]) for sign in (1, -1)]
        row = {f"{args.label} against": args.frontier, "hypervolume, part of the box": number["value"]}
        row |= {"OAT is": PLACES.get(number["verdict"], "undecided"), "more RA where SA ≥": sides[0]}
        rows.append(row | {"less RA where SA ≥": sides[1], "seeds": str(points.seed.nunique())})
    first = points.iloc[0]
    setting = f"{formatting.attack(first.attack)}, ε = {formatting.epsilon(first.epsilon)}, {first.n:,} test images"
    return {"figure": figure, "setting": f"{setting}, scale `{first.scale}`", "rows": rows}


def cost_rows(folder: Path, data: str) -> dict[str, dict]:
    """Method → its row in the table of costs of the figure `dials`."""
    tables = json.loads((folder / "dials.json").read_text("utf-8"))["summary"]
    rows = [row for each in tables if each["heading"] == f"{data}: what each costs" for row in each["rows"]]
    return {row["Method"]: row for row in rows}


if __name__ == "__main__":
    main()

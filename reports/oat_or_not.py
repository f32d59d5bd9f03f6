"""`python -m reports.oat_or_not [--results FOLDER …] [--page FILE] [--check]`: the page docs/results/oat-or-not.md.

Is OAT better than two networks mixed? The page is made from files of `python -m bench report`: claims.json, and of the
figures `dials` and `dials-autoattack` the points (CSV) and the table of costs. With --check nothing is written, and the
exit code is 1 where the page has another text.
"""

import argparse
import json
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bench.errors import BadInput
from reports.answers import ROOT, data_name
from reports.claims.deciding_number import deciding_number
from reports.claims.judge import own_claims
from reports.claims.questions import word_of
from reports.claims.schema import Check
from reports.claims.verdict_rule import NOT_REPRODUCED, NOT_RUN, REPRODUCED, all_hold
from reports.load import formatting
from reports.page.escaping import table_text
from reports.statistics.attained_robustness import lead_by_accuracy, levels_text

RESULTS = ROOT / "docs" / "results"
MIXED, ATTACKED = 101, 105  # of own_claims.yaml: outputs mixed, and the same under AutoAttack
ATTACK_COMMAND = "python -m bench run suites/extra/modern.yaml --only mixed_svhn --only mixed_cifar10"
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
TITLE = "<!-- Written by `python -m reports.oat_or_not`; do not edit. -->\n# Is OAT better than two networks mixed?"
CAUTION = "Each answer holds for the networks, data and epochs of its scale; other sizes may have another."
LEGEND = """How the dials are made and attacked: [dials.md](../dials.md). Hypervolume: the pairs (SA, RA) that some λ
or α reaches in both, OAT's less the dial's, with a 95 % interval ([statistics.md](../statistics.md)). More or less RA:
the best RA of any λ, or α, that has at least this SA in percent, 0 where none has; by 95 % t intervals over seeds, each
whole percent by itself. Measured times depend on what else the machine did; multiply–accumulates (MACs) do not."""
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
    parser.add_argument("--check", action="store_true", help="compare the page, and write nothing")
    args = parser.parse_args()
    try:
        text = page(args.results, args.page.parent)
        if not args.check:
            args.page.write_text(text, "utf-8")
        elif args.page.read_text("utf-8") != text:
            raise SystemExit(f"{args.page}: is not what the results say: run python -m reports.oat_or_not")
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}")
    except BadInput as error:
        parser.error(str(error))


def page(folders: list[Path], place: Path) -> str:
    """The page in Markdown. place: its folder, from which links start. Raises BadInput."""
    answers, words, sections = [], [], []
    for folder in folders:
        link = f"{Path(os.path.relpath(folder.resolve(), place.resolve())).as_posix()}/README.md"
        for data, compared in comparisons(folder).items():
            answer, told = answer_and_words(data, compared, cost_rows(folder, data))
            answers.append(answer)
            words.append(told)
            sections += section(folder, data, compared, link)
    if not answers:
        raise BadInput(f"no claim {MIXED} in {', '.join(map(str, folders))}: run suites/extra/dials.yaml and report")
    lines = [TITLE, f"{'; '.join(answers)}.", "", f"{' '.join(words)} {CAUTION}", "", LEGEND, "", *sections]
    return "\n".join(lines).rstrip("\n") + "\n"


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


def section(folder: Path, data: str, compared: list[Comparison], link: str) -> Iterator[str]:
    """Yield the lines on one data set: OAT against each dial, the costs, and the same under AutoAttack."""
    attacked = [each for each in compared if each.claim == ATTACKED]
    under_pgd = [each for each in compared if each.claim != ATTACKED]
    yield from (f"## {data}", "", *against_dials(folder, "dials", data, under_pgd, link))
    labels = [under_pgd[0].check.args.label, *(each.check.args.frontier for each in under_pgd)]
    costs = cost_rows(folder, data)
    yield from table([costs[label] for label in labels if label in costs] or [{"costs": "not measured"}])
    yield from ("### Under AutoAttack", "")
    if attacked:
        yield from against_dials(folder, "dials-autoattack", data, attacked, link)
    else:
        yield from (f"Not run: `{ATTACK_COMMAND}`.", "")


def against_dials(folder: Path, figure: str, data: str, compared: list[Comparison], link: str) -> Iterator[str]:
    """Yield a line on the attack, and a table: the difference in hypervolume, its verdict, and at which SA it lies."""
    rows = pd.read_csv(folder / f"{figure}.csv")
    points = rows[rows.dataset.map(formatting.dataset) + ", " + rows.arch.map(formatting.arch) == data]
    lines = []
    for each in compared:
        args, number = each.check.args, each.entry["told"][-1]
        leads = lead_by_accuracy(points, args.label, args.frontier)
        sides = [levels_text([level for level, lead in leads.items() if lead == sign]) for sign in (1, -1)]
        line = {f"{args.label} against": args.frontier, "hypervolume, part of the box": number["value"]}
        line |= {"OAT is": PLACES.get(number["verdict"], "undecided"), "more RA where SA ≥": sides[0]}
        lines.append(line | {"less RA where SA ≥": sides[1], "seeds": str(points.seed.nunique())})
    first = points.iloc[0]
    setting = f"{formatting.attack(first.attack)}, ε = {formatting.epsilon(first.epsilon)}, {first.n:,} test images"
    yield from (f"{setting}, scale `{first.scale}` ([figure]({link}#{figure})):", "", *table(lines))


def cost_rows(folder: Path, data: str) -> dict[str, dict]:
    """Method → its row in the table of costs of the figure `dials`."""
    tables = json.loads((folder / "dials.json").read_text("utf-8"))["summary"]
    rows = [row for each in tables if each["heading"] == f"{data}: what each costs" for row in each["rows"]]
    return {row["Method"]: row for row in rows}


def table(rows: list[dict[str, str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table, and an empty one."""
    for cells in (list(rows[0]), ["---"] * len(rows[0]), *(row.values() for row in rows)):
        yield f"| {' | '.join(map(table_text, cells))} |"
    yield ""


if __name__ == "__main__":
    main()

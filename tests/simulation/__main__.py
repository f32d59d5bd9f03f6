"""`python -m tests.simulation [--only NAME] [--out docs/statistics.md] [--runs N]`: write tables into the page.

Simulates runs with a known truth: how often intervals cover it and verdicts are wrong (docs/statistics.md). Takes
minutes on one core per table. The same N gives the same numbers; text outside the marks stays.
test_simulation.py asks the same of fewer runs.
"""

import argparse
import math
import re
from pathlib import Path

from tests.simulation import claim_power, false_verdicts, interval_coverage

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=PAGE, help="a page with the marks of the tables")
    parser.add_argument("--runs", type=int, default=1000, help="simulated sets of runs per row")
    parser.add_argument("--only", choices=sorted(TABLES), action="append", help="a table; default: all")
    args = parser.parse_args()
    if args.runs < 1:
        parser.error(f"--runs {args.runs}: at least 1 is needed")
    try:
        text = args.out.read_text("utf-8")
    except OSError as error:
        parser.error(f"--out {args.out}: cannot be read ({error.strerror}); copy docs/statistics.md there first")
    for name in args.only or TABLES:
        text = replace_table(text, name, TABLES[name](args.runs))
    args.out.write_text(text, "utf-8")


def replace_table(text: str, name: str, table: str) -> str:
    """The page with the table between its marks. Raises SystemExit without marks."""
    first, last = (f"<!-- {word} {name} -->" for word in ("begin", "end"))
    if first not in text or last not in text:
        raise SystemExit(f"the page has no line {first} with {last} after it: copy docs/statistics.md")
    return re.sub(f"{first}.*?{last}", lambda _: f"{first}\n{table}\n{last}", text, flags=re.DOTALL)


def coverage_table(rows: list[dict]) -> str:
    lines = ["| interval | of | holds the truth, % | runs |", "|---|---|---|---|"]
    for row in rows:
        share = f"{100 * row['coverage']:.1f} ± {100 * row['error']:.1f}"
        lines.append(f"| {row['interval']} | {row['of']} | {share} | {row['runs']:,} |")
    return "\n".join(lines)


def verdict_table(rows: list[dict]) -> str:
    """Markdown table of false_verdicts.table: reproduced with its Monte Carlo error / not reproduced, in percent."""
    heads = [f"{seeds} seed{'s' * (seeds > 1)}" for seeds, _ in false_verdicts.SIZES]
    lines = ["| predicate | just false because | " + " | ".join(heads) + " |", "|---" * (2 + len(heads)) + "|"]
    for row in rows:
        texts = []
        for size in false_verdicts.SIZES:
            reproduced, refuted, runs = row[size]
            error = (reproduced * (1 - reproduced) / runs) ** 0.5
            exact = "exact: " if runs == 1 else ""
            texts.append(f"{exact}{100 * reproduced:.1f} ± {100 * error:.1f} / {100 * refuted:.1f}")
        lines.append(f"| {row['predicate']} | {row['edge']} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def power_table(rows: list[dict]) -> str:
    """Markdown table of claim_power.table: reproduced / not reproduced, percent."""
    heads = [f"{seeds} seed{'s' * (seeds > 1)}" for seeds in claim_power.SEEDS]
    lines = ["| claim | scale | " + " | ".join(heads) + " |", "|---" * (2 + len(heads)) + "|"]
    for row in rows:
        pairs = [row[seeds] for seeds in claim_power.SEEDS]
        cells = ["–" if math.isnan(yes) else f"{100 * yes:.0f} / {100 * no:.0f}" for yes, no in pairs]
        lines.append(f"| {row['claim']}. {row['text']} | {row['scale']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


TABLES = {
    "coverage": lambda runs: coverage_table(interval_coverage.table(runs)),
    "rates": lambda runs: verdict_table(false_verdicts.table(runs)),
    "power": lambda runs: power_table(claim_power.table(runs)),
}

if __name__ == "__main__":
    main()

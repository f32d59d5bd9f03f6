"""`python -m reports.coverage [--out docs/statistics.md] [--runs N]`: simulate, and write both tables into the page.

Takes minutes on one core. The same N gives the same numbers; what stands outside the marks stays.
"""

import argparse
import re
from pathlib import Path

from reports.coverage import false_verdicts, interval_coverage

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m reports.coverage", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=PAGE, help="a page with the marks of both tables")
    parser.add_argument("--runs", type=int, default=1000, help="simulated sets of runs per row")
    given = parser.parse_args()
    if given.runs < 1:
        parser.error(f"--runs {given.runs}: at least 1 is needed")
    try:
        text = given.out.read_text("utf-8")
    except OSError as error:
        parser.error(f"--out {given.out}: cannot be read ({error.strerror}); copy docs/statistics.md there first")
    tables = {
        "coverage": coverage(interval_coverage.table(given.runs)),
        "rates": verdicts(false_verdicts.table(given.runs)),
    }
    for name, table in tables.items():
        text = replaced(text, name, table)
    given.out.write_text(text, "utf-8")


def replaced(text: str, name: str, table: str) -> str:
    """The page with the table between its marks. Raises SystemExit where they are not there."""
    first, last = (f"<!-- {word} {name} -->" for word in ("begin", "end"))
    if first not in text or last not in text:
        raise SystemExit(f"the page has no line {first} with {last} after it: copy docs/statistics.md")
    return re.sub(f"{first}.*?{last}", lambda _: f"{first}\n{table}\n{last}", text, flags=re.DOTALL)


def coverage(rows: list[dict]) -> str:
    lines = ["| interval | of | holds the truth, % | runs |", "|---|---|---|---|"]
    for row in rows:
        share = f"{100 * row['coverage']:.1f} ± {100 * row['error']:.1f}"
        lines.append(f"| {row['interval']} | {row['of']} | {share} | {row['runs']:,} |")
    return "\n".join(lines)


def verdicts(rows: list[dict]) -> str:
    """Per size: reproduced, and not reproduced, in percent, with the Monte Carlo error of the first."""
    heads = [f"{seeds} seed{'s' * (seeds > 1)}" for seeds, _ in false_verdicts.SIZES]
    lines = ["| predicate | just false because | " + " | ".join(heads) + " |", "|---" * (2 + len(heads)) + "|"]
    for row in rows:
        cells = []
        for size in false_verdicts.SIZES:
            wrong, refuted, runs = row[size]
            error = (wrong * (1 - wrong) / runs) ** 0.5
            exact = "exact: " if runs == 1 else ""
            cells.append(f"{exact}{100 * wrong:.1f} ± {100 * error:.1f} / {100 * refuted:.1f}")
        lines.append(f"| {row['predicate']} | {row['edge']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

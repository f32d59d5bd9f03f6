"""`python -m bench report --tex`: every number of the page as a LaTeX macro with its keys beside it, and the tables.

In a paper: `\\input{report/numbers.tex}`, then `\\oat{fig4/OAT-dual-BN/SA/0.3}` and `\\oat{fig4/table-1}`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from reports.claims.deciding_number import deciding_numbers
from reports.page.report_pages import read_claims, read_pages

HEAD = r"""% Written by `python -m bench report --tex`; do not edit. \oat{NAME} is the number or table of that name.
\newcommand{\oat}[1]{\ifcsname oat:#1\endcsname\csname oat:#1\endcsname\else\errmessage{no number is called #1}\fi}
"""
ESCAPES = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
ESCAPES |= {character: f"\\{character}" for character in "&%$#_{}"}
ESCAPES |= {"λ": r"$\lambda$", "ε": r"$\varepsilon$", "Δ": r"$\Delta$", "≠": r"$\neq$", "≥": r"$\geq$", "≤": r"$\leq$"}
ESCAPES |= {"±": r"$\pm$", "−": "$-$", "–": "--", "×": r"$\times$", "²": "$^2$", "\u00a0": "~", "α": r"$\alpha$"}
ESCAPES |= {character: f"${character}$" for character in "<>|"}  # others in the default encoding of fonts


def write_latex(out: Path) -> Path:
    """Write numbers.tex from the JSON files of a report's folder."""
    figures, _ = read_pages(out)
    lines = [line for figure in figures for line in (*point_lines(figure), *table_lines(figure))]
    lines += claim_lines(read_claims(out))
    path = out / "numbers.tex"
    path.write_text(HEAD + "\n".join(lines) + "\n", "utf-8")
    return path


def point_lines(figure: dict) -> Iterator[str]:
    """SA and RA of each mean of a figure: FIGURE/[FACET/]METHOD/METRIC/λ. The comment has interval, seeds and keys."""
    facets = figure.get("dial", {}).get("facets", [])
    headings = [facet["heading"] for facet in facets]
    for facet in facets:
        where = [figure["figure"], *([facet["heading"]] if len(facets) > 1 else [])]
        where += [facet["panel"]] if headings.count(facet["heading"]) > 1 else []
        for method in facet["methods"]:
            for point in method["points"]:
                for metric in ("sa", "ra"):
                    mean, low, high = point[metric]
                    comment = f"[{low:.1f}, {high:.1f}], {point['seeds']} seeds, keys {' '.join(point['keys'])}"
                    yield macro([*where, method["label"], metric.upper(), f"{point['lam']:g}"], f"{mean:.1f}", comment)


def table_lines(figure: dict) -> Iterator[str]:
    """Tables of a figure: FIGURE/table-N, in the order of the page."""
    tables = []
    for table in figure["curves"]:
        columns = ["Method", *(f"λ={lam}" for lam in table["lambdas"])]
        tables.append([dict(zip(columns, [row["method"], *row["cells"]], strict=True)) for row in table["rows"]])
    tables += [table["rows"] for table in figure["summary"]]
    for number, rows in enumerate(tables, 1):
        yield macro([figure["figure"], f"table-{number}"], tabular(rows))


def tabular(rows: list[dict]) -> str:
    cells = [list(rows[0]), *(row.values() for row in rows)]
    lines = [" & ".join(map(escape, line)) + r" \\" for line in cells]
    lines[0] += r" \hline"
    return "\n".join([rf"\begin{{tabular}}{{{'l' * len(rows[0])}}}", *lines, r"\end{tabular}"])


def claim_lines(claims: dict | None) -> Iterator[str]:
    """Verdict of each claim, claim/N/verdict, and the number that decides it, claim/N/number."""
    for claim in [*claims["claims"], *claims.get("own_claims", [])] if claims else ():
        yield macro(["claim", str(claim["id"]), "verdict"], escape(claim["verdict"]), claim["claim"])
        for _, number in deciding_numbers(claim)[:1]:
            line = number.lines[-1]
            comment = f"{line['what']}, asked {line['asked']}"
            yield macro(["claim", str(claim["id"]), "number"], escape(line["value"]), comment)


def macro(name: list[str], text: str, comment: str = "") -> str:
    """Definition of a name. Other characters than letters, digits and points become hyphens."""
    slug = "/".join(re.sub(r"[^A-Za-z0-9.]+", "-", part.replace("λ", "lambda")).strip("-") for part in name)
    comment = " % " + " ".join(comment.split()) if comment else ""
    return rf"\expandafter\def\csname oat:{slug}\endcsname{{{text}}}{comment}"


def escape(text: object) -> str:
    return "".join(ESCAPES.get(character, character) for character in str(text))

"""`python -m reports.answers [--claims FILE] [--page FILE] [--check]`: README's table question → answer → evidence.

The table stands between marks in the page and is made from a claims.json; text outside the marks stays. With --check
nothing is written, and the exit code is 1 where the page has another table.
"""

import argparse
import json
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from bench import ROOT
from bench.errors import BadInput
from reports.claims.deciding_number import deciding_number
from reports.claims.questions import SENTENCES, WORDS, Question, questions, together, word_of
from reports.figures import FIGURES
from reports.load.formatting import short_title
from reports.page.escaping import table_text

BEGIN, END = "<!-- begin answers -->", "<!-- end answers -->"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m reports.answers", description=__doc__.splitlines()[0])
    default = ROOT / "docs" / "results" / "laptop" / "claims.json"
    parser.add_argument("--claims", type=Path, default=default, help="a claims.json of `python -m bench report`")
    parser.add_argument("--page", type=Path, default=ROOT / "README.md", help="a page with the marks of the table")
    write_or_check(parser, lambda args: with_table(args.page.read_text("utf-8"), table(args.claims, args.page.parent)))


def write_or_check(parser: argparse.ArgumentParser, content: Callable[[argparse.Namespace], str]) -> None:
    """Write to --page what `content` makes of the arguments; with --check, exit with 1 if the page has another text."""
    parser.add_argument("--check", action="store_true", help="compare the page, and write nothing")
    args = parser.parse_args()
    try:
        text = content(args)
        if not args.check:
            args.page.write_text(text, "utf-8")
        elif args.page.read_text("utf-8") != text:
            raise SystemExit(f"{args.page}: is not what the results say: run {parser.prog}")
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}")
    except BadInput as error:
        parser.error(str(error))


def with_table(page: str, text: str) -> str:
    """The page with the table between its marks. Raises BadInput without marks."""
    if BEGIN not in page or END not in page.partition(BEGIN)[2]:
        raise BadInput(f"the page has no line {BEGIN} with {END} after it")
    return re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{text}\n{END}", page, count=1, flags=re.DOTALL)


def table(claims_file: Path, folder: Path) -> str:
    """The table in Markdown. folder: of the page, from which links to the results start. Raises BadInput."""
    try:
        content = json.loads(claims_file.read_text("utf-8"))
        claims = {claim["id"]: claim for claim in content["claims"]}
        scale = content["scale"]
    except (ValueError, KeyError, TypeError):
        raise BadInput(f"{claims_file}: not a claims.json of python -m bench report") from None
    missing = next((id for row in questions() for id in row.claims if id not in claims), None)
    if missing is not None:
        raise BadInput(f"{claims_file}: has no claim {missing}: draw the report again")
    results = Path(os.path.relpath(claims_file.parent.resolve(), folder.resolve())).as_posix()
    rows = [(row, [claims[id] for id in row.claims]) for row in questions()]
    data = {data_name(part) for _, answered in rows for claim in answered for part in claim["parts"]}
    where = f"`{scale}`" + (f" ({table_text(*data)})" if len(data) == 1 else "")
    counts = Counter(word_of(together(answered)) for _, answered in rows)
    summary = ", ".join(f"{counts[word]} {word.lower()}" for word in WORDS.values() if counts[word])
    unlike = "" if scale == "paper" else " Not run at scale `paper` yet, the only one that can answer for the paper."
    lines = [f"**Does it reproduce? At scale {where}, of {len(rows)} questions: {summary}.{unlike}**", ""]
    lines += ["| Question | Answer | Evidence |", "|---|---|---|"]
    for question, answered in rows:
        answer = answer_text(question, answered, name_data=len(data) > 1)
        lines.append(f"| {question.question} | {answer} | {evidence_text(answered, results)} |")
    return "\n".join(lines)


def answer_text(question: Question, claims: list[dict], name_data: bool = True) -> str:
    """Verdict of the claims together; in small print the condition and the number that decide it on each data set."""
    verdict = together(claims)
    deciding = next((claim for claim in claims if claim["verdict"] == verdict), claims[0])
    word = word_of(verdict)
    words = f"**{word}**" + (f": {table_text(getattr(question, SENTENCES[word]))}" if word in SENTENCES else "")
    if deciding["but"]:
        words += f" ({table_text(deciding['but'])})"
    lines = [line for part in deciding["parts"] for line in deciding_lines(part, verdict, name_data)]
    return "<br>".join([words, *(f"<sub>{table_text(line)}</sub>" for line in lines)])


def deciding_lines(part: dict, verdict: str, name_data: bool) -> list[str]:
    """The seeds that would settle a data set, and the number that decides. No line if no check has the verdict."""
    number = deciding_number(part, verdict)
    if number is None:
        return []
    check, lines = number
    where = f"{data_name(part)}: " if name_data else ""
    numbers = [f"{line['what']}: {line['value']}" for line in lines]
    open_question = [f"“{check['name']}”: {check['settle'].partition(':')[0]}"] if check["settle"] else []
    return [*open_question, f"{where}{'; '.join(numbers)} (asked: {lines[-1]['asked']})"]


def data_name(part: dict) -> str:
    return part["on"].partition(", in place of")[0]


def evidence_text(claims: list[dict], results: str) -> str:
    """Links to the figures and the page with all conditions."""
    figures = dict.fromkeys(name for claim in claims for name in claim["figures"])
    links = [f"[{short_title(FIGURES[name].title)}]({results}/README.md#{name})" for name in figures if name in FIGURES]
    numbers = ", ".join(str(claim["id"]) for claim in claims)
    return ", ".join([*links, f"[claim {numbers}]({results}/README.md)"])


if __name__ == "__main__":
    main()

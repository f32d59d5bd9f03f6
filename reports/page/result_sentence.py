"""The page's first sentence: what a figure's networks say of the questions that the figure is asked."""

from reports.claims.questions import SENTENCES, questions, together, word_of
from reports.load.formatting import counted, listing, short_title


def result_sentence(figure: dict, claims: dict | None) -> str:
    """One sentence of result. figure: the page's first. claims: of claims.json, None if no claim was judged."""
    name, entries = short_title(figure["title"]), claims["claims"] if claims else []
    asked = [claim for claim in entries if figure["figure"] in claim["figures"]]
    if len(figure["missing"]) == figure["planned"]:
        return f"{name}: no network has finished"
    verdicts = "; ".join(f"“{claim['claim']}” is {claim['verdict']}" for claim in asked)
    return f"{name}: {answers_text(asked, entries) or verdicts or figure['title'].removeprefix(f'{name}. ')}"


def answers_text(asked: list[dict], entries: list[dict]) -> str:
    """Answers to README's questions about the figure, decided ones in words; empty if no question is about it."""
    by_id, asked_ids = {claim["id"]: claim for claim in entries}, {claim["id"] for claim in asked}
    sentences, undecided = [], 0
    asking = [question for question in questions() if asked_ids & set(question.claims)]
    for question in asking:
        word = word_of(together([by_id[id] for id in question.claims if id in by_id]))
        if word in ("Yes", "No"):
            sentences.append(getattr(question, SENTENCES[word]))
        else:
            undecided += 1
    rest = f"{undecided} of {counted(len(asking), 'question')} undecided" if undecided else ""
    return "; ".join([*sentences, *([rest] if rest else [])])


def range_sentence(figure: dict) -> str:
    """From where to where each method goes, by the first table of curves; empty for a figure without curves."""
    if not figure["curves"]:
        return ""
    panel, texts = figure["curves"][0], []
    for row in panel["rows"]:
        ends = [pair for pair in zip(panel["lambdas"], row["cells"], strict=True) if pair[1] != "–"]
        ends = [f"{cell} at λ = {lam}" for lam, cell in (ends[:1] + ends[1:][-1:])]
        texts += [f"{row['method']} {' to '.join(ends)}"] if ends else []
    return f"SA / RA in %, {panel['heading']}: {'; '.join(texts)}." if texts else ""


def alternative_text(figure: dict) -> str:
    """Text in place of the image, with its numbers: the ends of each curve, or the first rows of the first table."""
    curves = range_sentence(figure)
    if curves:
        return f"{figure['title']}. {curves}"
    rows = figure["summary"][0]["rows"][:6] if figure["summary"] else []
    texts = [", ".join(f"{column} {cell}" for column, cell in row.items() if cell not in ("", "–")) for row in rows]
    return ". ".join([figure["title"], *texts])


def setting_text(figure: dict) -> str:
    """Scale, data, and seeds of a figure."""
    data = listing(dict.fromkeys(panel["heading"] for panel in figure["panels"]))
    return f"Scale {figure['scale']}; {data}; {counted(len(figure['seeds']), 'seed')}"

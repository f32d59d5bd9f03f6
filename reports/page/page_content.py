"""Arrange the figures of a page: the first one, figures of the same drawing joined, what they share once."""

import csv
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from reports.figures import FIGURES
from reports.figures.figure_files import FORMATS
from reports.load.formatting import listing, short_title
from reports.page import result_sentence
from reports.page.claim_rows import with_rows

HEADLINE = "fig4"  # the paper's main result
ASKED = ("scale", "seeds", "commands")
RECORDED = ("planned_at", "trained_at", "measured_at", "data", "hardware", "software")


def arrange(figures: list[dict], claims: dict | None, drawn: Collection[str], out: Path) -> dict:
    """What the template shows. figures: their JSON files. drawn: names of the figures that were asked for now."""
    figures = [{"formats": FORMATS} | figure for figure in figures]  # an earlier version drew all formats
    first = first_figure([figure["figure"] for figure in figures], drawn)
    figures.sort(key=lambda figure: figure["figure"] != first)
    judged = [*claims["claims"], *claims.get("own_claims", [])] if claims else []
    of_scale = claims if figures and claims and claims["scale"] == figures[0]["scale"] else None
    return {
        "figures": figures,
        "sections": [section(group, judged) for group in joined(figures, out)],
        "names": {figure["figure"]: short_title(figure["title"]) for figure in figures},
        "sentence": result_sentence.result_sentence(figures[0], of_scale) if figures else "No figure has been drawn",
        "settings": settings(figures),
        "networks": [
            network | {"figures": list(dict.fromkeys(short_title(figure["title"]) for figure in shown))}
            for network, shown in networks(figures)
        ],
        "rates": rates(figures),
        "dials": {figure["figure"]: figure["dial"] | {"title": short_title(figure["title"])}
                  for figure in figures if figure.get("dial", {}).get("facets")},
        "claims": with_rows(claims) if claims else None,
    }  # fmt: skip


def first_figure(names: list[str], drawn: Collection[str]) -> str | None:
    """The figure that stands first: Figure 4 if it was asked for, otherwise the first that was."""
    candidates = [name for name in names if name in drawn] or names
    return HEADLINE if HEADLINE in candidates else next(iter(candidates), None)


def joined(figures: list[dict], out: Path) -> list[list[dict]]:
    """Figures in groups: those with the same drawing code and the same points are one picture."""
    groups: dict[object, list[dict]] = {}
    for figure in figures:
        points = out / f"{figure['figure']}.csv"
        content = drawn_points(points) if points.is_file() else figure["figure"]
        groups.setdefault((FIGURES[figure["figure"]].draw, content), []).append(figure)
    return list(groups.values())


def drawn_points(path: Path) -> tuple:
    """The rows of a figure's CSV without the experiment, which differs between figures of the same networks."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        return tuple(tuple(cell for cell in row.items() if cell[0] != "experiment") for row in rows)


def section(group: list[dict], claims: Collection[dict]) -> dict:
    """A figure with what its section shows beside the fields of its JSON. group: figures that are the same picture."""
    figure, others = group[0], group[1:]
    image = f"{figure['figure']}.{'svg' if 'svg' in figure['formats'] else figure['formats'][0]}"
    names = {part["figure"] for part in group}
    title = figure["title"]
    if others:
        rest = title.removeprefix(short_title(title)).lstrip(". ").partition(" (the paper")[0]
        title = f"{listing(short_title(part['title']) for part in group)}. {rest}: the same networks, drawn once"
    return figure | {
        "title": title,
        "others": others,
        "image": image,
        "alt": result_sentence.alternative_text(figure),
        "setting": result_sentence.setting_text(figure),
        "asked": [claim for claim in claims if names & set(claim["figures"])],
        "is_dial": figure.get("dial", {}).get("axes") == "tradeoff" and bool(figure["dial"]["facets"]),
    }


def settings(figures: list[dict]) -> list[dict]:
    """Provenance: an entry per command, with its figures, all that was recorded of their networks, and their cost."""
    groups: dict[str, list[dict]] = {}
    for figure in figures:
        groups.setdefault(repr([figure[name] for name in ASKED]), []).append(figure)
    entries = []
    for group in groups.values():
        costs: dict[str, list[str]] = {}
        for figure in group:
            costs.setdefault(cost_text(figure), []).append(short_title(figure["title"]))
        entry = {name: group[0][name] for name in ASKED} | {"figures": [short_title(f["title"]) for f in group]}
        entry |= {name: uncounted(text for figure in group for text in figure[name]) for name in RECORDED}
        entry["from"] = min((figure["from"] for figure in group if figure["from"]), default="")
        entry["to"] = max(figure["to"] for figure in group)
        entries.append(entry | {"costs": [(listing(names), text) for text, names in costs.items()]})
    return entries


def uncounted(texts: Iterable[str]) -> list[str]:
    """Texts of provenance.tally, each once and without the number of networks, which differs between figures."""
    return list(dict.fromkeys(re.sub(r" \(\d+ networks?\)$", "", text) for text in texts))


def cost_text(figure: dict) -> str:
    networks = figure["planned"] - len(figure["missing"])
    macs = f"; training took {figure['macs']}" if figure["macs"] else ""
    return f"{figure['training']} training, {figure['measuring']} measuring, summed over {networks} networks{macs}"


def networks(figures: list[dict]) -> list[tuple[dict, list[dict]]]:
    """Every finished network once, with the figures that it is in."""
    by_key: dict[str, tuple[dict, list[dict]]] = {}
    for figure in figures:
        for network in {n["key"]: n for panel in figure["panels"] for n in panel["networks"]}.values():
            by_key.setdefault(network["key"], (network, []))[1].append(figure)
    return list(by_key.values())


def rates(figures: list[dict]) -> list[dict]:
    """Networks of which several learning rates were tried, each once."""
    rows = {}
    for panel in (panel for figure in figures for panel in figure["panels"]):
        for row in panel["rates"]:
            if len(row["scores"]) > 1:
                rows.setdefault((row["network"], *row["scores"]), row | {"heading": panel["heading"]})
    return list(rows.values())

"""`python -m bench report --compare A B`: curves of two runs overlaid, differences with intervals, changed verdicts."""

import json
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from bench.archive import opened
from bench.errors import BadInput
from reports.build import check_known, choose_scale
from reports.claims import judge
from reports.claims.verdict_rule import NOT_RUN
from reports.figures import FIGURES
from reports.figures.figure_files import draw
from reports.load import formatting
from reports.load.panels import Panel, View, load_view
from reports.load.plans import plans_of, read_plans
from reports.page.report_pages import environment
from reports.plots.style import SIDES
from reports.plots.style_options import PAPER, Look
from reports.statistics import differences
from reports.statistics.contrasts import METRICS, unambiguous_counts
from reports.statistics.variance_pool import pool_of_points

COLUMNS = ["figure", "experiment", "panel", "attack", "width", "method", "lambda", "metric", "difference", "low"]
COLUMNS += ["high", "p", "interval", "keys"]


class Side(NamedTuple):
    """One of the two. runs: the directory that it is read from."""

    runs: Path
    plans: list[dict]


def compare(first: Path, second: Path, out: Path, figures: list[str] | None = None, look: Look = PAPER) -> list[Path]:
    """Write compare.html, a picture per common figure of SA and RA, and differences.csv. Returns all files.

    first, second: runs directories or archives; each is read at the scale of its newest plan. figures None: all that
    both have. Raises BadInput.
    """
    with ExitStack() as stack:
        sides = [read_side(path, stack.enter_context(opened(path))) for path in (first, second)]
        common = [name for name in FIGURES if all(plans_of(name, side.plans) for side in sides)]
        names = [check_known(name) for name in figures] if figures else common
        entries = [entry for name in names if (entry := compare_figure(name, sides, out, look))]
        if not entries:
            raise BadInput(f"{first} and {second} have no figure of SA and RA in common")
        changes = changed_claims(sides, [entry["figure"] for entry in entries])
    rows = [row for entry in entries for row in entry.pop("differences")]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(out / "differences.csv", index=False, lineterminator="\n")
    paths = list(zip(SIDES, map(str, (first, second)), strict=True))
    content = {"paths": paths, "figures": entries, "changes": changes}
    (out / "compare.html").write_text(environment(True).get_template("compare.html.j2").render(content), "utf-8")
    return [*(out / entry["image"] for entry in entries), out / "differences.csv", out / "compare.html"]


def read_side(path: Path, runs: Path) -> Side:
    plans, _ = read_plans(runs)
    if not plans:
        raise BadInput(f"no plan under {path}: give a runs directory or an archive of `report --archive`")
    return Side(runs, plans)


def compare_figure(name: str, sides: list[Side], out: Path, look: Look = PAPER) -> dict | None:
    """A figure's picture with the curves of both sides, and its tables; None for a figure of something else."""
    spec = FIGURES[name]
    scales = [choose_scale(side.plans, name) for side in sides]
    views = [load_view(s.plans, s.runs, name, scale, spec.keep) for s, scale in zip(sides, scales, strict=True)]
    matches = pairs(*views)
    panels = [overlaid(*match) for match in matches]
    paired = [panel for panel, match in zip(panels, matches, strict=True) if same_images(*match)]
    if not panels or not spec.dial(views[0]):
        return None
    out.mkdir(parents=True, exist_ok=True)
    scale = " and ".join(dict.fromkeys(scales))
    both = View(name, scale, panels, sum((view.plans for view in views), []), sides[0].runs)
    draw(spec, both, {"png": out / f"compare-{name}.png"}, look)
    tables = [table for panel in paired for table in difference_tables(panel)]
    rows = [
        {"figure": name, "experiment": panel.experiment} | row for panel in paired for row in difference_rows(panel)
    ]
    entry = {"figure": name, "title": spec.title, "image": f"compare-{name}.png", "caption": spec.caption(both)}
    other_images = [panel.title for panel in panels if panel not in paired]
    return entry | {"tables": tables, "differences": rows, "other_images": other_images}


def pairs(view: View, other: View) -> list[tuple[Panel, Panel]]:
    """Panels of the two that stand for the same data set of the paper in the same experiment."""
    matches = []
    for panel in view.panels:
        fitting = [
            p for p in other.panels if p.experiment == panel.experiment or set(p.stands_for) & set(panel.stands_for)
        ]
        fitting.sort(key=lambda p: (p.experiment != panel.experiment, p.dataset != panel.dataset))
        matches += [(panel, fitting[0])] if fitting else []
    return matches


def same_images(panel: Panel, other: Panel) -> bool:
    """Whether the networks of both panels saw the same images, without which a difference is not one of networks. Where
    no network of a panel has finished, the names of the data sets decide."""
    hashes = [set(side.trials.data_hash.dropna()) for side in (panel, other)]
    return (panel.dataset, panel.pool) == (other.dataset, other.pool) and (hashes[0] == hashes[1] or not all(hashes))


def overlaid(panel: Panel, other: Panel) -> Panel:
    """One panel with the networks of both; labels end in the side, and the data set where the two differ."""

    def marked(name: str) -> pd.DataFrame:
        frames = [getattr(side, name) for side in (panel, other)]
        frames = [frame.assign(label=frame.label + side) for frame, side in zip(frames, SIDES, strict=True)]
        return pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)

    both = {"trials": marked("trials"), "points": marked("points"), "overrides": {}, "relatives": {}}
    if (panel.dataset, panel.pool) != (other.dataset, other.pool):
        names = (formatting.dataset(side.dataset) for side in (panel, other))
        both |= {"dataset": " and ".join(map("".join, zip(names, SIDES, strict=True))), "stands_for": (), "pool": 1}
    return replace(panel, **both)


def methods(points: pd.DataFrame) -> dict[str, list[float]]:
    """Method that both sides have → λ at which both were measured; without methods of the same networks and counts."""
    sides = [
        {label.removesuffix(side): rows for label, rows in points.groupby("label") if label.endswith(side)}
        for side in SIDES
    ]
    shared = {name: sorted({*rows.lam} & {*sides[1][name].lam}) for name, rows in sides[0].items() if name in sides[1]}
    return {name: lams for name, lams in shared.items() if lams and not same(*(side[name] for side in sides))}


def same(rows: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether two sets of points are of the same networks with the same counts."""
    columns = ["lam", "seed", "key", "clean_correct", "robust_correct"]
    return set(rows[columns].itertuples(index=False)) == set(other[columns].itertuples(index=False))


def difference_tables(panel: Panel) -> list[dict]:
    """A table for the page per attack and width: B − A of each method, in the mean over λ."""
    tables = []
    for (attack, width), points in panel.points.groupby(["attack", "width"]):
        rows = []
        for name, lambdas in methods(points).items():
            row = differences.table_row(points, name + SIDES[1], name + SIDES[0], lambdas, "all") | {"Method": name}
            rows.append({column: text for column, text in row.items() if column != "against"})
        heading = f"{panel.title}, {formatting.attack(attack)}" + (f", width {width:g}" if width != 1 else "")
        tables += [{"heading": heading, "rows": differences.drop_empty_columns(rows)}] if rows else []
    return tables


def difference_rows(panel: Panel) -> list[dict]:
    """Rows of differences.csv: B − A in the mean over λ (`mean`) and at every λ, percentage points."""
    rows = []
    for (attack, width), points in panel.points.groupby(["attack", "width"]):
        counts, pool = unambiguous_counts(points), pool_of_points(points)
        for name, lambdas in methods(points).items():
            for chosen in [lambdas, *([lam] for lam in lambdas)]:
                where = {"panel": panel.title, "attack": attack, "width": width, "method": name}
                where["lambda"] = "mean" if chosen is lambdas else f"{chosen[0]:g}"
                for metric in METRICS:
                    estimate = differences.compare(counts, name + SIDES[1], name + SIDES[0], chosen, metric, pool=pool)
                    if estimate:
                        numbers = {column: round(estimate[column], 4) for column in ("low", "high", "p")}
                        row = where | numbers | {"metric": metric, "difference": round(estimate["value"], 4)}
                        rows.append(row | {"interval": estimate["kind"], "keys": " ".join(estimate["keys"])})
    return rows


def changed_claims(sides: list[Side], figures: list[str]) -> list[dict]:
    """Claims that were run on both sides and have another verdict on the second one."""
    verdicts = []
    for side in sides:
        with tempfile.TemporaryDirectory() as folder:
            drawn = {name: choose_scale(side.plans, name) for name in figures}
            written = judge.write(side.plans, side.runs, Path(folder), drawn)
            page = json.loads(written[0].read_text("utf-8")) if written else {"claims": []}
        verdicts.append({claim["id"]: claim for claim in page["claims"]})
    first, second = verdicts
    return [
        {"id": id, "claim": claim["claim"], "before": claim["verdict"], "after": second[id]["verdict"]}
        for id, claim in first.items()
        if id in second and len({claim["verdict"], second[id]["verdict"], NOT_RUN}) == 3
    ]

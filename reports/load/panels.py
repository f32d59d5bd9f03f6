"""Plans and results → the panels of a figure, as tidy frames."""

import functools
import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from reports.load import formatting
from reports.load.plans import current_panels
from reports.load.trials import NUMBERS, read_trial, select_learning_rates

pd.set_option("mode.string_storage", "python")  # PyArrow is slow at the short columns of reports

PANEL_COLUMNS = ["dataset", "arch", "scale", "experiment", "variant"]  # of every measured row, and of the CSV files
POINT_COLUMNS = ["label", "method", *PANEL_COLUMNS, "seed", "lam", "width", "attack", "epsilon", "n"]
POINT_COLUMNS += ["clean_correct", "robust_correct", "clean_hits", "robust_hits", "sa", "ra", "key", "lr", "package"]
UNMEASURED = "not measured yet for this figure"  # of a finished network without the figure's attack, width or probe


@dataclass(frozen=True, eq=False)  # hashed by identity: what is computed from a panel is kept with functools.cache
class Panel:
    """One data set of a figure.

    trials: a row per planned network: key, name, label, method, lam, seed, lr, recipe, status, note, drawn, …
    points: a row per drawn network (the winner of its learning-rate grid) and measured λ, columns POINT_COLUMNS.
    probes: for a figure of another probe than accuracy, a dict per measured row (bench.measures.result_schema) with the
    network's label, method, seed, key, lr, PANEL_COLUMNS, net_lam (its own λ, or NaN), and folder.
    own: whether the images are the user's. pool: images are averaged over pool × pool pixels.
    relatives: points of other panels with the same data, networks and budget, by title, from which a panel of one seed
    learns how much trainings vary.
    """

    dataset: str
    arch: str
    stands_for: tuple[str, ...]
    overrides: dict
    trials: pd.DataFrame
    points: pd.DataFrame
    experiment: str = ""
    own: bool = False
    pool: int = 1
    probes: list[dict] = field(default_factory=list)
    relatives: dict[str, pd.DataFrame] = field(default_factory=dict)

    @functools.lru_cache(maxsize=256)  # noqa: B019 - of a process that ends with the report
    def only(self, **values) -> "Panel":
        """Keep the measured rows that have these values: `panel.only(width=0.5)`. The same panel each time."""
        chosen = (self.points.reindex(columns=list(values)) == pd.Series(values, dtype=object)).all(axis=1)
        probes = [row for row in self.probes if all(row[name] == value for name, value in values.items())]
        return replace(self, points=self.points[chosen].reset_index(drop=True), probes=probes)

    @property
    def title(self) -> str:
        return f"{formatting.dataset(self.dataset)}, {formatting.arch(self.arch)}"

    @property
    def subtitle(self) -> str:
        """Data sets that the panel stands in for, pooling, and overridden fields; empty for the paper's own data set.

        The user's own images stand in for nothing: the figure is about them.
        """
        others = [name for name in self.stands_for if name != self.dataset and not self.own]
        stands_for = "stands in for " + ", ".join(formatting.dataset(name) for name in others) if others else ""
        pooled = f"pooled {self.pool} × {self.pool}" if self.pool > 1 and "pool" not in self.overrides else ""
        return "; ".join(part for part in (stands_for, pooled, formatting.overrides(self.overrides)) if part)

    @property
    def missing_text(self) -> str:
        return missing_text(self.trials)


def missing_text(trials: pd.DataFrame) -> str:
    """Count the missing networks: 3 of 24 networks missing. Empty if none is missing."""
    count = (trials.status != "done").sum()
    return f"{count} of {formatting.counted(len(trials), 'network')} missing" if count else ""


@dataclass(frozen=True)
class View:
    """Everything that one figure at one scale is drawn from. plans: the panels' plans, oldest first."""

    figure: str
    scale: str
    panels: list[Panel]
    plans: list[dict]
    runs: Path
    notes: list[str] = field(default_factory=list)

    @property
    def trials(self) -> pd.DataFrame:
        return pd.concat([panel.trials for panel in self.panels], ignore_index=True).drop_duplicates("key")

    @property
    def points(self) -> pd.DataFrame:
        return pd.concat([panel.points for panel in self.panels], ignore_index=True)

    @property
    def missing_text(self) -> str:
        return missing_text(self.trials)

    @property
    def probes(self) -> list[dict]:
        return [row for panel in self.panels for row in panel.probes]


def load_view(plans: list[dict], runs: Path, figure: str, scale: str, keep: dict[str, list]) -> View:
    """Load everything that a figure at a scale is drawn from. keep: see `load_panel`."""
    panels, used = current_panels([plan for plan in plans if plan["scale"] == scale], figure)
    return View(figure, scale, merge([load_panel(runs, panel, scale, keep) for panel in panels]), used, runs)


def load_panel(runs: Path, planned: dict, scale: str, keep: dict[str, list]) -> Panel:
    """Read the trials of a planned panel.

    keep: measured rows that the figure draws, column → values, e.g. {"attack": ["pgd7"]}. The probe is accuracy unless
    `keep` names another: {"probe": ["saliency"]}.
    """
    keep = {"probe": ["accuracy"]} | keep
    trials, rows = [], []
    place = {name: planned[name] for name in ("dataset", "arch", "experiment")}
    place |= {"scale": scale, "variant": formatting.overrides(planned["overrides"])}
    for trial in {(trial["key"], trial["label"]): trial for trial in planned["trials"]}.values():
        facts, measured = read_trial(runs, trial)
        matching = [row for row in measured if all(row.get(column) in values for column, values in keep.items())]
        if facts["status"] == "done" and not matching:
            facts |= {"status": "missing", "note": UNMEASURED}
        trials.append(facts)
        shared = {name: trial[name] for name in ("label", "method", "seed", "key", "lr")}
        rows += [shared | place | row for row in matching]
    frame = pd.DataFrame(trials).astype(dict.fromkeys(("lam", "lr", *NUMBERS), float) | {"seed": int})
    grid = select_learning_rates(frame)[["label", "lam", "lr", "won"]]
    frame["drawn"] = frame.merge(grid, how="left").won.to_numpy() & (frame.status == "done")
    drawn = dict(zip(frame.key[frame.drawn], frame.lam[frame.drawn], strict=True))
    rows = [row for row in rows if row["key"] in drawn]
    points = pd.DataFrame([row for row in rows if row["probe"] == "accuracy"], columns=POINT_COLUMNS)
    points = points.drop_duplicates(["key", "label", "lam", "width", "attack", "epsilon"])  # one vote per network and λ
    points = points.sort_values(["label", "seed", "attack", "width", "lam", "key"], ignore_index=True)
    probes = {
        probe_identity(row): row | {"net_lam": drawn[row["key"]], "folder": runs / "trials" / row["key"]}
        for row in reversed(rows)  # the first of equal rows stays
        if row["probe"] != "accuracy"
    }
    where = {name: planned[name] for name in ("dataset", "arch", "experiment", "overrides")}
    where |= {"stands_for": (planned["stands_for"],), "own": planned.get("own", False)}
    where |= {"pool": planned["trials"][0]["recipe"].get("pool", 1)}
    return Panel(**where, trials=frame, points=points, probes=[probes[identity] for identity in sorted(probes)])


def probe_identity(row: dict) -> tuple:
    """Sort key that tells two rows of a probe apart; a row without λ sorts last."""
    texts = tuple(str(row.get(name, "")) for name in ("branch", "layer", "attack", "surrogate", "key"))
    return (row["label"], row["seed"], row["probe"], row["width"], f"{row.get('lam', math.nan):.6f}", *texts)


def position(dataset: str) -> int:
    """Place of a data set in the paper's order; all other data sets share the last place."""
    order = list(formatting.DATASETS)
    return order.index(dataset) if dataset in order else len(order)


def merge(panels: list[Panel]) -> list[Panel]:
    """Merge panels of the same networks and drawn rows into one that stands for all their data sets.

    Returns panels in the paper's order of data sets, then in the plans' order.
    """
    alike: dict[tuple, list[Panel]] = {}
    for panel in panels:
        networks = frozenset(zip(panel.trials.key, panel.trials.label, strict=True))
        points = panel.points[["key", "label", "lam", "width", "attack", "epsilon", "n"]]
        drawn = frozenset(points.itertuples(index=False, name=None)), frozenset(map(probe_identity, panel.probes))
        alike.setdefault((networks, *drawn), []).append(panel)
    merged = []
    for group in alike.values():
        names = sorted(sorted({name for panel in group for name in panel.stands_for}), key=position)
        experiments = {"experiment": " ".join(dict.fromkeys(panel.experiment for panel in group))}
        points, probes = group[0].points.assign(**experiments), [row | experiments for row in group[0].probes]
        merged.append(replace(group[0], stands_for=tuple(names), points=points, probes=probes))
    return sorted(merged, key=lambda panel: position(panel.stands_for[0]))

"""Plans and results under `runs/` → tidy frames, one set of panels per figure."""

import json
import math
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pandas as pd

from reports.load import formatting, result_schema

MLFLOW = "http://127.0.0.1:5000/#/experiments/{experiment_id}/runs/{run_id}"
TRIAL_WORDS = ("key", "name", "label", "method", "lam", "seed", "lr")  # what a plan says of each trial
POINT_COLUMNS = ["label", "method", "dataset", "scale", "seed", "lam", "width", "attack", "epsilon", "n"]
POINT_COLUMNS += ["clean_correct", "robust_correct", "clean_hits", "robust_hits", "sa", "ra", "key", "lr", "package"]
DAMAGED = (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, OSError)  # what a broken file raises


@dataclass(frozen=True)
class Panel:
    """One data set of a figure.

    trials: a row per planned network: key, name, label, method, lam, seed, lr, status, note, drawn, …
    points: a row per network drawn (the winner of its learning-rate grid) and measured λ, columns POINT_COLUMNS.
    probes: the same for a figure of another probe than accuracy: a dict per measured row (load.result_schema),
    and of its network label, method, seed, key, lr, dataset, scale, net_lam (its own λ, or NaN), and folder.
    """

    dataset: str
    arch: str
    stands_for: tuple[str, ...]
    overrides: dict
    trials: pd.DataFrame
    points: pd.DataFrame
    experiment: str = ""
    probes: list[dict] = field(default_factory=list)

    def only(self, **wanted) -> "Panel":
        """The same panel with those of its measured rows that have these values: `panel.only(width=0.5)`."""
        chosen = (self.points.reindex(columns=list(wanted)) == pd.Series(wanted, dtype=object)).all(axis=1)
        probes = [row for row in self.probes if all(row[name] == value for name, value in wanted.items())]
        return replace(self, points=self.points[chosen].reset_index(drop=True), probes=probes)

    @property
    def title(self) -> str:
        return f"{formatting.dataset(self.dataset)}, {formatting.arch(self.arch)}"

    @property
    def subtitle(self) -> str:
        """What the panel stands in for and what was changed; empty for the paper's own data set."""
        others = [name for name in self.stands_for if name != self.dataset]
        stands = "stands in for " + ", ".join(formatting.dataset(name) for name in others) if others else ""
        return "; ".join(part for part in (stands, formatting.overrides(self.overrides)) if part)

    @property
    def missing(self) -> pd.DataFrame:
        return self.trials[self.trials.status != "done"]

    @property
    def missing_text(self) -> str:
        return formatting.missing(len(self.missing), len(self.trials))


@dataclass(frozen=True)
class View:
    """All that one figure at one scale is drawn from."""

    figure: str
    scale: str
    panels: list[Panel]
    plans: list[dict]  # those that the panels come from, oldest first
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
        trials = self.trials
        return formatting.missing(int((trials.status != "done").sum()), len(trials))

    @property
    def probes(self) -> list[dict]:
        return [row for panel in self.panels for row in panel.probes]


# ---- plans


def read_plans(runs: Path) -> tuple[list[dict], list[str]]:
    """The plans under `runs`, oldest first, and a note for each file that could not be read."""
    plans, notes = [], []
    for path in sorted(runs.glob("plans/*.json")):
        try:
            plan = json.loads(path.read_text("utf-8"))
            for panel in plan["panels"]:
                _ = [panel[word] for word in ("figures", "experiment", "dataset", "arch")]
                _ = [trial[word] for trial in panel["trials"] for word in (*TRIAL_WORDS, "measurements")]
            plans.append((datetime.fromisoformat(plan["created"]).timestamp(), path.name, plan))
        except DAMAGED as error:
            notes.append(f"plan {path.name} could not be read ({formatting.first_line(repr(error))})")
    return [plan for *_, plan in sorted(plans, key=lambda entry: entry[:2])], notes


def draws(panel: dict, figure: str) -> bool:
    return figure in panel["figures"] and bool(panel["trials"])


def mentions(plans: list[dict], figure: str) -> list[dict]:
    return [plan for plan in plans if any(draws(panel, figure) for panel in plan["panels"])]


def current_panels(plans: list[dict], figure: str) -> tuple[list[dict], list[dict]]:
    """The figure's panels as planned and the plans that they come from, from plans of one scale, oldest first.

    The newest plan wins for the same experiment, data set and overrides.
    """
    newest, origin = {}, {}
    for plan in plans:
        for panel in plan["panels"]:
            if draws(panel, figure):
                changed = json.dumps(panel.get("overrides") or {}, sort_keys=True)
                identity = (panel["experiment"], panel["dataset"], panel.get("data_hash"), changed)
                newest[identity], origin[identity] = panel, plan
    used = [plan for plan in plans if any(plan is source for source in origin.values())]
    return list(newest.values()), used


# ---- trials


def read_trial(runs: Path, trial: dict) -> tuple[dict, list[dict]]:
    """A planned trial → what is known of it (`status` done, missing, failed, or unreadable) and its measured rows."""
    folder = runs / "trials" / trial["key"]
    known = {word: trial[word] for word in TRIAL_WORDS}
    known |= {"status": "missing", "note": "", "log": "", "url": ""}
    try:
        if (folder / "results.json").exists():
            content = json.loads((folder / "results.json").read_text("utf-8"))
            facts, found = parse_results(content, trial["measurements"])
            known |= facts | {"status": "done" if found else "missing", "note": "" if found else "not measured yet"}
            known["url"] = mlflow_url(folder / "mlflow.json")
            if found:
                return known, found
    except DAMAGED as error:
        known |= {
            "status": "unreadable",
            "note": f"results.json could not be read ({formatting.first_line(repr(error))})",
        }
    if (folder / "failure.json").exists():
        known |= {"status": "failed"} | read_failure(folder / "failure.json")
    return known, []


def parse_results(results: dict, wanted: list[str]) -> tuple[dict, list[dict]]:
    """results.json → the trial's facts, and the rows of the wanted measurements that are there."""
    measured = [results["measurements"].get(mkey) for mkey in wanted]
    found = [row for one in measured if one for row in result_schema.parse(one)]
    seconds, origin, heldout = results["seconds"], results["provenance"], results["heldout"] or {}
    score = heldout.get("score")
    facts = {
        "heldout": float("nan") if score is None else float(score),
        "epoch": None if heldout.get("epoch") is None else int(heldout["epoch"]),
        "epochs": results["recipe"].get("epochs"),
        "train_images": results["recipe"].get("train_images"),
        "train_seconds": float(seconds["train"]),
        "measure_seconds": float(seconds["measure"]),
        "data_hash": results["recipe"].get("data_hash"),
    }
    facts |= {f"macs_{name}": float(value) for name, value in results.get("macs", {}).items()}  # not in older files
    names = ("git_commit", "host_cpu", "device", "torch", "python", "started", "finished")
    texts = {name: None if origin.get(name) is None else str(origin[name]) for name in names}
    trained_at = [str(name) for name in origin.get("trained_at") or []] or None
    return facts | texts | {"git_dirty": origin.get("git_dirty"), "trained_at": trained_at}, found


def read_failure(path: Path) -> dict:
    try:
        failure = json.loads(path.read_text("utf-8"))
        return {"note": formatting.first_line(failure["reason"]), "log": failure.get("log") or ""}
    except DAMAGED:
        return {"note": "failure.json could not be read"}


def mlflow_url(path: Path) -> str:
    """The run's page in `make ui`; empty where the trial was never ingested."""
    try:
        return MLFLOW.format(**json.loads(path.read_text("utf-8")))
    except DAMAGED:
        return ""


# ---- panels


def select_learning_rates(trials: pd.DataFrame) -> pd.DataFrame:
    """The learning-rate grid: a row per network family (label, lam) and lr, with `score` and `won`.

    trials: columns label, lam, lr, status, heldout. The winner is the lr with the best mean over finished seeds of the
    held-out score (ledger row 8); the test set is never asked. Of equals the larger lr wins. `won` is False
    throughout a family of which nothing has finished.
    """
    done = trials.status == "done"
    table = (
        trials.assign(score=trials.heldout.where(done), done=done)
        .groupby(["label", "lam", "lr"], dropna=False, as_index=False)
        .agg(score=("score", "mean"), done=("done", "sum"), planned=("done", "size"))
    )
    rank = table[table.done > 0].assign(score=lambda t: t.score.fillna(-1.0)).sort_values(["score", "lr"])
    winners = rank.groupby(["label", "lam"], dropna=False).tail(1).index
    return table.assign(won=table.index.isin(winners))


def make_panel(runs: Path, planned: dict, scale: str, keep: dict[str, list]) -> Panel:
    """Read a planned panel's trials; `keep` are the rows the figure draws, e.g. {"attack": ["pgd7"]}.

    They are accuracy's, unless `keep` names another probe: {"probe": ["saliency"]}.
    """
    keep = {"probe": ["accuracy"]} | keep
    trials, found = [], []
    for trial in {(trial["key"], trial["label"]): trial for trial in planned["trials"]}.values():
        known, measured = read_trial(runs, trial)
        kept = [row for row in measured if all(row.get(column) in values for column, values in keep.items())]
        if known["status"] == "done" and not kept:
            known |= {"status": "missing", "note": "not measured yet for this figure"}
        trials.append(known)
        shared = {name: trial[name] for name in ("label", "method", "seed", "key", "lr")}
        found += [shared | {"dataset": planned["dataset"], "scale": scale} | row for row in kept]
    frame = pd.DataFrame(trials).astype({"lam": float, "lr": float, "seed": int})
    for column in ("heldout", "train_seconds", "measure_seconds", "macs_forward", "macs_training"):
        frame[column] = pd.to_numeric(frame[column]) if column in frame else float("nan")
    winners = select_learning_rates(frame).query("won")[["label", "lam", "lr"]]
    won = frame.merge(winners, on=["label", "lam", "lr"], how="left", indicator=True)["_merge"] == "both"
    frame["drawn"] = won.to_numpy() & (frame.status == "done")
    drawn = dict(zip(frame.key[frame.drawn], frame.lam[frame.drawn], strict=True))
    found = [row for row in found if row["key"] in drawn]
    points = pd.DataFrame([row for row in found if row["probe"] == "accuracy"], columns=POINT_COLUMNS)
    points = points.drop_duplicates(["key", "label", "lam", "width", "attack", "epsilon"])  # one vote per network and λ
    points = points.sort_values(["label", "seed", "attack", "width", "lam", "key"], ignore_index=True)
    extra = [
        row | {"net_lam": drawn[row["key"]], "folder": runs / "trials" / row["key"]}
        for row in found
        if row["probe"] != "accuracy"
    ]
    probes = sorted({probe_identity(row): row for row in reversed(extra)}.items())
    where = {"dataset": planned["dataset"], "arch": planned["arch"], "experiment": planned["experiment"]}
    where |= {"stands_for": (planned.get("stands_for") or planned["dataset"],)}
    where |= {"overrides": planned.get("overrides") or {}}
    return Panel(**where, trials=frame, points=points, probes=[row for _, row in probes])


def probe_identity(row: dict) -> tuple:
    """What tells two rows of a probe apart, in order; a λ that is not there sorts last."""
    text = tuple(str(row.get(name, "")) for name in ("branch", "layer", "attack", "surrogate", "key"))
    return (row["label"], row["seed"], row["probe"], row["width"], f"{row.get('lam', math.nan):.6f}", *text)


def merge(panels: list[Panel]) -> list[Panel]:
    """Panels of the same networks, of which the figure draws the same rows, become one that stands for all their
    data sets. In the paper's order, then in the plans'."""
    merged: dict[tuple, list[Panel]] = {}
    for panel in panels:
        networks = frozenset(zip(panel.trials.key, panel.trials.label, strict=True))
        points = panel.points[["key", "label", "lam", "width", "attack", "epsilon", "n"]]
        drawn = frozenset(points.itertuples(index=False, name=None)), frozenset(map(probe_identity, panel.probes))
        merged.setdefault((networks, *drawn), []).append(panel)
    order = list(formatting.DATASETS)

    def place(name: str) -> int:
        return order.index(name) if name in order else len(order)

    found = []
    for same in merged.values():
        names = sorted({name for panel in same for name in panel.stands_for}, key=lambda name: (place(name), name))
        found.append(replace(same[0], stands_for=tuple(names)))
    return sorted(found, key=lambda panel: place(panel.stands_for[0]))


def view(plans: list[dict], runs: Path, figure: str, scale: str, keep: dict[str, list]) -> View:
    """Everything that a figure at a scale is drawn from."""
    panels, used = current_panels([plan for plan in plans if plan["scale"] == scale], figure)
    return View(figure, scale, merge([make_panel(runs, panel, scale, keep) for panel in panels]), used, runs)

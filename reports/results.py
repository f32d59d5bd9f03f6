"""Plans and results under `runs/` → tidy frames, one set of panels per figure."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pandas as pd

from reports import words

MLFLOW = "http://127.0.0.1:5000/#/experiments/{experiment_id}/runs/{run_id}"
TRIAL_WORDS = ("key", "name", "label", "method", "lam", "seed", "lr")  # what a plan says of each trial
POINT_COLUMNS = ["label", "method", "dataset", "scale", "seed", "lam", "width", "attack", "epsilon", "n"]
POINT_COLUMNS += ["clean_correct", "robust_correct", "sa", "ra", "key", "lr"]


@dataclass(frozen=True)
class Panel:
    """One data set of a figure.

    trials: a row per planned network: key, name, label, method, lam, seed, lr, status, note, drawn, …
    points: a row per network drawn (the winner of its learning-rate grid) and measured λ, columns POINT_COLUMNS.
    """

    dataset: str
    arch: str
    stands_for: tuple[str, ...]
    overrides: dict
    trials: pd.DataFrame
    points: pd.DataFrame

    @property
    def title(self) -> str:
        return f"{words.dataset(self.dataset)}, {words.arch(self.arch)}"

    @property
    def subtitle(self) -> str:
        """What the panel stands in for and what was changed; empty for the paper's own data set."""
        others = [name for name in self.stands_for if name != self.dataset]
        stands = "stands in for " + ", ".join(words.dataset(name) for name in others) if others else ""
        return "; ".join(part for part in (stands, words.overrides(self.overrides)) if part)

    @property
    def missing(self) -> pd.DataFrame:
        return self.trials[self.trials.status != "done"]

    @property
    def missing_text(self) -> str:
        total, gone = len(self.trials), len(self.missing)
        return f"{gone} of {words.counted(total, 'network')} missing" if gone else ""


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
        except (ValueError, KeyError, TypeError, OSError) as error:
            notes.append(f"plan {path.name} could not be read ({words.first_line(repr(error))})")
    return [plan for *_, plan in sorted(plans, key=lambda entry: entry[:2])], notes


def draws(panel: dict, figure: str) -> bool:
    return figure in panel["figures"] and bool(panel["trials"])


def mentions(plans: list[dict], figure: str) -> list[dict]:
    return [plan for plan in plans if any(draws(panel, figure) for panel in plan["panels"])]


def current_panels(plans: list[dict], figure: str) -> tuple[list[dict], list[dict]]:
    """The figure's panels and the plans that they come from, from plans of one scale, oldest first.

    The newest plan wins for the same experiment, data set and overrides. Panels of the same networks become one, which
    stands for all their data sets. In the paper's order, then in the plans'.
    """
    newest, origin = {}, {}
    for plan in plans:
        for panel in plan["panels"]:
            if draws(panel, figure):
                changed = panel.get("overrides") or {}
                identity = (
                    panel["experiment"],
                    panel["dataset"],
                    panel.get("data_hash"),
                    json.dumps(changed, sort_keys=True),
                )
                newest[identity], origin[identity] = panel, plan
    merged: dict[frozenset, dict] = {}
    for panel in newest.values():
        same = merged.setdefault(
            frozenset(trial["key"] for trial in panel["trials"]), {**panel, "stands_for": [], "trials": {}}
        )
        same["stands_for"].append(panel.get("stands_for") or panel["dataset"])
        for trial in panel["trials"]:
            known = same["trials"].setdefault(trial["key"], {**trial, "measurements": []})
            known["measurements"] += [mkey for mkey in trial["measurements"] if mkey not in known["measurements"]]
    order = list(words.DATASETS)

    def place(panel: dict) -> int:
        return min((order.index(name) for name in panel["stands_for"] if name in order), default=len(order))

    for panel in merged.values():
        panel["stands_for"] = tuple(sorted(set(panel["stands_for"]), key=lambda name: (*order, name).index(name)))
        panel["trials"] = list(panel["trials"].values())
    used = [plan for plan in plans if any(plan is source for source in origin.values())]
    return sorted(merged.values(), key=place), used


# ---- trials


def read_trial(runs: Path, trial: dict) -> tuple[dict, list[dict]]:
    """A planned trial → what is known of it (`status` done, missing, failed, or unreadable) and its measured rows."""
    folder = runs / "trials" / trial["key"]
    known = {word: trial[word] for word in TRIAL_WORDS}
    known |= {"status": "missing", "note": "", "log": "", "url": ""}
    try:
        if (folder / "results.json").exists():
            facts, rows = parse_results(json.loads((folder / "results.json").read_text("utf-8")), trial["measurements"])
            known |= facts | {"status": "done" if rows else "missing", "note": "" if rows else "not measured yet"}
            known["url"] = mlflow_url(folder / "mlflow.json")
            if rows:
                return known, rows
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        known |= {"status": "unreadable", "note": f"results.json could not be read ({words.first_line(repr(error))})"}
    if (folder / "failure.json").exists():
        known |= {"status": "failed"} | read_failure(folder / "failure.json")
    return known, []


def parse_results(results: dict, wanted: list[str]) -> tuple[dict, list[dict]]:
    """results.json → the trial's facts, and a row per λ of the wanted measurements that are there."""
    rows = []
    for mkey in wanted:
        measured = results["measurements"].get(mkey)
        for row in measured["rows"] if measured else []:
            n, clean, robust = int(row["n"]), int(row["clean_correct"]), int(row["robust_correct"])
            if not (n > 0 and 0 <= clean <= n and 0 <= robust <= n):
                raise ValueError(f"impossible counts {clean}, {robust} of {n}")
            counts = {"n": n, "clean_correct": clean, "robust_correct": robust}
            percent = {"sa": 100 * clean / n, "ra": 100 * robust / n}
            where = {"lam": float(row["lam"]), "width": float(row["width"]), "attack": str(row["attack"])}
            rows.append(where | counts | percent | {"epsilon": float(measured["measurement"]["epsilon"])})
    seconds, origin, heldout = results["seconds"], results["provenance"], results["heldout"] or {}
    score = heldout.get("score")
    facts = {
        "heldout": float("nan") if score is None else float(score),
        "epoch": heldout.get("epoch"),
        "epochs": results["recipe"].get("epochs"),
        "train_images": results["recipe"].get("train_images"),
        "train_seconds": float(seconds["train"]),
        "measure_seconds": float(seconds["measure"]),
    }
    names = ("git_commit", "git_dirty", "host_cpu", "device", "torch", "python", "started", "finished", "trained_at")
    return facts | {name: origin.get(name) for name in names}, rows


def read_failure(path: Path) -> dict:
    try:
        failure = json.loads(path.read_text("utf-8"))
        return {"note": words.first_line(failure["reason"]), "log": failure.get("log") or ""}
    except (ValueError, KeyError, TypeError, OSError):
        return {"note": "failure.json could not be read"}


def mlflow_url(path: Path) -> str:
    """The run's page in `make ui`; empty where the trial was never ingested."""
    try:
        return MLFLOW.format(**json.loads(path.read_text("utf-8")))
    except (ValueError, KeyError, TypeError, OSError):
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
    """Read a planned panel's trials; `keep` are the rows the figure draws, e.g. {"attack": ["pgd7"]}."""
    trials, points = [], []
    for trial in planned["trials"]:
        known, rows = read_trial(runs, trial)
        rows = [row for row in rows if all(row[column] in values for column, values in keep.items())]
        if known["status"] == "done" and not rows:
            known |= {"status": "missing", "note": "not measured yet for this figure"}
        trials.append(known)
        shared = {name: trial[name] for name in ("label", "method", "seed", "key", "lr")}
        points += [shared | {"dataset": planned["dataset"], "scale": scale} | row for row in rows]
    frame = pd.DataFrame(trials).astype({"lam": float, "lr": float, "seed": int})
    for column in ("heldout", "train_seconds", "measure_seconds"):
        frame[column] = pd.to_numeric(frame[column]) if column in frame else float("nan")
    winners = select_learning_rates(frame).query("won")[["label", "lam", "lr"]]
    won = frame.merge(winners, on=["label", "lam", "lr"], how="left", indicator=True)["_merge"] == "both"
    frame["drawn"] = won.to_numpy() & (frame.status == "done")
    points = pd.DataFrame(points, columns=POINT_COLUMNS)
    points = points[points.key.isin(frame.key[frame.drawn])]
    points = points.drop_duplicates(["key", "lam", "width", "attack", "epsilon"])  # one vote per network and λ
    points = points.sort_values(["label", "seed", "attack", "width", "lam", "key"], ignore_index=True)
    where = {"dataset": planned["dataset"], "arch": planned["arch"], "stands_for": planned["stands_for"]}
    return Panel(**where, overrides=planned.get("overrides") or {}, trials=frame, points=points)


def view(plans: list[dict], runs: Path, figure: str, scale: str, keep: dict[str, list]) -> View:
    """Everything that a figure at a scale is drawn from."""
    panels, used = current_panels([plan for plan in plans if plan["scale"] == scale], figure)
    return View(figure, scale, [make_panel(runs, panel, scale, keep) for panel in panels], used, runs)

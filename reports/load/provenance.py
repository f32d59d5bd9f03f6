"""Where a figure came from, as plain values for its JSON file and the page."""

import os
from pathlib import Path

import pandas as pd

from bench.human_units import format_duration
from reports.load import formatting, results
from reports.load.results import Panel, View


def describe(view: View, out: Path) -> dict:
    """Commands, commits, hardware, time, learning rates, networks, and what is missing."""
    trials = view.trials
    done = trials[trials.status == "done"]
    return {
        "scale": view.scale,
        "seeds": sorted(int(seed) for seed in trials.seed.unique()),
        "commands": list(dict.fromkeys(plan.get("command", "") for plan in view.plans)),
        "planned_at": [commit(plan.get("git") or {}) for plan in view.plans],
        "trained_at": tally(shortened(name) for t in done.itertuples() for name in commits(t.trained_at)),
        "measured_at": tally(
            commit({"commit": t.git_commit, "dirty": t.git_dirty == 1}) for t in known(done, "git_commit")
        ),
        "hardware": tally(f"{t.device}; {t.host_cpu}" for t in known(done, "host_cpu")),
        "software": tally(f"torch {t.torch}, Python {t.python}" for t in known(done, "torch")),
        "data": tally(f"{name}, content hash {h[:12]}…" for name, h in data(view)),
        "macs": macs(done),
        "training": format_duration(done.train_seconds.sum()),
        "measuring": format_duration(done.measure_seconds.sum()),
        "from": min((t.started[:10] for t in known(done, "started")), default=""),
        "to": max((t.finished[:10] for t in known(done, "finished")), default=""),
        "panels": [
            {"heading": p.title, "below": p.subtitle, "rates": rates(p.trials), "networks": networks(p, view.runs, out)}
            for p in view.panels
        ],
        "planned": len(trials),
        "missing": missing(trials, view.runs, out),
        "notes": view.notes,
    }


def commit(git: dict) -> str:
    return f"{(git.get('commit') or 'unknown')[:12]}{' (dirty)' if git.get('dirty') else ''}"


def commits(found) -> list[str]:
    """Those a network was trained under; a mark where its directory does not say, a cell that pandas fills with NaN."""
    return found if isinstance(found, list) else ["not recorded"]


def shortened(name: str) -> str:
    """A commit as a trial's directory keeps it, `<hash>` or `<hash>-dirty`."""
    return commit({"commit": name.removesuffix("-dirty"), "dirty": name.endswith("-dirty")})


def known(trials: pd.DataFrame, column: str) -> list:
    """The trials that have the column, as named tuples."""
    return list(trials.dropna(subset=[column]).itertuples()) if column in trials else []


def tally(texts) -> list[str]:
    """Each text once, with how many networks it holds for if there is more than one text."""
    counts = pd.Series(list(texts), dtype=str).value_counts(sort=False)
    return [text if len(counts) == 1 else f"{text} ({formatting.counted(n, 'network')})" for text, n in counts.items()]


def rates(trials: pd.DataFrame) -> list[dict]:
    """The learning-rate grid of each network as text; the winner is marked, and whether it is final."""
    rows = []
    for (label, lam), table in results.select_learning_rates(trials).groupby(["label", "lam"], dropna=False):
        table = table.sort_values("lr", ascending=False)
        scores = [
            f"{t.lr:g}: " + (f"{t.score:.4f} ({t.done} of {t.planned})" if t.done else "nothing finished")
            for t in table.itertuples()
        ]
        won = [f"{lr:g}" for lr in table.lr[table.won]]
        rows.append(
            {
                "network": label if pd.isna(lam) else f"{label}, λ={lam:g}",
                "won": won[0] if won else "none yet",
                "scores": scores,
                "provisional": bool(len(table) > 1 and (table.done < table.planned).any()),
            }
        )
    return rows


def data(view: View) -> list[tuple[str, str]]:
    """(data set, content hash) of every finished network that says so."""
    trials = (panel.trials[panel.trials.status == "done"].assign(dataset=panel.dataset) for panel in view.panels)
    found = pd.concat(trials, ignore_index=True).drop_duplicates("key")
    return [(formatting.dataset(t.dataset), t.data_hash) for t in known(found, "data_hash")]


def macs(done: pd.DataFrame) -> str:
    """What training took in multiply–accumulates, summed over the networks that say so; empty if none does."""
    counted = done.macs_training.dropna()
    some = "" if len(counted) == len(done) else f" ({len(counted)} of {formatting.counted(len(done), 'network')})"
    return f"{counted.sum():.3g} multiply–accumulates{some}" if len(counted) else ""


def networks(panel: Panel, runs: Path, out: Path) -> list[dict]:
    """The finished networks of a panel, for the page's table. `href` leads to the network's directory, where the page
    lies in the same runs directory, so that a copy of it holds both."""
    measured, inside = accuracies(panel.points), out.resolve().is_relative_to(runs.resolve())
    trials = Path(os.path.relpath(runs.resolve() / "trials", out.resolve())).as_posix() if inside else None
    return [
        {
            "name": t.name,
            "key": t.key,
            "seed": int(t.seed),
            "measured": measured.get(t.key, "–"),
            "lr": f"{t.lr:g}",
            "drawn": bool(t.drawn),
            "score": f"{t.heldout:.4f}" if pd.notna(t.heldout) else "–",
            "epoch": " of ".join(f"{int(epoch)}" for epoch in (t.epoch, t.epochs) if pd.notna(epoch)) or "–",
            "time": format_duration(t.train_seconds + t.measure_seconds),
            "macs": f"{t.macs_training:.2e}" if pd.notna(t.macs_training) else "–",
            "url": t.url,
            "href": f"{trials}/{t.key}" if trials else None,
        }
        for t in panel.trials[panel.trials.status == "done"].itertuples(index=False)
    ]


def accuracies(points: pd.DataFrame) -> dict[str, str]:
    """Key → SA / RA as drawn, in percent: one number each, or the range over λ, widths and attacks."""
    spans = points.groupby("key")[["sa", "ra"]].agg(["min", "max"])
    return {
        row[0]: " / ".join(f"{low:.1f}" + f"–{high:.1f}" * (high > low) for low, high in (row[1:3], row[3:5]))
        for row in spans.itertuples(name=None)
    }


def missing(trials: pd.DataFrame, runs: Path, out: Path) -> list[dict]:
    """Networks that are not there and why; a log is linked only where the page lies in the same runs directory."""
    rows = []
    for t in trials[trials.status != "done"].itertuples(index=False):
        rows.append({"name": t.name, "key": t.key, "status": t.status, "note": t.note, "log": t.log, "href": None})
        for log in (runs / "trials" / t.key / t.log, runs / t.log) if t.log else ():
            if log.is_file() and out.resolve().is_relative_to(runs.resolve()):
                rows[-1]["href"] = Path(os.path.relpath(log.resolve(), out.resolve())).as_posix()
                break
    return rows

"""Provenance of a figure as plain values, for its JSON file and the page."""

import os
from pathlib import Path

import pandas as pd

from bench.human_units import format_duration
from reports.load import formatting, trials
from reports.load.panels import Panel, View


def describe(view: View, out: Path) -> dict:
    """Commands, commits, hardware, time, learning rates, networks, and what is missing. out: folder of the page."""
    networks = view.trials
    done = networks[networks.status == "done"]
    return {
        "scale": view.scale,
        "seeds": sorted(int(seed) for seed in networks.seed.unique()),
        "commands": list(dict.fromkeys(plan["command"] for plan in view.plans)),
        "planned_at": [commit_text(plan["git"]) for plan in view.plans],
        "trained_at": tally(commit for t in done.itertuples() for commit in training_commits(t.trained_at)),
        "measured_at": tally(
            commit_text({"commit": t.git_commit, "dirty": t.git_dirty == 1}) for t in with_value(done, "git_commit")
        ),
        "hardware": tally(f"{t.device}; {t.host_cpu}" for t in with_value(done, "host_cpu")),
        "software": tally(f"torch {t.torch}, Python {t.python}" for t in with_value(done, "torch")),
        "data": tally(f"{name}, content hash {data_hash[:12]}…" for name, data_hash in data_hashes(view)),
        "macs": f"{done.macs_training.sum():.3g} multiply–accumulates" if len(done) else "",
        "training": format_duration(done.train_seconds.sum()),
        "measuring": format_duration(done.measure_seconds.sum()),
        "from": min((t.started[:10] for t in with_value(done, "started")), default=""),
        "to": max((t.finished[:10] for t in with_value(done, "finished")), default=""),
        "panels": [
            {
                "heading": panel.title,
                "below": panel.subtitle,
                "rates": rate_rows(panel.trials),
                "networks": network_rows(panel, view.runs, out),
            }
            for panel in view.panels
        ],
        "planned": len(networks),
        "missing": missing_rows(networks, view.runs, out),
        "notes": view.notes,
    }


def commit_text(git: dict) -> str:
    """First 12 digits of a commit, marked if the checkout was dirty."""
    return f"{(git.get('commit') or 'unknown')[:12]}{' (dirty)' if git.get('dirty') else ''}"


def training_commits(commits) -> list[str]:
    """Texts of a network's training commits. commits: list of `<hash>` or `<hash>-dirty`, or NaN if unknown."""
    if not isinstance(commits, list):
        return ["not recorded"]
    return [commit_text({"commit": c.removesuffix("-dirty"), "dirty": c.endswith("-dirty")}) for c in commits]


def with_value(networks: pd.DataFrame, column: str) -> list:
    return list(networks.dropna(subset=[column]).itertuples()) if column in networks else []


def tally(texts) -> list[str]:
    """Distinct texts, each with its number of networks if there is more than one text."""
    counts = pd.Series(list(texts), dtype=str).value_counts(sort=False)
    return [text if len(counts) == 1 else f"{text} ({formatting.counted(n, 'network')})" for text, n in counts.items()]


def rate_rows(networks: pd.DataFrame) -> list[dict]:
    """Learning-rate grid of each network as text, with the winner and whether other seeds may still change it."""
    rows = []
    for (label, lam), table in trials.select_learning_rates(networks).groupby(["label", "lam"], dropna=False):
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


def data_hashes(view: View) -> list[tuple[str, str]]:
    done = (panel.trials[panel.trials.status == "done"].assign(dataset=panel.dataset) for panel in view.panels)
    networks = pd.concat(done, ignore_index=True).drop_duplicates("key")
    return [(formatting.dataset(t.dataset), t.data_hash) for t in with_value(networks, "data_hash")]


def network_rows(panel: Panel, runs: Path, out: Path) -> list[dict]:
    """Finished networks of a panel for the page's table.

    `href` links to the network's directory if the page lies in the same runs directory, so that a copy holds both.
    """
    measured, inside = accuracies(panel.points), out.resolve().is_relative_to(runs.resolve())
    folder = Path(os.path.relpath(runs.resolve() / "trials", out.resolve())).as_posix() if inside else None
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
            "macs": f"{t.macs_training:.2e}",
            "url": t.url,
            "href": f"{folder}/{t.key}" if folder else None,
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


def missing_rows(networks: pd.DataFrame, runs: Path, out: Path) -> list[dict]:
    """Missing networks with the reason. A log is linked only if the page lies in the same runs directory."""
    rows = []
    for t in networks[networks.status != "done"].itertuples(index=False):
        rows.append({"name": t.name, "key": t.key, "status": t.status, "note": t.note, "log": t.log, "href": None})
        for log in (runs / "trials" / t.key / t.log, runs / t.log) if t.log else ():
            if log.is_file() and out.resolve().is_relative_to(runs.resolve()):
                rows[-1]["href"] = Path(os.path.relpath(log.resolve(), out.resolve())).as_posix()
                break
    return rows

"""Provenance of a figure as plain values, for its JSON file and the page."""

import os
from pathlib import Path

import pandas as pd

from bench.human_units import format_duration
from reports.load import formatting, trials
from reports.load.panels import Panel, View

RECORDED = ("trained_at", "measured_at", "hardware", "software", "data")


def describe(view: View, out: Path) -> dict:
    """Commands, commits, hardware, time, learning rates, networks, and what is missing. out: folder of the page."""
    networks = view.trials
    done = networks[networks.status == "done"]
    return {
        "scale": view.scale,
        "seeds": sorted(int(seed) for seed in networks.seed.unique()),
        "commands": list(dict.fromkeys(plan["command"] for plan in view.plans)),
        "planned_at": [formatting.commit(plan["git"]["commit"], plan["git"].get("dirty")) for plan in view.plans],
        **{name: tally(done[name].explode()) for name in RECORDED},
        "macs": f"{done.macs_training.sum():.3g} multiply–accumulates" if len(done) else "",
        "training": format_duration(done.train_seconds.sum()),
        "measuring": format_duration(done.measure_seconds.sum()),
        "from": min(done.started.dropna(), default="")[:10],
        "to": max(done.finished.dropna(), default="")[:10],
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


def tally(texts: pd.Series) -> list[str]:
    """Distinct texts, each with its number of networks if there is more than one text."""
    counts = texts.value_counts(sort=False)
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
        rows.append(
            {
                "network": label if pd.isna(lam) else f"{label}, λ={lam:g}",
                "won": next((f"{lr:g}" for lr in table.lr[table.won]), "none yet"),
                "scores": scores,
                "provisional": bool(len(table) > 1 and (table.done < table.planned).any()),
            }
        )
    return rows


def link(name: str, runs: Path, out: Path) -> str | None:
    """Link from the page to a file in the runs directory; None for a page outside, as a copy must hold both."""
    runs, out = runs.resolve(), out.resolve()
    return Path(os.path.relpath(runs / name, out)).as_posix() if out.is_relative_to(runs) else None


def network_rows(panel: Panel, runs: Path, out: Path) -> list[dict]:
    """Finished networks of a panel for the page's table. `href` links to the network's directory."""
    measured = accuracies(panel.points)
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
            "href": link(f"trials/{t.key}", runs, out),
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
    """Missing networks with the reason, and a link to the log."""
    rows = []
    for t in networks[networks.status != "done"].itertuples(index=False):
        logs = [log for log in (f"trials/{t.key}/{t.log}", t.log) if t.log and (runs / log).is_file()]
        href = link(logs[0], runs, out) if logs else None
        rows.append({"name": t.name, "key": t.key, "status": t.status, "note": t.note, "log": t.log, "href": href})
    return rows

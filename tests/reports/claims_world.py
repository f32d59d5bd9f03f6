"""Simulated runs with a known truth: panels for single predicates, and runs directories as the suites plan them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import save_file

from bench.run.curve_labels import curve_labels
from bench.run.plan_files import write_plan
from bench.spec.expand import Options, plan
from bench.spec.lambda_sets import S1  # noqa: F401, for the tests
from bench.spec.scale import SCALES
from reports.load.panels import POINT_COLUMNS, Panel
from tests.reports.synthetic import correct_columns

SUITES = SCALES.parent


def panel(curves: dict, seeds: int = 3, n: int = 10_000, spread: float = 0.0, rng=None, **fields) -> Panel:
    """Panel of methods {label: {λ: (sa, ra)}}, in percent, optionally with further columns of a point as a dict.

    spread: standard deviation of a training's SA and RA, percentage points, drawn from rng.
    """
    rng = rng or np.random.default_rng(0)
    points, trials = [], []
    for label, curve in curves.items():
        for seed in range(seeds):
            for lam, (sa, ra, *more) in curve.items():
                sa, ra = (accuracy + spread * rng.standard_normal() for accuracy in (sa, ra))
                clean, robust = (int(np.clip(round(n * accuracy / 100), 0, n)) for accuracy in (sa, ra))
                one_lambda = label.startswith("PGD-AT")
                key = f"{label}-{seed}" + (f"-{lam:g}" if one_lambda else "")
                row = {"label": label, "seed": seed, "lam": lam, "width": 1.0, "attack": "pgd7", "n": n, "key": key}
                row |= {"clean_correct": clean, "robust_correct": robust, "sa": 100 * clean / n, "ra": 100 * robust / n}
                bits = correct_columns(clean, robust, n, key, lam, more)
                points.append(row | bits | (more[0] if more else {}))
                trial = {"key": key, "name": key, "label": label, "lam": lam if one_lambda else np.nan}
                trials.append(trial | {"seed": seed})
    frame = pd.DataFrame(trials).drop_duplicates("key").assign(status="done", url="")
    where = {"dataset": "digits", "arch": "wrn-10-1", "stands_for": ("svhn",), "overrides": {}} | fields
    return Panel(**where, trials=frame, points=pd.DataFrame(points, columns=POINT_COLUMNS))


def probed(rows: list[dict]) -> Panel:
    """Panel of probe rows, with width 1 and a key for rows that have none."""
    rows = [{"width": 1.0, "key": f"{row['label']}-{row['seed']}-{row.get('lam')}"} | row for row in rows]
    frame = pd.DataFrame(rows)[["key", "label", "seed"]].drop_duplicates().assign(status="done", url="", name="")
    empty = pd.DataFrame(columns=POINT_COLUMNS)
    return Panel("digits", "wrn-10-1", ("svhn",), {}, trials=frame, points=empty, probes=rows)


# ---- whole runs directories


def truth(label: str, recipe, lam: float, width: float, attack: str) -> tuple[float, float]:
    """SA and RA in percent; every claim's shape is true and pronounced."""
    sa, ra = 95.0 - 12 * lam**0.8, 10 + 50 * lam**0.5
    if label.startswith("OAT") or recipe.method == "oat":
        sa, ra = sa + 1.5, ra + 4.0
    if "normal BN" in label and "S4" not in label:
        sa, ra = 80.0 + 3 * (lam == 0), 55.0 - 2 * (lam == 0)
    if "S4" in label:
        sa, ra = 95.0 - 12 * lam**0.8, 10 + 50 * lam**0.5
    if label == "OATS (normal BN)":
        sa, ra = 60.0, 20.0
    sa, ra = sa + 0.5 * (label == "OAT on S1"), ra + 1.0 * (label == "OAT on S2")
    sa, ra = (value - 2 * (label.startswith("none")) for value in (sa, ra))
    sa, ra = (value - 3 * ("as many epochs" in label) + ("small λ" in label) for value in (sa, ra))
    sa, ra = (value - (label == "one-hot") for value in (sa, ra))
    if width == 0.25:
        sa, ra = sa - 2, ra * 0.3
    drop = 4 * (1 - width)
    return sa - drop, ra - drop - {"pgd20": 1.0, "fgsm": -8.0}.get(attack, 0.0)


def suites(runs: Path, names=None, n: int = 1000, spread: float = 0.05, **options) -> None:
    """Plan suites at laptop scale exactly as the command does, and finish every network as `truth` has it."""
    rng = np.random.default_rng(1)
    extra = [SUITES / "extra" / f"{name}.yaml" for name in ("modern", "peers", "successors")]
    for path in sorted([*SUITES.glob("*.yaml"), *extra]):
        if names is None or path.stem in names:
            planned = plan(path, "laptop", Options(**options))
            write_plan(planned, runs, f"python -m bench run suites/{path.relative_to(SUITES).as_posix()}")
            for planned_panel in planned.panels:
                for trial, label in zip(planned_panel.trials, curve_labels(planned_panel), strict=True):
                    finish(runs, trial, label, n, spread, rng)


def finish(runs: Path, trial, label: str, n: int, spread: float, rng) -> None:
    """Write results.json with the rows of every planned measurement, in addition to its existing rows."""
    folder = runs / "trials" / trial.key
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "results.json"
    entries = json.loads(path.read_text())["measurements"] if path.exists() else {}
    for measurement in trial.measurements:
        if measurement.key not in entries:
            rows = MEASURES[measurement.probe](trial.recipe, label, measurement, folder, n, spread, rng)
            entries[measurement.key] = {"measurement": measurement.model_dump(mode="json"), "rows": rows}
    content = {"key": trial.key, "recipe": trial.recipe.model_dump(mode="json"), "measurements": entries}
    content |= {"heldout": {"score": 0.7, "epoch": 3}, "seconds": {"train": 10.0, "measure": 1.0}}
    content |= {"macs": {"forward": 1e6, "training": 5e9}, "provenance": {"device": "cpu", "git_commit": "0" * 40}}
    path.write_text(json.dumps(content))


def accuracy(recipe, label, measurement, folder, n, spread, rng) -> list[dict]:
    rows = []
    for lam in measurement.lambdas:
        expected = truth(label, recipe, lam, measurement.width, measurement.attack)
        sa, ra = (value + spread * rng.standard_normal() for value in expected)
        clean, robust = (int(np.clip(round(n * value / 100), 0, n)) for value in (sa, ra))
        row = {"lam": lam, "width": measurement.width, "attack": measurement.attack_label, "n": n}
        row |= {"clean_correct": clean, "robust_correct": min(robust, clean)}
        rows.append(row | correct_columns(clean, min(robust, clean), n, recipe.key, lam, measurement.key))
    return rows


def bn_statistics(recipe, label, measurement, folder, n, spread, rng) -> list[dict]:
    lam, branch = recipe.lam, "a"
    mean = rng.normal(3.0 * (lam == 0) + 0.2 * lam, 1.0, 128)
    var = rng.gamma(9.0, 0.1, 128) + 2.0 * (lam == 0)
    row = {"lam": lam, "branch": branch, "width": measurement.width, "layer": "blocks.2.norm2"}
    return [row | {"mean": mean.tolist(), "var": var.tolist()}]


def saliency(recipe, label, measurement, folder, n, spread, rng) -> list[dict]:
    name, rows, tensors = f"saliency-{measurement.key}.safetensors", [], {}
    tensors["images"] = rng.integers(0, 255, (2, 1, 8, 8)).astype(np.uint8)
    tensors |= {"labels": np.array([0, 1]), "index": np.array([0, 1])}
    for lam in measurement.lambdas:
        scores = rng.gamma(9.0, (0.1 + 0.1 * lam) * (1.1 if recipe.method == "oat" else 1.0), 300).astype(np.float32)
        tensors |= {f"alignment/{lam:g}": scores, f"map/{lam:g}": rng.normal(size=(2, 1, 8, 8)).astype(np.float32)}
        row = {"lam": lam, "width": measurement.width, "n": len(scores), "file": name}
        rows.append(row | {"alignment": float(scores.mean()), "alignment_sd": float(scores.std(ddof=1))})
    save_file(tensors, folder / name)
    return rows


def cost(recipe, label, measurement, folder, n, spread, rng) -> list[dict]:
    film = 20_000_000 if recipe.method == "oat" else 0
    row = {"width": measurement.width, "macs": 1_160_000_000 + film, "film_macs": film, "batch": 64, "threads": 1}
    return [row | {"parameters": 21_300_000 + film, "milliseconds": 5.0, "device": "cpu"}]


def switching(recipe, label, measurement, folder, n, spread, rng) -> list[dict]:
    row = {"width": measurement.width, "milliseconds": 5.0, "batch": 64, "threads": 1, "device": "cpu"}
    return [row | {"switched_milliseconds": None if recipe.method == "pgd_at" else 5.5}]


def masking(recipe, label, measurement, folder, n, spread, rng) -> list[dict]:
    """An honest network; PGD leaves 40 of 100 images."""
    rows = [{"lam": lam, "width": measurement.width, "n": 100} for lam in measurement.lambdas]
    if measurement.surrogate:
        named = {"surrogate": measurement.surrogate, "surrogate_name": "pgd-at λ=1 · digits"}
        return [row | named | {"fooled_images": [1, *range(50, 70)]} for row in rows]
    signs = {"clean_correct": 95, "steps": [[7, 48], [20, 46], [50, 45]], "restarts": [[1, 45], [5, 40]]}
    signs |= {"robust_images": list(range(40)), "queries": 200, "square": 1, "margin": 2}
    signs |= {"epsilons": [[0.6, 3], [1.0, 0]], "zero_gradients": 0, "saturated": 4}
    return [row | signs for row in rows]


def transfer(recipe, label, measurement, folder, n, spread, rng) -> list[dict]:
    """RA rises by 1 with every step of λ′ away from λ; choosing λ′ gains nothing over as many tries."""
    grid, rows = measurement.lambdas, []
    for i, lam in enumerate(grid):
        robust = [n * (50 + abs(i - j)) // 100 for j in range(len(grid))]
        row = {"lam": lam, "width": measurement.width, "attack": measurement.attack_label, "n": n, "clean_correct": n}
        row |= {"crafted_at": list(grid), "robust_correct": robust, "worst_correct": n * 46 // 100}
        row |= {"same_tries_correct": n * 45 // 100, "only_lambda": n // 100, "only_starts": n // 50}
        if recipe.norm == "dual":
            row |= {"other_branch_correct": n * 60 // 100, "worst_with_branch_correct": n * 44 // 100}
        if measurement.attack == "pgd50":
            row["joint_correct"] = n * 47 // 100
        rows.append(row)
    return rows


MEASURES = {"accuracy": accuracy, "bn_statistics": bn_statistics, "saliency": saliency, "cost": cost}
MEASURES |= {"masking": masking, "transfer": transfer, "switching": switching}

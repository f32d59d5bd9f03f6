"""Write runs directories in the exact contract format, with invented but plausible numbers."""

import functools
import hashlib
import json
from pathlib import Path

import numpy as np

from bench.measures import correct_bits
from bench.spec.lambda_sets import S1

N = 450
MEASUREMENT = {
    "probe": "accuracy",
    "attack": "pgd7",
    "epsilon": 0.3,
    "step": 0.075,
    "width": 1.0,
    "test_images": None,
    "seed": 0,
}
MKEY = hashlib.sha256(b"pgd7, one lam").hexdigest()[:16]
MKEY_S1 = hashlib.sha256(b"pgd7, S1").hexdigest()[:16]
FRONTIER = {0.0: (97.0, 8.0), 0.1: (96.0, 40.0), 0.2: (95.3, 49.0), 0.3: (94.8, 54.0), 0.4: (94.3, 57.0), 1.0: (92, 62)}
DUAL = {
    0.0: (97.0, 37.3),
    0.1: (96.4, 47.0),
    0.2: (96.0, 51.5),
    0.3: (95.6, 55.0),
    0.4: (95.2, 58.0),
    1.0: (94.4, 62.2),
}
NORMAL = {
    0.0: (95.6, 52.0),
    0.1: (93.7, 61.8),
    0.2: (93.6, 62.1),
    0.3: (93.5, 62.3),
    0.4: (93.4, 62.4),
    1.0: (93, 62.6),
}


def jitter(*words, spread: float) -> float:
    """Reproducible pseudo-random number within ±spread, determined by the words."""
    digest = hashlib.sha256(repr(words).encode()).digest()
    return spread * (int.from_bytes(digest[:4], "big") / 2**31 - 1)


def planned(label: str, lam: float | None, seed: int, dataset: str, arch: str, lr: float = 0.1) -> dict:
    """Trial as a plan lists it."""
    method = "pgd_at" if label.startswith("PGD-AT") else "oat"
    name = f"{label} λ={lam} · {dataset} · {arch} · lr {lr:g} · seed {seed}"
    key = hashlib.sha256(name.encode()).hexdigest()[:16]
    mkeys = [MKEY if lam is not None else MKEY_S1]
    trial = {"key": key, "name": name, "label": label, "method": method, "lam": lam, "seed": seed, "lr": lr}
    recipe = {"lam": lam, "lambdas": list(S1) if lam is None else [], "lam_density": "set", "protocol": {}}
    return trial | {"measurements": mkeys, "recipe": recipe}


def networks(dataset="digits", arch="wrn-10-1", seeds=(0, 1, 2), lrs=(0.1,), labels=("normal", "dual")) -> list[dict]:
    """Eight networks of Figure 4, for each seed and learning rate."""
    kinds = [("PGD-AT", lam) for lam in S1] + [(f"OAT ({norm} BN)", None) for norm in labels]
    return [planned(label, lam, seed, dataset, arch, lr) for label, lam in kinds for seed in seeds for lr in lrs]


def panel(trials: list[dict], dataset="digits", stands_for="svhn", arch="wrn-10-1", overrides=None) -> dict:
    where = {"experiment": stands_for, "figures": ["fig4", "fig8"], "stands_for": stands_for, "dataset": dataset}
    return where | {"arch": arch, "overrides": overrides or {}, "trials": trials}


def write_plan(
    runs: Path, panels: list[dict], scale="laptop", created="2026-11-20T10:00:00+00:00", dirty=False
) -> dict:
    plan = {"suite": "frontiers", "scale": scale, "command": "python -m bench run suites/frontiers.yaml"}
    plan |= {"created": created, "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": dirty}}
    plan |= {"panels": panels}
    name = hashlib.sha256(json.dumps(plan).encode()).hexdigest()[:12]
    write(runs / "plans" / f"{name}.json", plan)
    return plan


def write(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")


def correct_columns(clean: int, robust: int, n: int, *words) -> dict[str, str]:
    """Columns of a row that say which images were right; the words determine the images."""
    return columns_of(clean, robust, n, repr(words))


@functools.cache  # many tests write the same networks
def columns_of(clean: int, robust: int, n: int, words: str) -> dict[str, str]:
    seed = int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big")
    orders = np.random.default_rng(seed).permuted(np.tile(np.arange(n), (2, 1)), axis=1)
    counts = zip(correct_bits.COLUMNS, orders, (clean, robust), strict=True)
    return {name: correct_bits.encode(order < count) for name, order, count in counts}


def accuracy(trial: dict, dataset: str) -> dict[float, tuple[float, float]]:
    """λ → SA and RA of a trial in percent, with small noise per seed."""
    curve = {"PGD-AT": FRONTIER, "OAT (dual BN)": DUAL, "OAT (normal BN)": NORMAL}[trial["label"]]
    down = {"cifar10": 3.5, "stl10": 14.0}.get(dataset, 0.0)
    lambdas = S1 if trial["lam"] is None else (trial["lam"],)
    noise = {lam: [jitter(trial["label"], trial["seed"], lam, i, spread=0.5 + i) for i in (0, 1)] for lam in lambdas}
    return {lam: (curve[lam][0] - down + noise[lam][0], curve[lam][1] - down / 2 + noise[lam][1]) for lam in lambdas}


def results(trial: dict, dataset="digits", n=N, score=0.7, counts: dict | None = None, epsilon=0.3) -> dict:
    """Content of results.json of a trial. counts: λ → (clean correct, robust correct), default plausible ones."""
    curve = accuracy(trial, dataset)
    counts = counts or {lam: (round(sa * n / 100), round(max(ra, 0) * n / 100)) for lam, (sa, ra) in curve.items()}
    rows = [
        {"lam": lam, "width": 1.0, "attack": "pgd7", "n": n, "clean_correct": clean, "robust_correct": robust}
        | correct_columns(min(clean, n), robust, n, trial["key"], lam)
        for lam, (clean, robust) in counts.items()
    ]
    mkey = trial["measurements"][0]
    measured = MEASUREMENT | {"lambdas": list(counts), "epsilon": epsilon}
    recipe = {name: trial[name] for name in ("method", "lam", "lr", "seed")} | {"dataset": dataset, "epochs": 15}
    provenance = {"git_commit": "0123456789abcdef0123456789abcdef01234567", "git_dirty": False, "device": "cpu"}
    provenance |= {"host_cpu": "AMD EPYC, 2 cores", "torch": "2.15.0", "python": "3.11.7"}
    provenance |= {"started": "2026-11-20T10:00:05+00:00", "finished": "2026-11-20T10:00:40+00:00"}
    return {
        "key": trial["key"],
        "recipe": recipe | {"train_images": None, "data_hash": "d" * 64},
        "macs": {"forward": 1e6, "training": 5e9},
        "heldout": {"score": score, "epoch": 12},
        "measurements": {mkey: {"measurement": measured, "rows": rows}},
        "seconds": {"train": 31.2, "measure": 2.0},
        "provenance": provenance,
    }


def finish(runs: Path, trials: list[dict], **kwargs) -> None:
    for trial in trials:
        write(runs / "trials" / trial["key"] / "results.json", results(trial, **kwargs))
        record = {"uri": "sqlite:///RUNS/mlflow.db", "experiment_id": "1", "run_id": trial["key"] * 2}
        write(runs / "trials" / trial["key"] / "mlflow.json", record | {"measurements": [], "tags": {}})


def fail(runs: Path, trial: dict) -> None:
    folder = runs / "trials" / trial["key"]
    write(folder / "failure.json", {"reason": "loss is NaN <at epoch 3>\nTraceback ...", "log": "train.log"})
    (folder / "train.log").write_text("loss is NaN\n", "utf-8")


def laptop(runs: Path, seeds=(0, 1, 2)) -> list[dict]:
    """Write finished runs at laptop scale: digits stand in for three data sets of the paper."""
    trials = networks(seeds=seeds)
    write_plan(runs, [panel(trials, stands_for=name) for name in ("svhn", "cifar10", "stl10")])
    finish(runs, trials)
    return trials


def paper(runs: Path, seeds=(0, 1, 2), n=10_000) -> dict[str, list[dict]]:
    """Write finished runs at the paper's scale: a panel for each of its three data sets."""
    archs = {"svhn": "wrn-16-8", "cifar10": "resnet34", "stl10": "wrn-40-2"}
    trials = {name: networks(name, arch, seeds) for name, arch in archs.items()}
    write_plan(runs, [panel(trials[name], name, name, archs[name]) for name in archs], scale="paper")
    for name in archs:
        finish(runs, trials[name], dataset=name, n=n, epsilon=8 / 255)
    return trials

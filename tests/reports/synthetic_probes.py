"""Runs directories for the figures that show no accuracy: BN statistics, saliency, and cost."""

import hashlib
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from tests.reports import synthetic
from tests.reports.synthetic import S1

IMAGES, CHOSEN = 40, 4  # test images, and those whose maps are kept
COUNTED = {  # width → MACs, FiLM's share, parameters: of ResNet-34, as counted once
    "PGD-ATS": {1.0: (1_159_000_000, 0, 21_300_000), 0.5: (290_000_000, 0, 5_400_000)},
    "OATS (dual BN)": {1.0: (1_171_000_000, 12_000_000, 33_400_000), 0.5: (293_000_000, 3_100_000, 8_500_000)},
}


def rng(*words) -> np.random.Generator:
    """Generator seeded by the words."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(repr(words).encode()).digest()[:8], "big"))


def mkey(*words) -> str:
    return hashlib.sha256(repr(words).encode()).hexdigest()[:16]


def write(
    runs: Path, figure: str, trials: list[dict], rows: dict[str, list[dict]], probe: str, scale="laptop", **panel
):
    """Write a plan of one panel with the figure, and results.json for the trials in `rows` (key → rows)."""
    for trial in trials:
        trial["measurements"] = [mkey(probe, trial["lam"])]
    where = {"dataset": "digits", "stands_for": "cifar10", "arch": "wrn-10-1"} | panel
    synthetic.write_plan(runs, [synthetic.panel(trials, **where) | {"figures": [figure]}], scale)
    for trial in trials:
        if trial["key"] in rows:
            results = synthetic.results(synthetic.planned("PGD-AT", 0.0, 0, "digits", "wrn-10-1"))
            measured = {"measurement": {"probe": probe, "width": 1.0}, "rows": rows[trial["key"]]}
            results |= {"key": trial["key"], "measurements": {trial["measurements"][0]: measured}}
            synthetic.write(runs / "trials" / trial["key"] / "results.json", results)


def networks(labels, seeds) -> list[dict]:
    """PGD-AT and PGD-ATS at every λ of S1, others once."""
    kinds = [(label, lam) for label in labels for lam in (S1 if label.startswith("PGD") else (None,))]
    return [synthetic.planned(label, lam, seed, "digits", "wrn-10-1") for label, lam in kinds for seed in seeds]


def bn(runs: Path, seeds=(0, 1), channels=64, shift=2.0, gone=()) -> list[dict]:
    """Fig. 2: the cloud of λ=0 lies `shift` standard deviations from the others, which move by 0.3 from λ to λ.

    gone: (λ, seed) of missing networks.
    """
    trials, rows = networks(["PGD-AT"], seeds), {}
    for trial in trials:
        lam, seed = trial["lam"], trial["seed"]
        centre = 0.3 * S1.index(lam) - (shift if lam == 0 else 0)
        cloud = rng("bn", lam, seed).normal((centre, 4.0 + centre / 4), (1.0, 0.4), size=(channels, 2))
        row = {"lam": lam, "branch": "a", "width": 1.0, "layer": "blocks.2.norm2", "mean": cloud[:, 0].tolist()}
        if (lam, seed) not in gone:
            rows[trial["key"]] = [row | {"var": np.abs(cloud[:, 1]).tolist()}]
    write(runs, "fig2", trials, rows, "bn_statistics")
    return trials


def saliency(runs: Path, seeds=(0, 1), channels=1, size=8, gone=(), figure="fig10") -> list[dict]:
    """Fig. 10: maps resemble the image more with larger λ, OAT's slightly more than PGD-AT's.

    gone: (label, λ or None, seed) of missing networks.
    """
    trials, rows = networks(["PGD-AT", "OAT (dual BN)"], seeds), {}
    images = rng("images").integers(0, 256, (CHOSEN, channels, size, size), dtype=np.uint8)
    for trial in trials:
        lambdas = S1 if trial["lam"] is None else (trial["lam"],)
        folder, name = runs / "trials" / trial["key"], f"saliency-{mkey('saliency', trial['lam'])}.safetensors"
        if (trial["label"], trial["lam"], trial["seed"]) in gone:
            continue
        tensors = {"images": images, "index": np.arange(CHOSEN), "labels": np.arange(CHOSEN)}
        rows_of_trial = []
        for lam in lambdas:
            noise = rng(trial["label"], lam, trial["seed"]).normal(size=images.shape)
            tensors[f"map/{lam:g}"] = (lam * (images / 255 - 0.5) + 0.2 * noise).astype(np.float32)
            mean = 0.5 + lam + 0.1 * (trial["label"] != "PGD-AT") + 0.02 * trial["seed"]
            scores = (mean + 0.05 * rng("scores").normal(size=IMAGES) + 0.01 * noise.ravel()[:IMAGES]).astype(
                np.float32
            )
            tensors[f"alignment/{lam:g}"] = scores
            row = {"lam": lam, "width": 1.0, "n": IMAGES, "file": name}
            rows_of_trial.append(row | {"alignment": float(scores.mean()), "alignment_sd": float(scores.std(ddof=1))})
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, folder / name)
        rows[trial["key"]] = rows_of_trial
    write(runs, figure, trials, rows, "saliency")
    return trials


def cost(runs: Path, seeds=(0, 1), scale="laptop", arch="wrn-10-1", gone=(), overrides=None) -> list[dict]:
    """Sec. 4.3: two methods at two widths. gone: labels without results."""
    trials = [synthetic.planned(label, None, seed, "digits", arch) for label in COUNTED for seed in seeds]
    rows = {}
    for trial in trials:
        if trial["label"] not in gone:
            rows[trial["key"]] = [
                {"width": width, "macs": macs, "film_macs": film, "parameters": parameters}
                | {"milliseconds": macs / 1e7 + trial["seed"], "batch": 64, "threads": 2, "device": "cpu"}
                for width, (macs, film, parameters) in COUNTED[trial["label"]].items()
            ]
    where = {"arch": arch, "overrides": overrides, "dataset": "cifar10" if arch == "resnet34" else "digits"}
    write(runs, "cost", trials, rows, "cost", scale, **where)
    return trials

"""Predicates on clouds, saliency and cost with a known truth."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from reports.claims import schema
from reports.claims.verdict_rule import INCONCLUSIVE, NOT_REPRODUCED, ONE_SEED, REPRODUCED, verdicts
from reports.statistics import cloud_distances
from reports.statistics.contrasts import MissingNetworks
from tests.reports.claims.test_accuracy_predicates import judged
from tests.reports.claims_world import S1, probed

OAT, AT = "OAT (dual BN)", "PGD-AT"
CLOUDS = {"lambdas": "S1", "apart": 1.5, "largest": 0.87}


def cloud_panel(shifts: dict[float, float], seeds: int = 3, channels: int = 64):
    rng = np.random.default_rng(0)
    rows = [
        {"label": AT, "method": "pgd_at", "seed": seed, "lam": lam, "mean": rng.normal(shift, 1, channels).tolist(),
         "var": rng.gamma(9, 0.1, channels).tolist()}
        for seed in range(seeds)
        for lam, shift in shifts.items()
    ]  # fmt: skip
    return probed(rows)


@pytest.mark.parametrize("seeds", [3, 5])
def test_clouds(seeds):
    alone = dict.fromkeys(S1, 0.0) | {0.0: 4.0}
    steps = {lam: 1.5 * place for place, lam in enumerate(S1)}
    assert judged(cloud_panel(alone, seeds, 128), "apart", **CLOUDS) == REPRODUCED
    assert judged(cloud_panel(steps, seeds), "apart", **CLOUDS) == NOT_REPRODUCED  # a line: λ=0 is an end and no more
    assert judged(cloud_panel(dict.fromkeys(S1, 0.0), seeds, 8), "apart", **CLOUDS) == INCONCLUSIVE  # all one cloud
    spread = {lam: 2.0 * place for place, lam in enumerate(S1)} | {0.0: -40.0}
    assert (
        judged(cloud_panel(spread, seeds), "apart", **CLOUDS) == NOT_REPRODUCED
    )  # apart, but the others do not overlap


def test_each_of_the_three_distances_decides():
    model, function, _ = schema.PREDICATES["apart"]

    def each(shifts: dict[float, float]) -> list[str]:
        return verdicts(function(cloud_panel(shifts, seeds=5, channels=128), model.model_validate(CLOUDS)))

    steps = {lam: 0.4 * place for place, lam in enumerate(S1)}
    assert each(steps)[1] == NOT_REPRODUCED  # from λ=0 to 0.1 it is no farther than between the others
    assert each(dict.fromkeys(S1, 0.0))[0] == NOT_REPRODUCED  # on average no farther from the others than they are
    pairs = dict.fromkeys(S1, 0.0) | {0.0: 9.0, 1.0: 3.0}
    assert each(pairs) == [REPRODUCED, REPRODUCED, NOT_REPRODUCED]  # λ=1 does not overlap with the others


def test_the_largest_distance_is_that_of_normal_clouds_that_share_half_of_their_mass():
    rng = np.random.default_rng(0)
    cloud, other = rng.normal(size=(2, 2000, 2))
    other[:, 0] += 2 * 0.6745
    assert cloud_distances.distances([cloud, other])[0, 1] == pytest.approx(CLOUDS["largest"], abs=0.05)


def test_clouds_without_a_lambda():
    with pytest.raises(MissingNetworks, match="PGD-AT at λ = 0.4; PGD-AT at λ = 1"):
        judged(cloud_panel(dict.fromkeys(S1[:4], 0.0)), "apart", **CLOUDS)


# ---- saliency


def saliency(folder, levels: dict[str, list[float]], seeds: int = 3, images: int = 400, spread: float = 0.02):
    """Panel of saliency rows; alignment varies strongly between images, in the same way for all networks."""
    rng, rows = np.random.default_rng(0), []
    size = rng.gamma(4.0, 0.25, images)
    for label, means in levels.items():
        for seed in range(seeds):
            tensors = {}
            for lam, mean in zip(S1, means, strict=True):
                scores = mean * size * np.exp(0.1 * rng.standard_normal(images) + spread * rng.standard_normal())
                tensors[f"alignment/{lam:g}"] = scores.astype(np.float32)
                row = {"label": label, "seed": seed, "lam": lam, "n": images, "alignment": float(scores.mean())}
                rows.append(row | {"file": f"{label}-{seed}.safetensors", "folder": folder})
            save_file(tensors, folder / f"{label}-{seed}.safetensors")
    return probed(rows)


RISING, LEVEL = [1.0, 1.3, 1.5, 1.7, 1.9, 2.5], [1.0] * 6
RISES = {"label": OAT, "lambdas": "S1", "least": 1, "slack": 0.95}
NO_WORSE = {"label": OAT, "of": AT, "lambdas": "S1", "least": 0.9}


@pytest.mark.parametrize("seeds", [3, 5])
def test_alignment(tmp_path, seeds):
    assert judged(saliency(tmp_path, {OAT: RISING}, seeds), "alignment_rises", **RISES) == REPRODUCED
    assert judged(saliency(tmp_path, {OAT: RISING[::-1]}, seeds), "alignment_rises", **RISES) == NOT_REPRODUCED
    dent = [*RISING[:3], 0.5, *RISING[4:]]
    assert judged(saliency(tmp_path, {OAT: dent}, seeds), "alignment_rises", **RISES) == NOT_REPRODUCED
    assert judged(saliency(tmp_path, {OAT: RISING, AT: RISING}, seeds), "alignment_no_worse", **NO_WORSE) == REPRODUCED
    better = [2 * level for level in RISING]
    measured = saliency(tmp_path, {OAT: RISING, AT: better}, seeds)
    assert judged(measured, "alignment_no_worse", **NO_WORSE) == NOT_REPRODUCED
    measured = saliency(tmp_path, {OAT: LEVEL, AT: LEVEL}, seeds, images=12, spread=0.3)
    assert judged(measured, "alignment_rises", **RISES) == INCONCLUSIVE


def test_one_seed_is_compared_image_by_image(tmp_path):
    """Images differ by far more than methods: unpaired, 400 images could not decide."""
    measured = saliency(tmp_path, {OAT: [1.02] * 6, AT: LEVEL}, seeds=1, spread=0.0)
    model, function, _ = schema.PREDICATES["alignment_no_worse"]
    mean, *each = function(measured, model.model_validate(NO_WORSE))
    assert mean.decides and not any(condition.decides for condition in each)
    for condition in (mean, *each):
        low, high = condition.estimate.bounds(0.99)
        assert low < 1.02 < high and high - low < 0.06
        assert "test images only" in condition.estimate.kind


def test_one_seed_never_decides(tmp_path):
    alone = dict.fromkeys(S1, 0.0) | {0.0: 9.0}
    assert judged(cloud_panel(alone, seeds=1), "apart", **CLOUDS) == ONE_SEED
    measured = saliency(tmp_path, {OAT: RISING, AT: RISING}, seeds=1)
    assert judged(measured, "alignment_rises", **RISES) == ONE_SEED
    assert judged(measured, "alignment_no_worse", **NO_WORSE) == ONE_SEED


def test_a_damaged_file_is_missing(tmp_path):
    measured = saliency(tmp_path, {OAT: RISING, AT: RISING}, seeds=1)
    (tmp_path / f"{AT}-0.safetensors").write_bytes(b"half a fi")
    with pytest.raises(MissingNetworks, match="PGD-AT-0.safetensors of PGD-AT"):
        judged(measured, "alignment_no_worse", **NO_WORSE)
    three = saliency(tmp_path, {OAT: RISING, AT: RISING})  # over seeds the rows suffice
    (tmp_path / f"{AT}-0.safetensors").unlink()
    assert judged(three, "alignment_no_worse", **NO_WORSE) == REPRODUCED


# ---- cost


def costs(film: int, without: int = 1_159_402_496):
    counts = {"PGD-ATS": (without, 21_282_122), "OATS (dual BN)": (without + film, 29_238_474)}
    rows = [
        {"label": label, "seed": seed, "width": width, "macs": int(macs * width), "parameters": parameters}
        for label, (macs, parameters) in counts.items()
        for seed in (0, 1)
        for width in (1.0, 0.5)
    ]
    return probed(rows)


COST = {"label": "OATS (dual BN)", "of": "PGD-ATS", "macs": 1.18, "of_macs": 1.16, "within": 0.02, "overhead": 2.7}


def test_cost_is_exact():
    assert judged(costs(film=20_000_000), "cost", **COST) == REPRODUCED
    assert judged(costs(film=35_000_000), "cost", **COST) == NOT_REPRODUCED
    assert judged(costs(film=2_000_000, without=900_000_000), "cost", **COST) == NOT_REPRODUCED
    model, function, _ = schema.PREDICATES["cost"]
    *_, more, parameters = function(costs(film=20_000_000), model.model_validate(COST))
    assert more.estimate.value == pytest.approx(1.725, abs=1e-3) and more.estimate.bounds(0.95) == (
        more.estimate.value,
        more.estimate.value,
    )
    assert parameters.estimate.value == pytest.approx(37.4, abs=0.05)


def test_cost_without_the_other():
    with pytest.raises(MissingNetworks, match="PGD-ATS"):
        judged(probed([{"label": "OATS (dual BN)", "seed": 0, "macs": 1, "parameters": 1}]), "cost", **COST)

"""The page of a check, and what it recommends, from rows as the parts yield them."""

import pytest

from bench.speed.gpu_check import recommendation
from bench.speed.gpu_check.page import page_text
from bench.speed.gpu_check.parts import PARTS
from tests.speed.gpu_check.results import loss_row, process_row, ratio, results_of, rows_on, timed


def test_the_page_of_a_gpu():
    page = page_text(results_of(rows_on("cuda")))
    assert "`python -m bench.speed gpu-check`: 3.5 min of at most 10 min." in page
    assert "driver 999.1, CUDA 13.2, cuDNN 92000, compute capability 9.0, 132 multiprocessors" in page
    assert "60 GB of 80 GB of memory are free" in page and "10 TFLOP/s in bf16" in page
    assert "| cpu, weights one rounding apart | gpu | fp32 | 0.0e+00 | 1.0e-04 | 1.0001 |" in page
    assert "| cuda | gpu | bf16 | 5.0e-02 | 1.0e-01 | 1.1000 |" in page and "up to 1.0e-03 count as rounding" in page
    # 128 images and 10^12 FLOP in 0.2 s, of 10^13 FLOP/s; kernels take 0.15 s of these
    cells = "200.0 | 640.0 | **2.50** (2.00–3.00) | 5.000 | 50% | 75% | 3 MiB"
    assert f"| wrn-16-8 | 128 | gpu engine, bf16 | {cells} |" in page
    assert "| wrn-16-8 | 128 | gpu engine, fp32 | out of memory | – | – | – | – | – | – |" in page
    assert "| weight update | 100.0 (67%) | 100.0 (67%) |" in page and "dropout" not in page
    assert "| wrn-10-2 | 100 | gpu engine, bf16 | 150.0 | 666.7 | 75% |" in page
    assert "| wrn-10-2 | 300 | gpu engine, bf16 | 150.0 | 2,000.0 | – |" in page
    assert "| wrn-10-2 | 128 | benchmark mode, fp32 | **1.30** (1.30–1.30) |" in page
    assert "| wrn-10-2 | 4 | 205.0 | 2.05 | 2 MiB |" in page and "| wrn-16-8 | 4 | OutOfMemoryError | – | – |" in page
    assert "--gpus-per-trial 0.25` ended with exit code 0 after 65 s: 4 of 4 networks measured, 1 worker killed" in page
    assert "Not as it should be" not in page and "No GPU was measured" not in page


def test_the_recommended_settings():
    rows = rows_on("cuda")
    assert recommendation.settings(results_of(rows)) == [
        "`--set precision=bf16`: fastest on 2 of 2 networks",
        "the default engine (gpu): 2.50 times as fast as the eager one",
        "`--gpus-per-trial 0.25` for wrn-10-2 (times the images/s of one process: 2 processes 1.50, 4 processes 2.05); "
        "`--gpus-per-trial 1` for wrn-16-8 (times the images/s of one process: 2 processes 1.01)",
    ]
    rows["settings"][0]["benchmark"]["bf16"] = ratio(1.2)
    assert recommendation.engine(results_of(rows)).startswith("`BENCH_ENGINE=gpu-autotune` where batches have constant")
    fast = timed(0.1, 0.1, 0.1, engine="gpu-graphs", precision="bf16")
    rows["steps"][0]["sides"]["gpu-graphs engine, bf16"] = fast
    assert recommendation.engine(results_of(rows)) == (
        "`BENCH_ENGINE=gpu-graphs`: 2.00 times as fast as the default engine (gpu)"
    )
    for row in rows["steps"]:
        row["sides"]["eager engine, bf16"]["seconds"] = [0.1, 0.1, 0.1]
    assert recommendation.engine(results_of(rows)).startswith("`BENCH_ENGINE=eager`: the default engine (gpu) is 0.50")
    rows["processes"] = [process_row("wrn-10-2", n, 100.0 + n) for n in (1, 2, 4)]
    assert recommendation.processes(results_of(rows)).startswith("`--gpus-per-trial 1` for wrn-10-2")


def test_a_check_without_rows_or_on_a_cpu_recommends_nothing():
    for parts in ({}, {"device": []}, rows_on("cpu")):
        assert recommendation.settings(results_of(parts)) == [] == recommendation.problems(results_of(parts))
    assert recommendation.settings(results_of({"device": rows_on("cuda")["device"]})) == []


@pytest.mark.parametrize(
    ("losses", "differs"), [((2.0, 1.0009), False), ((2.0, 1.0011), True), ((float("nan"), 1.0), True)]
)
def test_losses_differ_beyond_ten_times_the_yardstick(losses, differs):
    rows = [loss_row("reference", 2.0, 1.0), loss_row("yardstick", 2.0, 1.0001), loss_row("compared", *losses)]
    problems = recommendation.problems(results_of({"loss": rows}))
    assert len(problems) == differs and all("differs from the CPU's" in line for line in problems)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"exit_code": 1, "last_line": "1 trial failed"}, "the suite ended with 1: 1 trial failed"),
        ({"finished": 3}, "the suite has 3 of 4 networks"),
        ({"epochs_once": False}, "an epoch of the suite is missing or there twice"),
        ({"devices": ["NVIDIA T0", "cpu"]}, "the suite trained on the CPU"),
        ({"exit_code": None, "finished": 1, "epochs_once": False, "devices": []}, None),  # its time was over
    ],
)
def test_a_suite_that_went_wrong(change, line):
    rows = rows_on("cuda")
    rows["suite"][0] |= change
    results = results_of(rows)
    assert recommendation.problems(results) == ([line] if line else [])
    page = page_text(results)
    assert line is None or (f"**Not as it should be**:\n- {line}" in page and "none before this is mended" in page)


@pytest.mark.parametrize("reached", range(len(PARTS)))
def test_a_page_at_every_stage(reached):
    """After the first row of each part, with those before it done."""
    rows, names = rows_on("cuda"), list(PARTS)
    parts = {name: rows[name] for name in names[:reached]} | {names[reached]: rows[names[reached]][:1]}
    page = page_text(results_of(parts))
    assert page.count("\n## ") == reached + 2 and "Summary" in page

"""What is timed when λ is switched: each batch is classified twice, first at a new λ."""

from types import SimpleNamespace

import pytest
import torch

from bench.data import Images
from bench.measures.cost import TIMED_BATCH, TIMINGS, time_forward
from bench.measures.switching import WARM_UP, classify, median_milliseconds, switching
from bench.spec.measurement import Measurement
from tests.recipes import images, lively, oat, pgd_at
from tests.recording_engine import RecordingEngine

X, Y = images(4)
IMAGES, MEASUREMENT = Images((X * 255).to(torch.uint8), Y), Measurement(probe="switching")


def test_a_row_with_both_times(make_engine):
    (row,) = switching(make_engine(lively(oat()).eval()), IMAGES, MEASUREMENT, None)
    times = [row.pop(name) for name in ("milliseconds", "switched_milliseconds")]
    assert all(0 < milliseconds < 60_000 for milliseconds in times)
    assert row == {"width": 1.0, "batch": TIMED_BATCH, "threads": torch.get_num_threads(), "device": "cpu"}


def test_each_lambda_is_set_once_and_used_twice(make_engine):
    engine = RecordingEngine(make_engine(lively(oat()).eval()))
    list(switching(engine, IMAGES, MEASUREMENT, None))
    conditions = [forward.cond for forward in engine.passes]
    assert len(conditions) == 2 * (WARM_UP + TIMINGS)
    assert all(first is second for first, second in zip(conditions[::2], conditions[1::2], strict=True))
    assert len({id(cond) for cond in conditions}) == len(conditions) // 2


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_a_gpu_has_finished_before_a_time_is_taken(device, monkeypatch):
    waits = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: waits.append(True))
    x = SimpleNamespace(device=torch.device(device))
    classify(lambda images: None, x)
    engine = SimpleNamespace(condition=lambda *_, **options: None, logits=lambda *_: None)
    time_forward(engine, x, None, 1.0)
    assert len(waits) == (2 if device == "cuda" else 0)


def test_a_network_of_one_lambda_has_no_switch(make_engine):
    (row,) = switching(make_engine(lively(pgd_at()).eval()), IMAGES, MEASUREMENT, None)
    assert row["switched_milliseconds"] is None and row["milliseconds"] > 0


def test_the_median_leaves_out_the_first_timings():
    assert median_milliseconds([9.0, 9.0, 0.001, 0.002, 0.003]) == pytest.approx(2.0)

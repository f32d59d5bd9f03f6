"""A step in a process of its own, and its peak memory."""

import ctypes

import torch

from bench import ROOT
from bench.speed import step_server
from bench.speed.step_process import StepProcess

DIGITS = {"workload": "digits", "task": "oat", "device": "cpu", "reference": None, "threads": 1}


def test_peak_memory_and_seconds_of_a_step():
    with StepProcess(ROOT, implementation="eager", batch=256, **DIGITS) as process:
        first = process.first_step()
        stem = 256 * 17 * 64 * 4  # its in- and output
        assert stem < first.peak_bytes < first.process_bytes < 2**31
        assert first.seconds > 0 and process.seconds_per_step() > 0


def test_peak_memory_is_what_a_step_adds():
    getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)(0)  # memory that other tests freed would be reused first
    allocated_before = torch.ones(2**23)  # 32 MiB
    peak = step_server.peak_memory(lambda: torch.ones(2**24).sum(), torch.device("cpu"))  # 64 MiB, freed at its end
    assert len(allocated_before) and 60 * 2**20 < peak["peak_bytes"] < 80 * 2**20
    assert peak["process_bytes"] > 96 * 2**20


def test_seconds_per_step_repeats_short_steps():
    runs = []
    assert 0 < step_server.seconds_per_step(lambda: runs.append(1), least=0.01) < 0.01 and len(runs) > 1
    runs.clear()
    step_server.seconds_per_step(lambda: runs.append(1), least=0)
    assert len(runs) == 1

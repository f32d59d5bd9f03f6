"""How many trials fit on this machine at once."""

import pytest

from bench.errors import BadInput
from bench.run import gpu_detection, machine_limits
from bench.run.workers import ThisMachine, slots_of
from tests.command import SMALL, bench


@pytest.mark.parametrize(
    ("cpus", "gpus", "cpus_per_trial", "gpus_per_trial", "trials"),
    [(8, 0, 1, 0, 8), (8, 2, 1, 1, 2), (8, 2, 1, 0.25, 8), (8, 2, 1, 0.3, 6), (2, 2, 1, 0.25, 2), (8, 8, 3, 2, 2)]
    + [(8, 0, 1, 0.25, 0), (8, 1, 1, 2, 0), (8, 0, 9, 0, 0)],
)
def test_trials_at_once_by_hand(cpus, gpus, cpus_per_trial, gpus_per_trial, trials, monkeypatch):
    assert slots_of(cpus, gpus, cpus_per_trial, gpus_per_trial) == trials
    monkeypatch.setattr(machine_limits, "cpu_count", lambda: cpus)
    monkeypatch.setattr(gpu_detection, "gpu_count", lambda: gpus)
    assert ThisMachine().slots(cpus_per_trial, gpus_per_trial) == max(1, trials)
    if trials:
        return ThisMachine().require_room(cpus_per_trial, gpus_per_trial)
    reason = f"needs {cpus_per_trial} CPUs and {gpus_per_trial:g} GPUs, and this machine has {cpus} and {gpus}: lower"
    with pytest.raises(BadInput, match=reason):
        ThisMachine().require_room(cpus_per_trial, gpus_per_trial)


def test_a_run_on_more_gpus_than_there_are_is_refused_before_it_begins(tmp_path):
    refused = bench("run", "suites/frontiers.yaml", *SMALL, "--gpus-per-trial", 100, "--runs", tmp_path / "runs")
    assert refused.returncode == 2 and "a trial needs 1 CPUs and 100 GPUs" in refused.stderr
    assert not any((tmp_path / "runs" / name).exists() for name in ("plans", "trials", "mlflow.db", "lock"))

"""Free space before a run, and full disks during one."""

import errno
import json
import shutil
from types import SimpleNamespace

import pytest
import torch

from bench.atomic_write import write_text
from bench.disk_full import disk_full_line, is_disk_full
from bench.errors import BadInput
from bench.run import disk_space
from bench.trial_manifest import write_tensors
from tests.recipes import oat

PARAMETERS = 1_000_000


def plan(runs, trials: int = 3, slots: int = 2, **recipe) -> SimpleNamespace:
    """What disk_space reads of an ExecutionPlan, for networks of a million parameters."""
    remaining = [SimpleNamespace(key=str(seed), recipe=oat(seed=seed, **recipe)) for seed in range(trials)]
    request, estimator = SimpleNamespace(runs=runs), SimpleNamespace(parameters=lambda recipe, info: PARAMETERS)
    infos = {trial.key: None for trial in remaining}
    return SimpleNamespace(remaining=remaining, request=request, estimator=estimator, infos=infos, slots=slots)


def test_a_plan_needs_its_weights_and_the_checkpoints_of_each_slot(tmp_path):
    megabytes = disk_space.bytes_to_write(plan(tmp_path)) / 2**20
    weights = 4 * PARAMETERS / 2**20
    assert 3 * weights + 2 * 6 * weights < megabytes < 1.1 * (15 * weights + 70)


def test_too_little_space_is_one_line_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=100 * 2**20))
    with pytest.raises(BadInput, match=r"GB will be written and 0\.10 GB are free: free some space"):
        disk_space.require_space(plan(tmp_path / "not" / "yet"))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10 * 2**30))
    disk_space.require_space(plan(tmp_path / "not" / "yet"))


def full_disk() -> OSError:
    """The error of a device that is always full."""
    with pytest.raises(OSError) as caught, open("/dev/full", "w") as device:
        device.write("x")
        device.flush()
    return caught.value


def test_a_full_disk_is_recognised_and_named(tmp_path):
    error = full_disk()
    assert is_disk_full(error) and "rerun the same command" in disk_full_line(error, tmp_path)
    assert is_disk_full(RuntimeError("I/O error: No space left on device (os error 28)"))  # as safetensors has it
    assert is_disk_full(OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert not is_disk_full(PermissionError(errno.EACCES, "no")) and not is_disk_full(ValueError("space"))


@pytest.mark.parametrize("write", ["text", "tensors"])
def test_a_write_that_fails_keeps_the_old_file_and_leaves_no_other(tmp_path, monkeypatch, write):
    path = tmp_path / "file.json"
    path.write_text("old")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.replace" if write == "text" else "os.fsync", fail)
    with pytest.raises(OSError):
        write_text(path, "new") if write == "text" else write_tensors(tmp_path, path.name, {"x": torch.zeros(3)}, "key")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_worker_reports_a_full_disk_and_is_not_retried(tmp_path):
    from bench.run.ray_worker import TrialWorker

    def rows():
        yield {"epoch": 1}
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "checkpoint"))

    worker = SimpleNamespace(rows=rows(), directory=tmp_path)
    assert TrialWorker.step(worker) == {"row": '{"epoch": 1}', "done": False}
    last = TrialWorker.step(worker)
    assert last["done"] and str(tmp_path / "checkpoint") in json.loads(last["row"])["disk_full"]

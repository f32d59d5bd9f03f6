"""When running trials stop after a signal or on a full disk."""

import json
import signal
from types import SimpleNamespace

import pytest

from bench.interruption import Interrupted
from bench.run import ray_scheduler
from bench.run.ray_scheduler import EventRelay, StopRequest


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(ray_scheduler.time, "monotonic", lambda: clock.now)
    return clock


def tune_trial(name: str, row: object = None) -> SimpleNamespace:
    result = {"row": json.dumps(row)}
    return SimpleNamespace(trial_id=name, config={"task": {"key": name}}, last_result=result, error_file=None)


def running(*names: str) -> StopRequest:
    stop = StopRequest()
    relay = EventRelay([], None, stop)
    for name in names:
        relay.on_trial_start(0, [], tune_trial(name))
    return stop


def test_nothing_stops_without_a_request(clock):
    stop = running("a")
    assert not stop("a", {}) and not stop.stop_all()


def test_ctrl_c_stops_at_once(clock):
    stop = running("a", "b")
    stop.on_signal(signal.SIGINT, None)
    assert stop.stop_all()


def test_sigterm_lets_each_running_trial_finish_its_epoch(clock):
    stop = running("a", "b")
    stop.on_signal(signal.SIGTERM, None)
    assert not stop.stop_all()
    assert stop("a", {}) and not stop.stop_all()
    assert stop("b", {}) and stop.stop_all()


def test_sigterm_does_not_wait_for_long(clock):
    stop = running("a")
    stop.on_signal(signal.SIGTERM, None)
    clock.now += ray_scheduler.GRACE_SECONDS
    assert stop.stop_all()


def test_a_second_signal_does_not_wait(clock):
    stop = running("a")
    stop.on_signal(signal.SIGTERM, None)
    for number in (signal.SIGINT, signal.SIGTERM):
        with pytest.raises(Interrupted):
            stop.on_signal(number, None)


def test_a_full_disk_stops_all_trials(clock, tmp_path):
    stop, events = running("a", "b"), []
    listener = SimpleNamespace(finished=lambda *event: events.append(event))
    row = {"disk_full": "no space left"}
    trial = tune_trial("a", row)
    relay = EventRelay([listener], tmp_path, stop)
    relay.on_trial_result(0, [], trial, trial.last_result)
    relay.on_trial_complete(0, [], trial)
    assert stop.stop_all() and stop.disk_full == "no space left" and not events  # the trial is not finished


def test_a_finished_trial_is_announced(clock, tmp_path):
    stop, events = running("a"), []
    listener = SimpleNamespace(finished=lambda *event: events.append(event))
    EventRelay([listener], tmp_path, stop).on_trial_complete(0, [], tune_trial("a"))
    assert events == [("a", None)] and not stop.running


def test_a_node_that_cannot_be_used_stops_all_trials(clock, tmp_path):
    stop = running("a", "b")
    trial = tune_trial("a", {"unusable_node": "node: does not see the runs directory"})
    EventRelay([], tmp_path, stop).on_trial_result(0, [], trial, trial.last_result)
    assert stop.stop_all() and stop.unusable_node.startswith("node: ")


def test_deaths_count_only_without_a_finished_epoch_or_measurement(tmp_path, monkeypatch):
    progress, measurements = ["epoch 1"], {}
    monkeypatch.setattr(ray_scheduler, "read_progress", lambda directory, key: progress)
    monkeypatch.setattr(ray_scheduler, "read_results", lambda directory, key: {"measurements": measurements})
    trial = tune_trial("a", {})
    trial.run_metadata = SimpleNamespace(num_failures=0)
    relay = EventRelay([], tmp_path, StopRequest())

    def deaths_after_another(finish=lambda: None) -> int:
        trial.run_metadata.num_failures += 1  # as Tune does
        relay.on_trial_recover(0, [], trial)
        finish()
        relay.on_trial_result(0, [], trial, trial.last_result)
        return trial.run_metadata.num_failures

    assert [deaths_after_another(lambda: progress.append("one more")) for _ in range(4)] == [0] * 4
    assert [deaths_after_another() for _ in range(2)] == [1, 2]
    assert deaths_after_another(lambda: measurements.update(accuracy={})) == 0
    assert deaths_after_another() == 1

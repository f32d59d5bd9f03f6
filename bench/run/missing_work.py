"""What a trial's directory still lacks, which is what a resumed run computes.

Training itself resumes from the directory's `checkpoint/` (bench/training/checkpoint.py).
"""

from pathlib import Path

from bench.spec.measurement import Measurement
from bench.spec.trial import Trial
from bench.trial_dir import is_sound, read_failure, read_results

SURROGATE_UNTRAINED = "this needs the weights of network"  # how the reason of such a failure begins


def missing_measurements(trial: Trial, directory: Path) -> list[Measurement]:
    """The trial's measurements that results.json lacks."""
    finished = read_results(directory, trial.key).get("measurements", {})
    return [measurement for measurement in trial.measurements if measurement.key not in finished]


def is_unfinished(trial: Trial, directory: Path) -> bool:
    """Whether results.json lacks any of the trial's measurements."""
    return bool(missing_measurements(trial, directory))


def has_weights(directory: Path) -> bool:
    """Whether the trial's network is trained."""
    return (directory / "weights.safetensors").is_file()


def has_sound_weights(trials: Path, key: str) -> bool:
    """Whether the network is trained and its weights are undamaged. Reads them all."""
    return is_sound(trials / key, "weights.safetensors", key)


def surrogate_is_ready(trial: Trial, directory: Path) -> bool:
    """Whether the trial failed for want of another network's weights alone, and these weights exist by now."""
    if not (read_failure(directory) or "").startswith(SURROGATE_UNTRAINED):
        return False
    return all(has_sound_weights(directory.parent, key) for key in networks_needed(trial, directory))


def networks_needed(trial: Trial, directory: Path) -> set[str]:
    """Keys of the other networks whose weights the trial still takes: its start, and those of missing measurements."""
    starts_elsewhere = trial.recipe.start is not None and not has_weights(directory)
    start = {trial.recipe.start.key} if starts_elsewhere else set()
    missing = missing_measurements(trial, directory)
    return start | {measurement.surrogate for measurement in missing if measurement.surrogate}

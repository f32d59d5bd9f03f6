"""The Ray Tune actor that runs trials in a worker process."""

import gc
import json
import platform
from pathlib import Path

from bench.run import ray_environment  # noqa: F401, sets variables that Ray reads on import

# isort: split
from ray import tune

from bench.disk_full import disk_full_line, is_disk_full
from bench.run.node_check import why_unusable
from bench.spec import plugins
from bench.spec.trial import Trial
from bench.trial_dir import write_failure

ALL_STOP = "disk_full", "unusable_node"  # rows after which no trial goes on: retries would only repeat the failure
passed_checks: set[str] = set()  # nonces of the node checks that this process has passed


class TrialWorker(tune.Trainable):
    """Runs one trial after another; one Tune step is one epoch of training or one measured λ.

    Reused from trial to trial: a new actor would import torch again, which takes 4–5 s.
    """

    def setup(self, config: dict) -> None:
        import torch  # not at the top: the driver imports this module too, and needs no torch

        from bench.run.trial import run_trial
        from bench.run.trial_device import NoCuda, trial_device

        if not gc.isenabled():  # the worker's first trial (see ray_worker_startup): its imports are never garbage
            gc.freeze()
            gc.enable()
        task = config["task"]
        plugins.load_plugins(task["plugins"])
        torch.set_num_threads(task["threads"])
        self.directory = Path(task["directory"])
        request = task.get("node_check")
        if request and request["nonce"] not in passed_checks:  # the node may have joined after the preflight
            if problem := why_unusable(request):
                self.rows = iter([{"unusable_node": f"{platform.node()}: {problem}"}])
                return
            passed_checks.add(request["nonce"])
        try:
            device = trial_device(task["gpus"])
        except NoCuda as error:
            write_failure(self.directory, str(error), "failure.json")
            self.rows = iter([{"failed": str(error)}])
            return
        trial = Trial.model_validate_json(task["trial"])
        code_version = task["code_version"] | plugins.plugin_provenance()
        self.rows = run_trial(trial, self.directory, Path(task["data_root"]), device, code_version)

    def step(self) -> dict:
        try:
            row = next(self.rows, None)
        except Exception as error:
            if not is_disk_full(error):
                raise
            row = {"disk_full": disk_full_line(error, self.directory)}
        return {"row": json.dumps(row), "done": row is None or any(name in row for name in ALL_STOP)}

    def reset_config(self, new_config: dict) -> bool:
        from bench.run.gpu_memory import return_memory  # imports torch

        self.cleanup()
        return_memory()
        self.setup(new_config)
        return True

    def cleanup(self) -> None:
        close = getattr(self.rows, "close", None)
        if close:
            close()  # releases the lock on the trial's directory

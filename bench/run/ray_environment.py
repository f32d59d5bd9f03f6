"""Environment variables that Ray reads when it is imported: import this module first."""

import os

DEFAULTS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no network at run time
    "RAY_DEDUP_LOGS": "0",
    "RAY_prestart_worker_first_driver": "0",  # Tune's actors use no worker that was started in advance
    "RAY_worker_niceness": "0",  # with Ray's 15, any other process would starve the trials
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_local_fs_capacity_threshold": "1",  # with Ray's 0.95 trials wait for ever on a disk that is nearly full
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # ray_scheduler.StopRequest catches signals
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no CSV, JSON or TensorBoard files beside ours
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
for name, value in DEFAULTS.items():
    os.environ.setdefault(name, value)

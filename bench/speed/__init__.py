"""Benchmarks of speed: `python -m bench.speed` times steps against the authors' code, the eager engine or another
checkout, `python -m bench.speed suite` the suite's own cost, `python -m bench.speed gpu-check` measures a GPU."""

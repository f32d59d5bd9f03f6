"""Simulate runs with a known truth: how often intervals cover it and verdicts are wrong (docs/statistics.md).

`python -m reports.coverage` writes the tables; tests/reports/coverage asks the same of fewer runs.
"""

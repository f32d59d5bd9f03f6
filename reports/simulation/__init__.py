"""Simulate runs with a known truth: how often intervals cover it and verdicts are wrong (docs/statistics.md).

`python -m reports.simulation` writes the tables; tests/reports/simulation asks the same of fewer runs. A tool for the
documentation: no report imports it.
"""

"""How often intervals hold and verdicts are wrong, on simulated runs whose truth is known: docs/statistics.md.

worlds: runs of networks with a given truth. intervals: coverage. rates: false verdicts. `python -m reports.coverage`
writes the tables; tests/reports/test_coverage.py asks the same of fewer runs.
"""

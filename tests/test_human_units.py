"""Durations and byte counts as text."""

import pytest

from bench.human_units import format_bytes, format_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (99, "99 s"),
        (100, "1.7 min"),
        (45 * 60, "45 min"),
        (3.5 * 3600, "3.5 h"),
        (71 * 3600, "71 h"),
        (12 * 86400, "12 days"),
    ],
)
def test_durations(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(400, "0.4 kB"), (999_400, "999 kB"), (170e6, "170 MB"), (2.6e9, "2.6 GB"), (26e9, "26 GB")]
)
def test_byte_counts(count, text):
    assert format_bytes(count) == text

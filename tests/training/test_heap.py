"""Freed memory is kept within, and glibc's own thresholds hold afterwards, also after an error."""

import pytest

from bench.training import heap


def test_both_thresholds_are_set_and_set_back(monkeypatch):
    calls = []
    monkeypatch.setattr(heap, "mallopt", lambda: lambda name, value: calls.append((name, value)))
    with pytest.raises(KeyError), heap.kept():
        assert dict(calls) == heap.KEEP
        calls.clear()
        raise KeyError
    assert dict(calls) == heap.DEFAULT


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(heap, "mallopt", lambda: None)
    with heap.kept():
        pass

"""Freed memory is kept within, and glibc's own thresholds hold afterwards, also after an error."""

import pytest

from bench.engines.cpu import malloc


def test_both_thresholds_are_set_and_set_back(monkeypatch):
    calls = []
    monkeypatch.setattr(malloc, "mallopt", lambda: lambda name, value: calls.append((name, value)))
    with pytest.raises(KeyError), malloc.keep_freed_memory():
        assert dict(calls) == malloc.KEEP
        calls.clear()
        raise KeyError
    assert dict(calls) == malloc.DEFAULT


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(malloc, "mallopt", lambda: None)
    with malloc.keep_freed_memory():
        pass

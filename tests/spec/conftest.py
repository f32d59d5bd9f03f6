"""Suites and scales are parsed once: most of the time of a plan."""

import functools
import pickle

import pytest

from bench.spec import strict_yaml


@functools.cache
def parsed(parse, text: str, path) -> bytes:
    return pickle.dumps(parse(text, path))


@pytest.fixture(scope="module", autouse=True)
def parse_each_text_once():
    """In place of the parser, one that remembers; each call has a document of its own."""
    parse = strict_yaml.parse
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strict_yaml, "parse", lambda text, path: pickle.loads(parsed(parse, text, path)))
        yield

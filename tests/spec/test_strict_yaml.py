"""Strict YAML: plain data with lines, and one line of `file:line: …` for whatever is wrong."""

import pydantic
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import BadInput, unknown
from bench.spec.strict_yaml import Document, build, read

GOOD = """\
# a comment
suite: name
items:
  - {a: 1, b: 8/255}
  - a: 2.5
    b: null
more: &anchor
  x: [1, two, true]
again:
  <<: *anchor
  y: 3
"""


class Item(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    a: float
    b: str | None = None


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    suite: str
    items: list[Item]
    kind: str = "plain"
    more: dict = {}
    again: dict = {}


@pytest.fixture
def document(tmp_path, monkeypatch):
    """Reads text as suite.yaml in the working directory."""
    monkeypatch.chdir(tmp_path)

    def of(text):
        path = tmp_path / "suite.yaml"
        path.write_bytes(text) if isinstance(text, bytes) else path.write_text(text)
        return read(path)

    return of


def complaint(call, *arguments) -> str:
    with pytest.raises(BadInput) as caught:
        call(*arguments)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_data_is_what_pyyaml_reads(document):
    assert document(GOOD).data == yaml.safe_load(GOOD)


def test_lines_of_keys_and_items(document):
    lines = document(GOOD).lines
    assert lines[("suite",)] == 2 and lines[("items", 1)] == 5 and lines[("items", 1, "b")] == 6
    assert lines[("items", 0, "b")] == 4 and lines[("more", "x", 2)] == 8 and lines[("again", "y")] == 11


def test_a_model_is_returned(document):
    assert document(GOOD).validate(Model).items[1] == Item(a=2.5)


BAD = {
    "unknown field": ("suite: s\nitmes: []\n", "2: unknown field 'itmes', did you mean 'items'?"),
    "unknown nested field": ("suite: s\nitems:\n- a: 1\n- aa: 1\n  a: 1\n", "4: unknown field 'aa', did you mean 'a'?"),
    "missing field": ("suite: s\n", "1: field 'items' is missing"),
    "missing nested field": ("suite: s\nitems:\n  - {b: x}\n", "3: field 'items.0.a' is missing"),
    "wrong type": ("suite: s\nitems:\n  - a: many\n", "3: items.0.a: Input should be a valid number"),
    "no list": ("items: 3\nsuite: s\n", "1: items: Input should be a valid list"),
}


@pytest.mark.parametrize(("text", "expected"), BAD.values(), ids=BAD)
def test_a_wrong_part_is_found_by_its_line(text, expected, document):
    assert complaint(document(text).validate, Model).startswith(f"suite.yaml:{expected}")


UNREADABLE = {
    "duplicate key": (b"a: 1\nb: 2\na: 3\n", "3: 'a' is given twice"),
    "nested duplicate key": (b"a:\n  b: 1\n  b: 2\n", "3: 'b' is given twice"),
    "tab": (b"a:\n\tb: 1\n", "2: found character '\\t' that cannot start any token"),
    "unclosed": (b"a: [1, 2\nb: 3\n", "2: "),
    "indentation": (b"a: 1\n  b: 2\n", "2: mapping values are not allowed here"),
    "unknown alias": (b"a: 1\nb: *nowhere\n", "2: found undefined alias"),
    "two documents": (b"a: 1\n---\nb: 2\n", "2: "),
    "empty": (b"", "1: a mapping is expected"),
    "only a comment": (b"# nothing\n", "1: a mapping is expected"),
    "a list": (b"- a\n", "1: a mapping is expected"),
    "a word": (b"hello\n", "1: a mapping is expected"),
    "a list as key": (b"a: 1\n? [b]\n: 2\n", "1: a key must be a plain word"),
    "no such date": (b"a: 1\nb: 2020-13-45\n", "2: '2020-13-45' cannot be read as timestamp"),
    "a tag that does not fit": (b"a: !!bool perhaps\n", "1: 'perhaps' cannot be read as bool"),
    "an unknown tag": (b"a: !!python/object:os.system x\n", "1: could not determine a constructor"),
    "a merged word": (b"a: 1\n<<: b\n", "1: `<<` takes one mapping"),
    "a control character": (b"a: 1\nb: \x00\n", "2: special characters are not allowed: '\\x00'"),
    "an anchor in itself": (b"a: &x [*x]\n", "1: is nested too deeply"),
    "deep nesting": (b"a: " + b"[" * 1000, "1: is nested too deeply"),
}


@pytest.mark.parametrize(("text", "expected"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_named_by_its_line(text, expected, document):
    assert complaint(document, text).startswith(f"suite.yaml:{expected}")


def test_a_binary_file(document):
    assert complaint(document, b"\x93NUMPY\x01\xff\xfe").startswith("suite.yaml: cannot be read: 'utf-8' codec")


def test_an_absent_file_and_a_folder(tmp_path):
    assert complaint(read, tmp_path / "no.yaml") == f"{tmp_path}/no.yaml: cannot be read: No such file or directory"
    assert complaint(read, tmp_path) == f"{tmp_path}: cannot be read: Is a directory"


def test_a_place_without_a_line_takes_its_parent_s(document):
    parsed = document(GOOD)
    assert complaint(parsed.fail, ("items", 1, "c", 0), "is odd") == "suite.yaml:5: is odd"


texts = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=8)  # control characters are refused
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False) | texts,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text("abc", min_size=1), children, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), values, max_size=4))
def test_whatever_pyyaml_writes_is_read_back(data):
    text = yaml.safe_dump(data)
    document = Document(None, None)
    assert build(yaml.compose(text, yaml.SafeLoader), (), document) == data


def test_unknown_suggests_only_what_is_close():
    assert unknown("field", "epoch", ["epochs", "lr"]) == (
        "unknown field 'epoch', did you mean 'epochs'? (allowed: epochs, lr)"
    )
    assert unknown("field", "zzz", ["epochs"]) == "unknown field 'zzz' (allowed: epochs)"

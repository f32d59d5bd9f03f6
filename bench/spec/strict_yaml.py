"""Strict YAML with the line of each key and item, so that an error can name `file:line`."""

import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import pydantic
import yaml

from bench.errors import BadInput, unknown
from bench.spec.limits import TrueIsNoNumber

MAX_BYTES = 200_000  # of a file; the paper's suites have 3,000. PyYAML reads 100,000 a second
MAX_VALUES = 20_000  # of a document with its aliases written out, of which a few lines can make billions
NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters, but tab and newline are text

Location = tuple[str | int, ...]
Model = TypeVar("Model", bound=pydantic.BaseModel)


class Strict(TrueIsNoNumber):
    """Model of a part of a file that refuses unknown fields."""

    model_config = pydantic.ConfigDict(extra="forbid")


@dataclass
class Document:
    """Parsed file: plain `data`, and the line of each key and item by its location in it."""

    path: Path
    data: Any
    lines: dict[Location, int] = field(default_factory=dict)
    values: int = 0  # built so far

    def fail(self, location: Location, message: str) -> NoReturn:
        """Raise BadInput at the deepest known part of `location`."""
        while location not in self.lines and location:
            location = location[:-1]
        raise BadInput(f"{shown(self.path)}:{self.lines.get(location, 1)}: {message}")

    def validate(self, model: type[Model], location: Location = ()) -> Model:
        """The part at `location` as `model`. Raises BadInput for the first error in it."""
        data = self.data
        for step in location:
            data = data[step]
        try:
            return model.model_validate(data)
        except pydantic.ValidationError as error:
            first = first_error(error)
            self.fail(location + first["loc"], explain(first, model))


def first_error(error: pydantic.ValidationError) -> dict:
    """The error to report: an unknown field before a missing one, of which it may be a misspelling."""
    return min(error.errors(), key=lambda detail: detail["type"] != "extra_forbidden")


def explain(error: dict, model: type[pydantic.BaseModel]) -> str:
    """One pydantic error as a line for the user."""
    loc, kind = error["loc"], error["type"]
    where = ".".join(str(step) for step in loc)
    if kind == "extra_forbidden":
        return unknown("field", loc[-1], fields_at(model, loc[:-1]))
    if kind == "missing":
        return f"field {where!r} is missing"
    if kind == "literal_error":
        return unknown(f"value for {where}:", error["input"], re.findall(r"'([^']*)'", error["ctx"]["expected"]))
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


def fields_at(model: Any, loc: Location) -> list[str]:
    """Names of the fields of the nested model that `loc` leads to."""
    for step in loc:
        if not hasattr(model, "model_fields"):  # list[Item] or dict[str, Item]
            model = getattr(model, "__args__", (None,))[-1]
        elif step in model.model_fields:
            model = model.model_fields[step].annotation
        else:
            return []
    return list(getattr(model, "model_fields", {}))


def read(path: Path) -> Document:
    """Parse a file. Raises BadInput where it is absent, not YAML, not a mapping, or has a key twice."""
    document = parse(read_text(path), path)
    if not isinstance(document.data, dict):
        raise BadInput(f"{shown(path)}:1: a mapping is expected, such as `suite: name`")
    return document


def read_text(path: Path) -> str:
    """The text of a plain file of at most MAX_BYTES bytes. Raises BadInput."""
    try:
        kind = path.stat().st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):  # a pipe could make the command wait for ever
            raise BadInput(f"{shown(path)}: cannot be read: not a plain file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise BadInput(f"{shown(path)}: has more than {MAX_BYTES:,} bytes, too many for a suite or a scale")
        return content.decode("utf-8")
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a NUL in the path
        raise BadInput(f"{shown(path)}: cannot be read: {getattr(error, 'strerror', error)}") from None


def parse(text: str, path: Path) -> Document:
    """Parse YAML; `path` is named in errors. Raises BadInput."""
    document = Document(path, None)
    try:
        node = yaml.compose(text, yaml.SafeLoader)
        document.data = build(node, (), document) if node else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise BadInput(f"{shown(path)}{line}: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise BadInput(f"{shown(path)}:{line}: {error.reason}: {chr(error.character)!r}") from None
    except RecursionError:
        raise BadInput(f"{shown(path)}:1: is nested too deeply, or an anchor contains itself") from None
    except (ValueError, OverflowError) as error:  # of PyYAML's scanner: an escape such as "\\U00110000"
        raise BadInput(f"{shown(path)}:1: cannot be read: {error}") from None
    return document


def build(node: yaml.Node, at: Location, document: Document) -> Any:
    """Plain Python objects of a node tree; their lines go into the document."""
    document.lines.setdefault(at, node.start_mark.line + 1)
    document.values += 1
    if document.values > MAX_VALUES:
        document.fail(at, f"the file has more than {MAX_VALUES:,} values, counting those that aliases repeat")
    if isinstance(node, yaml.SequenceNode):
        return [build(child, (*at, i), document) for i, child in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        result, merged = {}, {}
        for key_node, value_node in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":  # `<<: *anchor`, overridden by the keys beside it
                if not isinstance(value_node, yaml.MappingNode):
                    document.fail(at, "`<<` takes one mapping, such as `<<: *anchor`")
                merged |= build(value_node, at, document)
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                document.fail(at, "a key must be a plain word")
            key = key_node.value
            if NO_TEXT.search(key):
                document.fail(at, f"the key {key!r} has a character that is no text")
            document.lines[(*at, key)] = key_node.start_mark.line + 1
            if key in result:
                document.fail((*at, key), f"{key!r} is given twice")
            result[key] = build(value_node, (*at, key), document)
        return merged | result
    return scalar(node, at, document)


def scalar(node: yaml.ScalarNode, at: Location, document: Document) -> Any:
    """The number, text, date, truth value or None that a node stands for."""
    try:
        value = yaml.SafeLoader("").construct_object(node)
        if isinstance(value, bytes):
            raise ValueError
    except (ValueError, KeyError, AttributeError, OverflowError, RecursionError):  # as of `!!bool maybe`
        document.fail(at, f"{node.value[:40]!r} cannot be read as {node.tag.rpartition(':')[2]}")
    if isinstance(value, str) and NO_TEXT.search(value):
        document.fail(at, f"{value[:40]!r} has a character that is no text")
    if isinstance(value, int) and abs(value) >= 2**63:
        document.fail(at, f"{node.value[:40]!r} is too large a number")
    return value


def shown(path: Path) -> str:
    """The path as a user would type it: relative when below the working directory."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):  # elsewhere, or too long a name
        return str(path)

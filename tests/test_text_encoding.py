"""No text file is read or written in the locale's encoding: each call names one."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted(path for folder in ("bench", "reports") for path in (ROOT / folder).rglob("*.py"))
MODE = {"open": 1, "fdopen": 1, "TemporaryFile": 0, "NamedTemporaryFile": 0}  # position of the mode, by name
TEXT_ARGUMENT = {"read_text": 0, "write_text": 1}  # position of the encoding
NOT_FILES = ("tarfile", "lzma", "Image", "os", "module", "webbrowser")  # whose `open` reads bytes, or a page


def calls_without_encoding(source: str) -> list[int]:
    """Lines of the calls that open text, or run a process for its text, without an encoding."""
    return [node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and is_implicit(node)]


def is_implicit(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    if "encoding" in keywords:
        return False
    if name in TEXT_ARGUMENT:
        return len(call.args) <= TEXT_ARGUMENT[name]
    if getattr(keywords.get("text"), "value", False) or "universal_newlines" in keywords:
        return True
    owner = getattr(call.func, "value", None)
    if name not in MODE or name == "open" and getattr(owner, "id", "") in NOT_FILES:
        return False
    method = isinstance(call.func, ast.Attribute) and name == "open"  # path.open("w")
    position = 0 if method else MODE[name]
    mode = keywords.get("mode", call.args[position] if len(call.args) > position else None)
    default = "w+b" if name.endswith("TemporaryFile") else "r"
    modes = [mode.body, mode.orelse] if isinstance(mode, ast.IfExp) else [mode]
    return any("b" not in getattr(choice, "value", default) for choice in modes)


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("open('f')\nopen('f', 'rb')\nopen('f', 'w', encoding='utf-8')\npath.open('a')", [1, 4]),
        ("p.read_text()\np.read_text('utf-8')\np.write_text('a')\np.write_text('a', 'utf-8')", [1, 3]),
        ("subprocess.run(c, text=True)\nsubprocess.run(c, text=True, encoding='utf-8')", [1]),
        ("TemporaryFile('w+')\nTemporaryFile()\nos.fdopen(1, 'w')\nos.fdopen(1, 'wb')", [1, 3]),
    ],
)
def test_the_check_finds_each_kind(source, lines):
    assert calls_without_encoding(source) == lines


def test_every_text_file_has_an_encoding():
    lines_of = {str(path.relative_to(ROOT)): calls_without_encoding(path.read_text("utf-8")) for path in FILES}
    assert len(FILES) > 150 and {name: lines for name, lines in lines_of.items() if lines} == {}

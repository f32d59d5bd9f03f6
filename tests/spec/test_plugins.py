"""Plugins: what a file registers, and the one line that a bad one is answered with."""

import hashlib
import subprocess
import sys

import pytest

from bench.errors import BadInput
from bench.spec import plugins
from bench.spec.plugins import load_plugins, plugin_provenance
from bench.spec.registry import ATTACKS, TABLES, lookup, resolve
from tests.command import ROOT, bench

SIGNS = '''"""An attack."""

from bench.spec.registry import Attack, register


def random_signs(logits, x, y, epsilon, **rest):
    return x


register(Attack("signs", f"{__name__}:random_signs", steps=1, start="image"))
'''


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """The registry and the loaded plugins, restored after a test."""
    before = {kind: dict(table) for kind, table in TABLES.items()}
    monkeypatch.setattr(plugins, "LOADED", {})
    modules = set(sys.modules)
    yield
    for kind, table in TABLES.items():
        table.clear()
        table.update(before[kind])
    for name in set(sys.modules) - modules:
        if name.startswith("bench_plugin_"):
            del sys.modules[name]


@pytest.fixture
def written(tmp_path):
    def write(text, name="signs.py"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def complaint(path) -> str:
    with pytest.raises(BadInput) as caught:
        load_plugins([path])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_plugin_registers_once_and_its_content_is_recorded(written):
    path = written(SIGNS)
    load_plugins([path, path])
    load_plugins([str(path)])
    assert resolve(ATTACKS["signs"])(None, 5, None, 0.1) == 5 and ATTACKS["signs"].loss == ATTACKS["pgd7"].loss
    assert plugin_provenance() == {"plugins": {"signs.py": hashlib.sha256(SIGNS.encode()).hexdigest()}}


def test_without_plugins_the_provenance_is_as_before():
    assert plugin_provenance() == {}


BAD = {  # content, and what follows the file's name
    "syntax": ("x = 1\ndef f(:\n", ":2: SyntaxError: invalid syntax"),
    "import": ("x = 1\n\nimport no_such_module\n", ":3: ModuleNotFoundError: No module named 'no_such_module'"),
    "raises below": ("def f():\n    return {}[1]\n\n\nf()\n", ":2: KeyError: 1"),
    "exits": ("raise SystemExit\n", ":1: SystemExit"),
    "two lines": ("raise RuntimeError('first\\nsecond')\n", ":1: RuntimeError: first"),
    "name taken": (SIGNS.replace('"signs"', '"pgd7"'), ":10: attack 'pgd7' is registered already"),
    "target": (SIGNS.replace("{__name__}:", ""), ":10: target of attack 'signs': module:function is expected, not"),
    "field": (SIGNS.replace("steps", "stepz"), ":10: TypeError: Attack.__init__() got an unexpected keyword"),
    "bytes": ("\0", ":1: "),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD)
def test_a_bad_plugin_is_one_line_with_file_and_line(text, said, written):
    path = written("")
    path.write_bytes(text.encode())
    assert f"signs.py{said}" in complaint(path)


def test_a_bad_plugin_leaves_the_registry_as_it_was(written):
    path = written(SIGNS + "1 / 0\n")
    assert complaint(path).endswith(":11: ZeroDivisionError: division by zero")
    assert "signs" not in ATTACKS and plugin_provenance() == {}
    path.write_text(SIGNS)
    load_plugins([path])
    assert "signs" in ATTACKS


def test_a_missing_plugin_and_a_second_one_of_the_same_name(written, tmp_path):
    assert complaint(tmp_path / "none.py").endswith("none.py: cannot be read: No such file or directory")
    assert complaint(tmp_path).endswith(": cannot be read: Is a directory")
    load_plugins([written(SIGNS)])
    (tmp_path / "other").mkdir()
    assert complaint(written("", "other/signs.py")).endswith("another plugin has the name signs.py")


def test_an_unknown_name_is_answered_with_the_nearest_one(written):
    load_plugins([written(SIGNS)])
    with pytest.raises(ValueError, match="unknown attack 'sgns', did you mean 'signs'?"):
        lookup(type(ATTACKS["signs"]), "sgns")


@pytest.mark.parametrize("verb", ["plan", "run", "report", "trial"])
def test_a_bad_plugin_is_exit_code_2_of_every_verb_that_takes_one(verb, written, tmp_path):
    words = {"plan": ["suites/frontiers.yaml"], "run": ["suites/frontiers.yaml"], "report": []}
    words["trial"] = ["recipe.json", "--directory", tmp_path / "out"]
    done = bench(verb, *words[verb], "--plugin", written("x = 1\n1 / 0\n"))
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.strip().endswith("signs.py:2: ZeroDivisionError: division by zero")
    assert done.stderr.count("\n") == 1


def test_the_registry_imports_nothing_heavy():
    look = "import sys, bench.spec.plugins, bench.spec.expand; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"torch", "numpy", "bench.training.objectives", "bench.attacks.pgd"}

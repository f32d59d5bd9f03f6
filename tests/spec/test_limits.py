"""What a suite, a scale or an option may not ask for is refused in one line, within seconds, and writes nothing."""

import os
import time
from pathlib import Path

import pytest

from bench import ROOT
from bench.errors import BadInput, one_line
from bench.spec.architectures import code_dim, wrn_sizes
from bench.spec.expand import Options, plan
from bench.spec.recipe import Recipe
from bench.spec.registry import Attack, Figure, register
from bench.spec.strict_yaml import read

SMOKE = (ROOT / "suites" / "scales" / "smoke.yaml").read_text("utf-8")
SUITE = """\
suite: mine
about: a test
experiments:
  one:
    figures: [fig4]
    dataset: svhn
    networks:
      - {method: oat, lambdas: S1, encoding: ro-16}
    measure:
      - {attack: pgd7, lambdas: S1}
"""
MAX_SECONDS = 5  # of CPU time


@pytest.fixture
def refusal(tmp_path, monkeypatch):
    """Plans a suite and a scale in the working directory, and returns the line that refuses them."""
    monkeypatch.chdir(tmp_path)

    def of(suite=SUITE, scale=SMOKE, **options) -> str:
        Path("suite.yaml").write_bytes(suite if isinstance(suite, bytes) else suite.encode())
        Path("scale.yaml").write_text(scale, encoding="utf-8")
        started = time.process_time()
        with pytest.raises(BadInput) as caught:
            plan(Path("suite.yaml"), "scale.yaml", Options(root=tmp_path, **options))
        assert time.process_time() - started < MAX_SECONDS
        assert str(caught.value).isprintable() and len(str(caught.value)) < 2100
        assert sorted(path.name for path in tmp_path.rglob("*")) == ["scale.yaml", "suite.yaml"]
        return str(caught.value)

    return of


BAD_NAMES = ["../../escaped", "a/b", "/etc/x", ".hidden", "-rf", "", "x" * 65, "ü", "'a\\0b'", "a b"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_becomes_no_path(name, refusal):
    assert refusal(SUITE.replace("suite: mine", f"suite: {name or repr('')}")).startswith("suite.yaml:1: ")
    assert refusal(scale=SMOKE.replace("scale: smoke", f"scale: {name or repr('')}")).startswith("scale.yaml:2: ")
    assert refusal(SUITE.replace("  one:", f"  {name or repr('')}:")).startswith("suite.yaml:")
    assert refusal(SUITE.replace("[fig4]", f"[{name or repr('')}]")).startswith("suite.yaml:5: ")


def test_names_of_plugins_are_names_of_files_too():
    for entry in (Figure("../x", "m:f"), Attack("a/b", "m:f", 1, "image")):
        with pytest.raises(ValueError, match="is no name"):
            register(entry)


BOMB = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: *a{i - 1}, b: *a{i - 1}}}\n" for i in range(1, 40))
FILES = {
    "aliases that multiply": (BOMB, "more than 20,000 values"),
    "merges that multiply": (MERGES, "more than 20,000 values"),
    "a huge file": (SUITE + "#" * 300_000, "more than 200,000 bytes"),
    "nul": (SUITE.replace("a test", '"\\0"'), "suite.yaml:2: '\\x00' has a character that is no text"),
    "surrogate": (SUITE.replace("a test", '"\\ud800"'), "suite.yaml:2: '\\ud800' has a character that is no text"),
    "surrogate in UTF-8": (SUITE.encode() + b"# \xed\xa0\x80", "cannot be read: 'utf-8' codec"),
    "escape of a terminal": (SUITE.replace("one:", '"\\e[31m":'), "the key '\\x1b[31m' has a character"),
    "no such character": (SUITE.replace("a test", '"\\U00110000"'), "suite.yaml:"),
    "bytes": (SUITE.replace("a test", "!!binary AAAA"), "suite.yaml:2: 'AAAA' cannot be read as binary"),
    "huge number": (SUITE.replace("ro-16", f"ro-16, epochs: 0x{'f' * 9000}"), "is too large a number"),
    "label with a line break": (SUITE.replace("{method", '{label: "a\\nb", method'), "suite.yaml:8: label: a text"),
}


@pytest.mark.parametrize(("suite", "said"), FILES.values(), ids=FILES)
def test_a_hostile_file_is_refused(suite, said, refusal):
    assert said in refusal(suite)


def test_what_is_no_plain_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path / "pipe.yaml", Path("/dev/zero"), Path("a\0b"), Path("x" * 5000)):
        with pytest.raises(BadInput, match="cannot be read"):
            read(path)


SETTINGS = {
    "epochs=1000000000": "1000000000 is more than 10,000: the paper trains 200",
    "epochs=true": "true and false are no values of this field",
    "lr=[0.1, true]": "true and false are no values",
    "widths=[true]": "true and false are no values",
    "encoding_seed=true": "true and false are no values",
    "attack_steps=1000000": "more than 1,000",
    "encoding=ro-1000000": "more than 1024 dimensions",
    "encoding=dct-2000": "more than 1024 dimensions",
    "encoding=ro-0016": "unknown encoding",  # the network of ro-16 under another key
    "encoding=ro-²": "unknown encoding",
    "arch=wrn-1000006-1": "more than 250 layers",
    "arch=wrn-010-1": "unknown architecture",
    f"arch=wrn-{'9' * 5000}-1": "unknown architecture",
    f"lr={[0.1] * 2000}": "6,000 networks, more than 5,000",
    f"widths={[i / 100 for i in range(1, 101)]}": "100 values are more than 16",
    f"lr={'[' * 1000}": "cannot be read as a value",
    "lr=&a [*a]": "cannot be read as a value",
    "protocol={film: [&a [x, x], &b [*a, *a], &c [*b, *b]]}": "protocol.film",
    "epochs=\n": "--set epochs=\\n: epochs: Input should be a valid integer",
}


@pytest.mark.parametrize(("text", "said"), SETTINGS.items(), ids=[text[:24] for text in SETTINGS])
def test_an_extreme_setting_is_refused_with_a_reason(text, said, refusal):
    line = refusal(settings=(text,))
    assert said in line and line.startswith("--set ") or "networks" in said


def test_seeds_and_networks_are_bounded(refusal):
    assert refusal(seeds=100_000).startswith("--seeds 100000: more than 1,000: ")
    assert "scale.yaml:4: seeds: 100000 is more than 1,000" in refusal(scale=SMOKE.replace("seeds: 3", "seeds: 100000"))
    assert "scale.yaml:4: seeds: true and false" in refusal(scale=SMOKE.replace("seeds: 3", "seeds: true"))
    many = SUITE.replace("encoding: ro-16", "encoding: ro-16, lr: [.1, .2], momentum: [0, .1]")
    assert "8,000 networks, more than 5,000" in refusal(many, seeds=1000, settings=("weight_decay=[0, 1]",))


def test_a_measurement_is_bounded(refusal):
    for field, said in (("steps: 1000000000", "100,000"), ("restarts: 1000000", "1,000"), ("steps: true", "no values")):
        assert said in refusal(SUITE.replace("attack: pgd7", f"attack: pgd7, {field}"))


def test_the_bounds_admit_what_the_literature_has():
    fields = {"dataset": "d", "data_hash": "h", "heldout": 1, "augment": "none", "epsilon": 0.1, "lr": 0.1}
    recipe = Recipe(**fields, batch=128, arch="wrn-106-16", method="pgd_at", lam=1, epochs=2400, attack_steps=50)
    assert recipe.epochs == 2400 and wrn_sizes(recipe.arch) == {"depth": 106, "width": 16}
    assert code_dim("onehot", 11) == 11 and code_dim("dct-1024", 6) == 1024


def test_a_message_is_one_line_without_control_characters():
    assert one_line("a\nb\x1b[31m\ud800 λ") == "a\\nb\\x1b[31m\\ud800 λ"
    assert len(one_line("x" * 10**6)) < 2100

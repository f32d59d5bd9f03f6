"""Where the compiled kernels come from, and what happens where they cannot be had."""

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch

from tests.command import ROOT, environment
from tests.engines.cpu.exact import needs_kernels

module = importlib.import_module("bench.engines.cpu.compiled_library")
SMALL = """
import torch
from bench.engines import engine_for
from bench.engines.cpu.compiled_library import lanes
from tests.recipes import images, lively, oat
net, (x, _) = lively(oat(dropout=0.0)).eval(), images(5)
engine = engine_for(net, "cpu")
found = engine.logits(x, engine.condition(torch.full((5,), 0.3)))
print(engine.name.replace(" ", ""), lanes(), bool(getattr(engine, "plans", [])), *found[0].tolist())
"""


def python(*words: str, **variables: str) -> subprocess.CompletedProcess:
    where = environment() | {"PYTHONPATH": str(ROOT)} | variables
    return subprocess.run([sys.executable, *words], cwd=ROOT, env=where, capture_output=True, text=True, timeout=200)


def test_without_a_compiler_torch_does_the_work(tmp_path, monkeypatch, capsys):
    """It finds what the kernels find."""
    exec(SMALL, {})
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        module.library.cache_clear()
        exec(SMALL, {})
    module.library.cache_clear()
    others, words = (line.split() for line in capsys.readouterr().out.splitlines())
    assert words[0] == "eager" and words[2] == "False"
    computed, expected = ([float(word) for word in line[-10:]] for line in (words, others))
    assert computed == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """`library` as a process finds it that has not asked before; both folders are empty."""
    monkeypatch.setattr(module, "FLAGS", [flag.replace("-O3", "-O0") for flag in module.FLAGS])  # compiles in no time
    monkeypatch.setattr(module, "BUILD", tmp_path / "build")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return module.library.__wrapped__


def built(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def compiler(folder: Path, script: str) -> str:
    """A PATH whose first gcc is this shell script."""
    folder.mkdir()
    (folder / "gcc").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "gcc").chmod(0o700)
    return f"{folder}:{os.environ['PATH']}"


def copying_compiler(folder: Path) -> str:
    """A PATH whose gcc copies the library that this process uses, in no time."""
    return compiler(folder, f"cp {module.library(torch.float32)._name} $(echo $@ | sed 's/.*-o //')")


COUNTED = 'echo "$@" >> {log}\nPATH={path} exec gcc "$@"'


@pytest.mark.skipif(shutil.which("gcc") is None or not module.vectors(), reason="no gcc, or another processor")
@pytest.mark.skipif(os.environ.get("BENCH_KERNELS") == "off", reason="the kernels are off")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_where_it_can_be_had_it_is(dtype):
    """A mistake in C would leave all work to torch, and all tests of the kernels skipped."""
    assert module.library(dtype) is not None


@needs_kernels
def test_it_is_compiled_once_and_kept(fresh, monkeypatch, tmp_path):
    log = tmp_path / "log"
    script = COUNTED.format(log=log, path=os.environ["PATH"])
    monkeypatch.setenv("PATH", compiler(tmp_path / "bin", script))
    first, second = fresh(torch.float32), fresh(torch.float32)
    assert hasattr(first, "run_calls") and hasattr(second, "run_calls")
    (kept,) = built(tmp_path / "build")
    assert kept.suffix == ".so" and built(tmp_path / "tmp") == []
    compilations = [line for line in log.read_text().splitlines() if "kernels.c" in line]
    assert len(compilations) == 1


@needs_kernels
def test_a_folder_that_cannot_be_written_gives_way_to_the_temporary_one(fresh, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", copying_compiler(tmp_path / "bin"))
    (tmp_path / "file").touch()
    monkeypatch.setattr(module, "BUILD", tmp_path / "file" / "build")
    assert hasattr(fresh(torch.float32), "run_calls")
    (kept,) = built(tmp_path / "tmp")
    assert kept.parent.stat().st_mode & 0o077 == 0  # nobody else's library is to be loaded from there


@needs_kernels
def test_nothing_is_loaded_from_a_folder_where_others_may_write(fresh, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", copying_compiler(tmp_path / "bin"))
    monkeypatch.setattr(module, "BUILD", tmp_path / "file" / "build")
    (tmp_path / "file").touch()
    folder = tmp_path / "tmp" / f"oat-bench-{os.getuid()}"
    folder.mkdir()
    for mode in (0o770, 0o707):
        folder.chmod(mode)
        assert fresh(torch.float32) is None and built(tmp_path / "tmp") == []
    folder.chmod(0o700)
    assert hasattr(fresh(torch.float32), "run_calls")


@pytest.mark.parametrize("script", ["exit 1", "echo nonsense", "touch $(echo $@ | sed 's/.*-o //')"])
def test_a_compiler_that_fails_or_writes_nonsense_leaves_the_work_to_torch(script, fresh, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", compiler(tmp_path / "bin", script))
    assert fresh(torch.float32) is None


def test_why_there_is_no_library_is_said_in_a_line(monkeypatch):
    monkeypatch.setenv("BENCH_KERNELS", "off")
    assert module.why_missing() == "BENCH_KERNELS=off"
    monkeypatch.delenv("BENCH_KERNELS")
    monkeypatch.setattr(module, "vectors", lambda: None)
    assert "AVX2" in module.why_missing()
    monkeypatch.setattr(module, "vectors", lambda: "avx2")
    monkeypatch.setenv("PATH", "")
    assert "gcc" in module.why_missing()


def test_they_can_be_switched_off(fresh, monkeypatch, tmp_path):
    monkeypatch.setenv("BENCH_KERNELS", "off")
    assert fresh(torch.float32) is None and built(tmp_path) == []


@pytest.mark.parametrize(
    ("flags", "vectors"),
    [("fma avx2 avx512f", "avx512"), ("avx2 fma", "avx2"), ("avx2", None), ("sse4_2", None), ("", None)],
)
def test_the_processor_decides_which_vectors_they_use(flags, vectors, monkeypatch):
    monkeypatch.delenv("BENCH_KERNELS", raising=False)
    monkeypatch.setattr(module, "flags", lambda: flags)
    monkeypatch.setattr(module.platform, "system", lambda: "Linux")
    monkeypatch.setattr(module.platform, "machine", lambda: "x86_64")
    assert module.vectors.__wrapped__() == vectors
    monkeypatch.setenv("BENCH_KERNELS", "avx2")
    assert module.vectors.__wrapped__() == ("avx2" if vectors else None)
    monkeypatch.setattr(module.platform, "machine", lambda: "aarch64")
    assert module.vectors.__wrapped__() is None


@needs_kernels
@pytest.mark.skipif(module.lanes() == 8, reason="they use AVX2 anyway")
def test_with_avx2_alone_they_compute_the_same():
    """What the tests of each kernel ask of it holds for vectors of 8."""
    tested = ("autograd_convolution", "autograd_batch_norm", "autograd_film", "inference_plan", "training_plan")
    names = [f"tests/engines/cpu/test_{name}.py" for name in tested]
    chosen = "fp32 or bf16 or formulas or torch_s or of_any_size or gradients_and_statistics"
    script = f"{SMALL}import sys, pytest\nsys.exit(pytest.main(sys.argv[1:]))"
    done = python("-c", script, "-q", "-p", "no:cacheprovider", *names, "-k", chosen, BENCH_KERNELS="avx2")
    assert done.returncode == 0, done.stdout
    assert done.stdout.split()[:3] == ["cpu(avx2)", "8", "True"]

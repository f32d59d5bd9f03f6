"""`python -m bench.speed` as a command, in an environment with torch and numpy alone."""

import ctypes
import json
import subprocess
import sys

import pytest
import torch

from bench.speed import memory, tables
from bench.speed.__main__ import main

ABSENT = "pydantic scipy safetensors PIL pyarrow sklearn requests rich typer ray mlflow pandas matplotlib yaml"
BARE = f"""
import sys
for name in {ABSENT.split()}:
    sys.modules[name] = None  # importing it fails
from bench.speed import bare
from bench.speed.__main__ import main
bare.stand_in()
from bench.speed import rates
rates.LEAST_SECONDS = 0
main(sys.argv[1:])
"""


def test_a_run_with_torch_alone(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text("# Fast\n<!-- speed-cpu -->\nold\n<!-- /speed-cpu -->\nend\n")
    words = ["--only", "digits", "--tasks", "oat", "--batch", "8", "--rounds", "1", "--warmup", "1", "--threads", "1"]
    words += ["--device", "cpu", "--out", str(tmp_path / "out" / "speed.json"), "--page", str(page)]
    words.append("--no-memory")
    done = subprocess.run([sys.executable, "-c", BARE, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out" / "speed.json").read_text())
    task = found["networks"]["digits"]["tasks"]["oat"]
    assert task["base"] == "plain" and list(task["sides"]) == ["plain", "ours-fp32", "ours-bf16"]
    for side in task["sides"].values():
        assert side["images_per_s"] == pytest.approx(8 / side["seconds"][0])
        assert side["flops_per_s"] == pytest.approx(task["flops"] / side["seconds"][0])
        assert side["peak_bytes"] is None and side["conv_share"] > 0 and side["matrix_share"] > 0
    ours = task["sides"]["ours-fp32"]
    assert ours["speedup"]["median"] == pytest.approx(task["sides"]["plain"]["seconds"][0] / ours["seconds"][0])
    spent = found["networks"]["digits"]["profile"]["seconds"]
    convolutions = sum(seconds for kind, seconds in spent.items() if "convolutions" in kind)
    assert convolutions > 0 and spent["weight update"] > 0
    assert sum(spent.values()) < 100 * max(ours["seconds"])
    text = page.read_text()
    rows = {
        line.split("|")[1].strip()
        for line in text.partition("| where a step")[2].splitlines()[2:]
        if line.startswith("|")
    }
    assert rows == {kind for kind, seconds in spent.items() if seconds > 0}  # what took no time has no row
    assert done.stdout.strip() in text and "old" not in text and text.endswith("<!-- /speed-cpu -->\nend\n")
    assert str(tmp_path) not in text


def test_peak_memory_of_a_step_in_a_process_of_its_own():
    words = ["--one-step", "plain", "--only", "digits", "--tasks", "oat", "--device", "cpu", "--batch", "256"]
    assert 256 * 17 * 64 * 4 < memory.measure(words) < 2**30  # more than the stem's in- and output


def test_peak_memory_is_what_a_step_adds():
    getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)(0)  # what other tests left free would be taken first
    kept = torch.ones(2**23)  # 32 MiB that are there before
    found = memory.of_one_step(lambda: torch.ones(2**24).sum(), torch.device("cpu"))  # 64 MiB, freed at its end
    assert len(kept) and 60 * 2**20 < found < 80 * 2**20


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--reference", "nowhere"], "nowhere has no OAT.py"),
        (["--only", "vgg"], "architecture 'vgg' is unknown"),
        (["--tasks", "oats"], "unknown task 'oats' (allowed: oat, pgd_at, evaluation)"),
        (["--page", "nowhere.md"], "nowhere.md has no lines <!-- speed-cpu -->"),
    ],
)
def test_bad_input_is_one_line(words, said, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--device", "cpu", *words])
    error = capsys.readouterr().err
    assert ended.value.code == 2 and said in error and error.count("\n") == 1


def test_a_table():
    assert tables.markdown([["a", "b"], ["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"

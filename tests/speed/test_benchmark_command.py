"""`python -m bench.speed` as a command, in an environment with torch and numpy alone."""

import json
import subprocess
import sys

import pytest

from bench.speed import markdown_tables
from bench.speed.__main__ import main

ABSENT = "pydantic scipy safetensors PIL pyarrow sklearn requests rich typer ray mlflow pandas matplotlib yaml"
WITH_TORCH_ALONE = f"""
import sys
for name in {ABSENT.split()}:
    sys.modules[name] = None  # importing it fails
from bench.speed import pydantic_stub
from bench.speed.__main__ import main
pydantic_stub.install_if_missing()
from bench.speed import machine_throughput
machine_throughput.LEAST_SECONDS, machine_throughput.MATRIX_SIZE["cpu"] = 0, 64
main(sys.argv[1:])
"""


def test_a_run_with_torch_alone(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text("# Fast\n<!-- speed-cpu -->\nold\n<!-- /speed-cpu -->\nend\n")
    arguments = ["--only", "digits", "--tasks", "oat", "--batch", "8", "--rounds", "1", "--warmup", "1"]
    arguments += ["--threads", "1", "--device", "cpu", "--out", str(tmp_path / "out" / "speed.json")]
    arguments += ["--page", str(page), "--no-memory"]
    done = subprocess.run([sys.executable, "-c", WITH_TORCH_ALONE, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "out" / "speed.json").read_text())
    task = result["networks"]["digits"]["tasks"]["oat"]
    assert task["base"] == "eager" and list(task["sides"]) == ["eager", "ours-fp32", "ours-bf16"]
    for side in task["sides"].values():
        assert side["images_per_s"] == pytest.approx(8 / side["seconds"][0])
        assert side["flops_per_s"] == pytest.approx(task["flops"] / side["seconds"][0])
        assert side["peak_bytes"] is None and side["conv_share"] > 0 and side["matrix_share"] > 0
    ours = task["sides"]["ours-fp32"]
    assert ours["speedup"]["median"] == pytest.approx(task["sides"]["eager"]["seconds"][0] / ours["seconds"][0])
    profile = result["networks"]["digits"]["profile"]["seconds"]
    convolutions = sum(seconds for kind, seconds in profile.items() if "convolutions" in kind)
    assert convolutions > 0 and profile["weight update"] > 0
    assert sum(profile.values()) < 100 * max(ours["seconds"])
    text = page.read_text()
    rows = {
        line.split("|")[1].strip()
        for line in text.partition("| where a step")[2].splitlines()[2:]
        if line.startswith("|")
    }
    assert rows == {kind for kind, seconds in profile.items() if seconds > 0}  # a kind that took no time has no row
    assert done.stdout.strip() in text and "old" not in text and text.endswith("<!-- /speed-cpu -->\nend\n")
    assert "eager engine, fp32" in text and str(tmp_path) not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--reference", "nowhere"], "nowhere has no OAT.py"),
        (["--against", "nowhere"], "nowhere has no bench/speed: AGAINST must name a checkout of this project"),
        (["--only", "vgg"], "unknown architecture 'vgg' (allowed: resnet34"),
        (["--tasks", "oats"], "unknown task 'oats' (allowed: oat, pgd_at, evaluation)"),
        (["--precisions", "fp16"], "unknown precision 'fp16' (allowed: fp32, bf16)"),
        (["--page", "nowhere.md"], "nowhere.md has no lines <!-- speed-cpu -->"),
    ],
)
def test_bad_input_is_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--device", "cpu", *arguments])
    error = capsys.readouterr().err
    assert ended.value.code == 2 and message in error and error.count("\n") == 1


def test_a_table():
    assert markdown_tables.markdown([["a", "b"], ["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"

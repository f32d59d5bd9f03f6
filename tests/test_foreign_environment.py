"""Commands in an environment that is somebody else's: a C locale, a latin-1 terminal, a Jupyter kernel's variables."""

import io
import os
import sys

import pytest

from bench import cli, process_setup
from tests.command import JUPYTER_IN_C, bench
from tests.reports import synthetic

NAME = r"λ $\frac$ [/red] :smile:"  # mathematics to matplotlib, markup and an emoji to rich


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Finished runs on a data set with the name NAME."""
    runs = tmp_path_factory.mktemp("foreign")
    trials = synthetic.networks(dataset=NAME, seeds=(0,))
    synthetic.write_plan(runs, [synthetic.panel(trials, dataset=NAME)])
    synthetic.finish(runs, trials, dataset=NAME)
    return runs


def test_names_are_printed_as_they_are(runs):
    done = bench("status", "--runs", runs, COLUMNS="200")
    assert done.returncode == 0 and done.stdout.count(NAME) == 1  # all networks are of it


def test_a_latin_1_terminal_and_a_c_locale_lose_nothing(runs):
    done = bench("status", "--runs", runs, COLUMNS="200", **JUPYTER_IN_C)
    assert done.returncode == 0 and done.stdout.count(NAME.replace("λ", r"\u03bb")) == 1


def test_a_report_is_drawn_in_utf_8_whatever_the_kernel_and_the_locale(runs):
    done = bench("report", "fig4", "--formats", "png", "--runs", runs, **JUPYTER_IN_C)
    assert done.returncode == 0 and not done.stderr
    assert (runs / "report" / "fig4.png").stat().st_size > 5000
    for name in ("README.md", "index.html", "fig4.json", "fig4.csv"):
        assert "λ" in (runs / "report" / name).read_text("utf-8")


def test_what_a_stream_cannot_hold_is_escaped(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), "gbk")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("MPLBACKEND", "nonsense")
    process_setup.prepare_environment()
    print("λ é 💥", flush=True)
    assert stream.buffer.getvalue().decode("gbk") == "λ é \\U0001f4a5\n" and "MPLBACKEND" not in os.environ


def test_an_argument_that_is_no_text_is_one_line(capsys):
    assert cli.run_command_line(["plan", "suite\udcff.yaml"]) == 2
    said = "'suite\\udcff.yaml': not text in this locale's encoding: set PYTHONUTF8=1, or rename it\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan", "a.yaml", "--seeds", "x"], "Invalid value for '--seeds'"),
        (["plan", "a.yaml", "--bogus"], "No such option: --bogus"),
        (["plan"], "Missing argument 'suites'"),
        (["plan", "a.yaml", "--runs", "a\0b"], "--runs"),
        (["nothing"], "No such command 'nothing'"),
    ],
)
def test_a_wrong_option_is_one_line(arguments, said, capsys):
    assert cli.run_command_line(arguments) == 2
    captured = capsys.readouterr()
    assert said in captured.err and captured.err.count("\n") == 1 and not captured.out

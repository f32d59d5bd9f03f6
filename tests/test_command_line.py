"""The command line beside its verbs' work: version, completion, lists, the report's page, quietness, next commands."""

import io
import json
import subprocess
import sys
import webbrowser
from types import SimpleNamespace

import pytest
from rich.console import Console
from rich.text import Text

import bench
from bench import cli
from bench.run.next_command import next_command
from bench.run.quiet_console import QuietConsole
from bench.run.run_command import print_summary, warn_on
from bench.spec.paper_diagrams import DIAGRAMS
from bench.spec.registry import ATTACKS, METHODS
from bench.spec.scale import scale_names
from bench.spec.suite import read_suite, suite_paths
from tests.command import ROOT, environment
from tests.finished_runs import request, write_runs


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a command in this process."""
    code = cli.run_command_line([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_version_is_that_of_package_and_checkout(capsys):
    code, out, _ = run(capsys, "--version")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    assert code == 0 and out.startswith(f"oat-bench {bench.__version__}, commit {head.strip() or 'unknown'}")


COMPLETED = {
    "oat-bench st": "status",
    "oat-bench run suites/fr": "suites/frontiers.yaml",
    "oat-bench plan suites/frontiers.yaml --only c": "cifar10",
    "oat-bench plan mine.yaml --scale la": "laptop",
    "oat-bench show a63": "a632000000000000",
}


COMPLETE = """# What the shell's function runs, once for each line that is typed: {"COMP_WORDS", …}
import json, os, sys
from bench.cli import main
for variables in json.loads(sys.argv.pop()):
    sys.argv = ["oat-bench"]
    os.environ |= variables
    try:
        main()
    except SystemExit:
        print()
"""


def test_a_shell_completes_verbs_suites_experiments_and_keys(tmp_path):
    (tmp_path / "trials" / "a632000000000000").mkdir(parents=True)
    typed = [{"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)} for words in COMPLETED]
    variables = {"_OAT_BENCH_COMPLETE": "complete_bash", "BENCH_RUNS": str(tmp_path)}
    command = [sys.executable, "-c", COMPLETE, json.dumps(typed)]
    done = subprocess.run(command, cwd=ROOT, env=environment() | variables, capture_output=True, text=True)
    assert done.stdout.split() == list(COMPLETED.values()), done.stderr


def test_the_script_of_the_package_is_the_one_that_shells_complete(capsys):
    with pytest.raises(SystemExit):
        cli.run_command_line(["--show-completion"])
    printed = capsys.readouterr()
    assert "_oat_bench_completion" in printed.out or "Shell" in printed.err  # which typer does not know
    assert 'oat-bench = "bench.__main__:main"' in (ROOT / "pyproject.toml").read_text()


def test_list_has_a_line_on_each_experiment_figure_scale_attack_method_and_data_set(capsys, tmp_path):
    from reports.figures import FIGURES

    code, out, _ = run(capsys, "list", "--data", tmp_path)
    lines = [line.split(maxsplit=1) for line in out.splitlines() if line.startswith("  ")]
    texts = dict(lines)
    assert code == 0 and {*FIGURES, *DIAGRAMS, *scale_names(), *ATTACKS, *METHODS, "digits", "svhn"} <= texts.keys()
    for path in suite_paths():
        for experiment in read_suite(path)[0].experiments:
            assert f"  {path.relative_to(ROOT)} --only {experiment} " in out
    assert "python -m bench data fetch svhn" in texts["svhn"] and "Figure 4." in texts["fig4"]
    assert run(capsys, "list", "attack")[2].startswith("list: unknown kind 'attack', did you mean 'attacks'?")
    assert run(capsys, "list", "attacks")[1].count("\n") == len(ATTACKS)


@pytest.mark.parametrize("figure", DIAGRAMS)
def test_a_diagram_is_said_to_be_no_result(figure, capsys, tmp_path):
    code, out, error = run(capsys, "report", figure, "--runs", tmp_path)
    assert code == 2 and "is a diagram of the OAT" in error and "fig4" in error and not out
    done = subprocess.run(["make", f"reproduce-{figure}"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"Figure {figure[-1]} is a diagram, not a result" in done.stdout


def test_open_prints_the_page_and_starts_a_browser_where_there_is_a_display(capsys, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    for variable in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(variable, raising=False)
    code, _, error = run(capsys, "open", "--runs", tmp_path)
    assert code == 2 and f"python -m bench report --runs {tmp_path}" in error
    page = tmp_path / "report" / "index.html"
    page.parent.mkdir()
    page.touch()
    monkeypatch.setattr(sys, "platform", "linux")
    assert run(capsys, "open", "--runs", tmp_path) == (0, f"{page}\n", "") and not opened
    monkeypatch.setenv("DISPLAY", ":0")
    assert run(capsys, "open", "--runs", tmp_path, "--no-browser") == (0, f"{page}\n", "") and not opened
    assert run(capsys, "open", "--out", page.parent) == (0, f"{page}\n", "") and opened == [page.as_uri()]


def test_clean_without_a_terminal_deletes_only_with_yes(capsys, tmp_path, monkeypatch):
    (tmp_path / "trials").mkdir()
    (tmp_path / "id.damaged").touch()
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    code, out, error = run(capsys, "clean", "--runs", tmp_path)
    assert code == 0 and "id.damaged" in out and "not without --yes" in error and (tmp_path / "id.damaged").exists()
    assert run(capsys, "clean", "--yes", "--runs", tmp_path)[0] == 0 and not (tmp_path / "id.damaged").exists()


@pytest.mark.parametrize(("answer", "stays"), [("y\n", False), ("\n", True), ("", True), ("no\n", True)])
def test_clean_asks_on_a_terminal(answer, stays, capsys, tmp_path, monkeypatch):
    (tmp_path / "trials").mkdir()
    (tmp_path / "id.damaged").touch()
    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdin", terminal)
    run(capsys, "clean", "--runs", tmp_path)
    assert (tmp_path / "id.damaged").exists() == stays


def test_a_quiet_run_prints_warnings_and_failures_alone(capsys, monkeypatch):
    consoles = []
    monkeypatch.setattr("bench.run.run_command.execute", lambda _, __, console, ___: consoles.append(console) or 0)
    for quiet in ((), ("--quiet",)):
        assert run(capsys, "run", "suites/frontiers.yaml", *quiet)[0] == 0
    loud, quiet = consoles
    assert isinstance(quiet, QuietConsole) and not isinstance(loud, QuietConsole)
    for console in consoles:
        console.print("24 networks")
        console.print(Text("done 1/24", style="green"))
        warn_on(console)("a file was set aside")
        console.print("no report", style="yellow")
        console.print(Text("failed", style="red"), soft_wrap=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["24 networks", "done 1/24"] and lines[5:] == ["a file was set aside", "no report", "failed"]


@pytest.mark.parametrize("figures", ["[fig4]", "[]"])
def test_the_summary_says_where_report_or_numbers_are(figures, tmp_path, monkeypatch):
    runs = write_runs(tmp_path, monkeypatch)
    suite = tmp_path / "first.yaml"
    suite.write_text(suite.read_text().replace("[fig4]", figures))
    out = Console(file=io.StringIO(), width=80, markup=False)
    plan = SimpleNamespace(request=request(tmp_path), plans=request(tmp_path).plans(), trials=[], remaining=[])
    pages = [runs / "report" / "index.html"] if figures == "[fig4]" else []
    print_summary(plan, 0, {}, pages, 3.0, out)
    text = out.file.getvalue()
    assert ("no figure is drawn of this suite: the numbers are in" in text) == (figures == "[]")
    assert (f"{runs}/trials/KEY/results.json; keys: python -m bench status --runs {runs}" in text) == (figures == "[]")
    assert (f"open it: python -m bench open --runs {runs}" in text) == (figures == "[fig4]")


def test_the_next_command_names_the_runs_directory_only_where_it_is_needed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCH_RUNS", raising=False)
    assert next_command("open", tmp_path / "runs") == "python -m bench open"
    assert next_command("open", tmp_path / "my runs") == f"python -m bench open --runs '{tmp_path}/my runs'"
    monkeypatch.setenv("BENCH_RUNS", str(tmp_path / "my runs"))
    assert next_command("status", tmp_path / "my runs") == "python -m bench status"

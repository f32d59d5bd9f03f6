"""Exit codes after signals, in processes of their own."""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest

from tests.command import ROOT, environment, handles_signals

COMMANDS = "tests.commands_to_interrupt"  # -m, since Python ends modules and -c in different ways
SIGNALS = [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)]


@pytest.mark.parametrize("verb", ["loop", "wrapped", "error"])
@pytest.mark.parametrize("name,code", SIGNALS)
def test_a_signal_ends_any_command_silently_with_the_shell_s_code(name, code, verb):
    process = start("-m", COMMANDS, verb)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(getattr(signal, name))
    assert ended(process) == (code, "", "")


@pytest.mark.parametrize("name,code", SIGNALS)
def test_a_signal_while_python_imports_the_command(name, code):
    process = start("-m", "bench", "list")
    while not handles_signals(process.pid):
        time.sleep(0.001)
    process.send_signal(getattr(signal, name))
    assert ended(process) == (code, "", "")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_after_the_command_leaves_its_output_and_exit_code(name):
    process = start("-m", COMMANDS, "at_exit")
    assert [process.stdout.readline() for _ in range(2)] == ["result\n", "ready\n"]
    process.send_signal(getattr(signal, name))
    assert ended(process) == (0, "", "")


def test_a_signal_that_the_caller_ignored_stays_ignored():
    process = start("-m", COMMANDS, "loop", ignored=[signal.SIGHUP])
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 143


def start(*arguments: str, ignored: Sequence[signal.Signals] = ()) -> subprocess.Popen:
    """Start Python with the signals' default actions: the tests may run in the background, or under nohup."""

    def set_actions() -> None:
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    command, pipes = [sys.executable, *arguments], {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environment(), preexec_fn=set_actions, **pipes)


def ended(process: subprocess.Popen) -> tuple[int, str, str]:
    """Exit code, output and errors."""
    output, errors = process.communicate(timeout=20)
    return process.returncode, output, errors

"""Exit codes after signals, in processes of their own."""

import signal
import subprocess
import sys

import pytest

from tests.command import ROOT, environment

# Short sleeps: a signal between Python's look for signals and the system call of one long sleep would not end it.
WAIT = "import sys, time, bench.cli as c\ndef wait():\n    print('ready', flush=True)\n"
WAIT += "    while True: time.sleep(0.05)\nc.app.command('wait')(wait)\nsys.argv[1:] = ['wait']\nc.main()"


@pytest.mark.parametrize("name,code", [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_any_command_silently_with_the_shell_s_code(name, code):
    process = start("-c", WAIT)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(getattr(signal, name))
    output, errors = process.communicate(timeout=20)
    assert process.returncode == code and not output and not errors


def test_a_signal_that_the_caller_ignored_stays_ignored():
    process = start("-c", "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + WAIT)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 143


def start(*arguments: str) -> subprocess.Popen:
    """Start Python with the signals' default actions: the tests may run in the background, or under nohup."""
    command, pipes = [sys.executable, *arguments], {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environment(), preexec_fn=handle_signals, **pipes)


def handle_signals() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)

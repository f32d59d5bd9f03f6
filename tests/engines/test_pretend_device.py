"""All tests of on_pretend_device.py, in a process of their own: a process has the pretend device for good, and torch
then asks that device at every backward pass.

`pytest tests/engines/on_pretend_device.py` runs them by themselves.
"""

import subprocess
import sys

import pytest

from tests.command import ROOT

TESTS = "tests/engines/on_pretend_device.py"


@pytest.mark.timeout(900)
def test_the_gpu_s_path_on_the_pretend_device():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", TESTS]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout

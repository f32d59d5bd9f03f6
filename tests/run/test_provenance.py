"""The commit is that of this checkout, or a line says why it is unknown; locks and Ray's folder fail with a remedy."""

import errno
import fcntl
import os
import re
import subprocess

import pytest
import torch

from bench.errors import BadInput
from bench.run import provenance
from bench.run.driver_lock import driver_lock


@pytest.fixture
def checkout(tmp_path):
    """A git checkout with one commit. Returns its folder and the commit."""
    folder = tmp_path / "a checkout"
    folder.mkdir()
    (folder / "file").write_text("a", "utf-8")
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "file"], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    head = subprocess.run(["git", "log", "--format=%H"], cwd=folder, check=True, capture_output=True)
    return folder, head.stdout.decode().strip()


def test_the_commit_of_a_checkout(checkout):
    folder, commit = checkout
    assert provenance.read_git(folder) == ({"commit": commit, "dirty": False}, None)
    (folder / "file").write_text("b", "utf-8")
    assert provenance.read_git(folder) == ({"commit": commit, "dirty": True}, None)


def test_a_hook_of_another_checkout_does_not_matter(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "another"))
    assert provenance.read_git(checkout[0])[0]["commit"] == checkout[1]


def test_a_checkout_that_git_does_not_trust_is_named_with_the_remedy(checkout, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch for its tests
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    state, reason = provenance.read_git(checkout[0])
    assert state == {"commit": "unknown", "dirty": True} and "\n" not in reason
    assert f"git config --global --add safe.directory '{checkout[0]}'" in reason


def test_a_folder_within_another_checkout_has_not_its_commit(checkout):
    inner = checkout[0] / "unpacked"
    inner.mkdir()
    state, reason = provenance.read_git(inner)
    assert state["commit"] == "unknown" and f"lies in that of {checkout[0]}" in reason


def test_without_checkout_or_git(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert "not a git repository" in provenance.read_git(tmp_path)[1]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.read_git(tmp_path)[1].endswith("git cannot be started: install git")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_one_line(number, tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with (
        pytest.raises(BadInput, match=f"^{re.escape(str(tmp_path))}: its file system has no locks"),
        driver_lock(tmp_path),
    ):
        pass


def test_a_second_driver_is_refused(tmp_path):
    with (
        driver_lock(tmp_path),
        pytest.raises(BadInput, match="another command is running trials"),
        driver_lock(tmp_path),
    ):
        pass


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_a_gpu_s_name_is_recorded(device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"the GPU of {device}")
    hardware = provenance.hardware(torch.device(device), "gpu")
    assert hardware["device"] == ("the GPU of cuda" if device == "cuda" else "cpu") and hardware["engine"] == "gpu"

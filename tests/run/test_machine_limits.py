"""Cores and memory within a container's limits, on made-up control groups of versions 1 and 2."""

import os

import pytest

from bench.run import machine_limits
from bench.run.machine_limits import available_memory, cpu_quota, total_memory


def write(root, **files) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def membership(tmp_path):
    def of(text: str):
        path = tmp_path / "membership"
        path.write_text(text)
        return path

    return of


def test_the_quota_of_version_2_is_the_least_on_the_way_up(tmp_path, membership):
    root = tmp_path / "cgroup"
    write(root, cpu_dot_max="max 100000\n", pod__cpu_dot_max="150000 100000\n", pod__box__cpu_dot_max="400000 100000")
    assert cpu_quota(root, membership("0::/pod/box\n")) == 1.5
    assert cpu_quota(root, membership("0::/\n")) is None


def test_the_quota_of_version_1(tmp_path, membership):
    root = tmp_path / "cgroup"
    folder = "cpu,cpuacct__docker__cpu_dot_cfs_{}_us"
    write(root, **{folder.format("quota"): "250000\n", folder.format("period"): "100000\n"})
    write(root, **{"cpu,cpuacct__cpu_dot_cfs_quota_us": "-1\n", "cpu,cpuacct__cpu_dot_cfs_period_us": "100000\n"})
    assert cpu_quota(root, membership("4:memory:/docker\n3:cpu,cpuacct:/docker\n")) == 2.5


def test_a_machine_without_control_groups_has_no_quota(tmp_path):
    assert cpu_quota(tmp_path, tmp_path / "absent") is None


@pytest.mark.parametrize("quota,cores", [(None, 8), (2.5, 2), (0.5, 1), (64.0, 8)])
def test_cores_are_the_least_of_affinity_and_quota(monkeypatch, quota, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(machine_limits, "cpu_quota", lambda: quota)
    assert machine_limits.cpu_count() == cores


def test_available_memory_is_that_of_the_container_without_its_page_cache(tmp_path, membership):
    root, meminfo = tmp_path / "cgroup", tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       64000000 kB\nMemAvailable:   32000000 kB\n")
    assert available_memory(root, membership("0::/box\n"), meminfo) == 32_000_000 * 1024
    write(root, box__memory_dot_max="4000000000\n", box__memory_dot_current="3000000000\n")
    write(root, box__memory_dot_stat="anon 1\ninactive_file 500000000\n")
    assert available_memory(root, membership("0::/box\n"), meminfo) == 1_500_000_000
    write(root, box__memory_dot_max="max\n")
    assert available_memory(root, membership("0::/box\n"), meminfo) == 32_000_000 * 1024


def test_total_memory_is_the_least_limit_of_version_2_and_1(tmp_path, membership):
    root = tmp_path / "cgroup"
    machine = total_memory(root, membership("0::/box\n"))
    write(root, memory_dot_max="max\n", box__memory_dot_max="max\n")
    assert machine == total_memory(root, membership("0::/box\n")) == total_memory(root, tmp_path / "absent") > 10**6
    write(root, memory_dot_max="9000\n")
    assert total_memory(root, membership("0::/box\n")) == 9000
    write(root, memory__memory_dot_limit_in_bytes="8000\n")
    assert total_memory(root, membership("4:memory:/docker\n")) == 8000
    write(root, memory__memory_dot_limit_in_bytes="9223372036854771712\n")
    assert total_memory(root, membership("4:memory:/docker\n")) == machine

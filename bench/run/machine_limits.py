"""What this process may use of the machine: cores and memory, within its affinity and its container's limits."""

import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS, MEMBERSHIP, MEMORY = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup"), Path("/proc/meminfo")


def cpu_count() -> int:
    """The number of cores that this process may use: its affinity, and the whole cores of its CPU quota."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return affinity if quota is None else max(1, min(affinity, int(quota)))


def cpu_quota(root: Path = CGROUPS, membership: Path = MEMBERSHIP) -> float | None:
    """The cores' worth of CPU time that control groups (Docker, Kubernetes, systemd) allow; None without a limit."""
    quotas = []
    for folder in cgroup_folders(root, membership, "cpu"):
        try:
            if (folder / "cpu.max").exists():
                quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
            else:
                quota, period = (
                    (folder / f"cpu.cfs_{name}_us").read_text(encoding="utf-8") for name in ("quota", "period")
                )
            quotas.append(int(quota) / int(period))
        except (OSError, ValueError):  # no limit at this level: "max"
            continue
    return min((quota for quota in quotas if quota > 0), default=None)  # version 1 has -1 for no limit


def available_memory(root: Path = CGROUPS, membership: Path = MEMBERSHIP, memory: Path = MEMORY) -> int | None:
    """Bytes that can be used without swapping, within the control groups' limits; None where nothing says so."""
    amounts = []
    try:
        lines = dict(line.split(":") for line in memory.read_text(encoding="utf-8").splitlines())
        amounts.append(1024 * int(lines["MemAvailable"].split()[0]))
    except (OSError, ValueError, KeyError):
        pass
    for folder in cgroup_folders(root, membership, "memory"):
        version_2 = (folder / "memory.max").exists()
        limit, used = ("max", "current") if version_2 else ("limit_in_bytes", "usage_in_bytes")
        try:
            numbers = [int((folder / f"memory.{name}").read_text(encoding="utf-8")) for name in (limit, used)]
            statistics = dict(
                line.split() for line in (folder / "memory.stat").read_text(encoding="utf-8").splitlines()
            )
            cache = int(statistics.get("inactive_file" if version_2 else "total_inactive_file", 0))
        except (OSError, ValueError):
            continue
        amounts.append(max(0, numbers[0] - numbers[1] + cache))
    return min(amounts, default=None)


def total_memory(root: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int:
    """Bytes of the machine's memory, or the least of the control groups' limits."""
    amounts = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for folder in cgroup_folders(root, membership, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            try:
                amounts.append(int((folder / name).read_text(encoding="utf-8")))
            except (OSError, ValueError):  # absent, or "max"
                continue
    return min(amounts)


def cgroup_folders(root: Path, membership: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's control group and of those that contain it, in versions 1 and 2."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        base = root / controllers if controllers else root
        folder = base / path.lstrip("/")
        yield from (f for f in (folder, *folder.parents) if f == base or base in f.parents)

"""What the machine has left, and what the children of a process take: read off Linux's own files, nothing elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["available_bytes", "children_cpu_seconds"]

_CGROUP = Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 60  # what version 1 says where there is no limit is nearly 2^63
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def available_bytes(proc: Path = Path("/proc"), cgroup: Path = _CGROUP) -> float | None:
    """The memory in bytes that this process can still take; None where the system does not tell.

    The least of the machine's ``MemAvailable`` and, for each control group that the process is in, of its limit less what
    it takes, without the inactive pages of files, which are given back first.
    """
    found = [_of_machine(proc)]
    for limit, used, inactive in _groups(proc, cgroup):
        found.append(max(0.0, float(limit - max(0, used - inactive))))
    known = [one for one in found if one is not None]
    return min(known) if known else None


def _of_machine(proc: Path) -> float | None:
    try:
        for line in (proc / "meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return float(int(line.split()[1]) * 1024)
    except (OSError, ValueError, IndexError):
        pass  # no such file here: another system, or one that hides it
    return None


def _groups(proc: Path, cgroup: Path) -> list[tuple[int, int, int]]:
    """Of each control group with a limit: the limit, what is taken, and what of it are inactive pages of files."""
    try:
        lines = (proc / "self" / "cgroup").read_text("utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            root, names = cgroup, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            root = cgroup / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        own = Path(path.strip("/"))
        for at in (
            own,
            *own.parents,
        ):  # a limit of a group above holds too; within a container the path may lead nowhere
            one = _group(root / at, *names)
            if one is not None:
                found.append(one)
    return found


def _group(folder: Path, limit: str, used: str, inactive: str) -> tuple[int, int, int] | None:
    try:
        most = int((folder / limit).read_text("ascii"))
        taken = int((folder / used).read_text("ascii"))
        given = dict(line.split() for line in (folder / "memory.stat").read_text("ascii").splitlines())
        return (most, taken, int(given.get(inactive, 0))) if most < _UNLIMITED else None
    except (OSError, ValueError):  # no such group, or "max": no limit
        return None


def children_cpu_seconds(proc: Path = Path("/proc/self")) -> float | None:
    """The processor time in seconds of this process's children, those that have ended too; None where it is not told.

    >>> found = children_cpu_seconds()
    >>> found is None or found >= 0
    True
    """
    times = os.times()
    total = times.children_user + times.children_system
    try:
        children = [
            one for task in os.listdir(proc / "task") for one in _words(proc / "task" / task / "children")
        ]
    except OSError:
        return None
    for child in children:
        try:
            said = (proc.parent / child / "stat").read_bytes().rpartition(b")")[2].split()
            total += (int(said[11]) + int(said[12])) / _TICKS
        except (OSError, IndexError, ValueError):  # it has ended meanwhile
            continue
    return total


def _words(path: Path) -> list[str]:
    return path.read_text("ascii").split()

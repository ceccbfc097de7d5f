"""How much memory this process may still use, by the tightest of all limits.

A memory map may be larger than that, because the system can drop its pages. What is kept in addition to the rows (the codes
of a filter, a tree) may not, so callers check here before they allocate it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

_PROC, _GROUPS = Path("/proc"), Path("/sys/fs/cgroup")
#: The process needs memory for other things too: results, scratch, thread stacks, and the buffers of the BLAS (40 MB per
#: thread; the BLAS ends the process if it cannot get them). Other processes may allocate memory meanwhile.
_SHARE, _RESERVE = 0.75, 1 << 27
#: Smaller amounts are not checked: the check takes 0.2 ms.
_SMALL = 1 << 25


def fits(n_bytes: float) -> bool:
    """Whether this many bytes can be kept in addition to the rows."""
    return n_bytes <= _SMALL or n_bytes <= free_bytes()


def free_bytes() -> float:
    """Bytes that may be kept in addition to the rows: 3/4 of the free memory, minus 128 MB; infinite if unknown."""
    return max(0.0, _SHARE * available() - _RESERVE)


def available() -> float:
    """Bytes that the machine, the control groups and the limits of this process still allow; infinite if unknown."""
    return max(0.0, min([math.inf, *_of_machine(), *_of_groups(), *_of_process()]))


def _fields(path: Path) -> dict[str, float]:
    """The numbers in a file of names and numbers, kB converted to bytes; empty for a missing file."""
    found = {}
    for line in _text(path).splitlines():
        name, *rest = line.split() or [""]
        if rest and rest[0].isdigit():
            found[name.rstrip(":")] = int(rest[0]) * (1024.0 if rest[1:] == ["kB"] else 1.0)
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _of_machine() -> Iterator[float]:
    memory = _fields(_PROC / "meminfo")
    if "MemAvailable" in memory:
        yield memory["MemAvailable"]


def _of_process() -> Iterator[float]:
    """What `ulimit -d` and `-v` leave. A read-only map of a file does not count as data."""
    try:
        import resource
    except ImportError:  # Windows
        return
    used = _fields(_PROC / "self" / "status")
    for limit, name in ((resource.RLIMIT_DATA, "VmData"), (resource.RLIMIT_AS, "VmSize")):
        soft, _ = resource.getrlimit(limit)
        if soft != resource.RLIM_INFINITY and name in used:
            yield soft - used[name]


#: For versions 2 and 1 of Linux's control groups: the controller, the files with the limit and the usage, and the names of
#: the statistics that count file pages, which the system can reclaim.
_VERSIONS = (
    ("", "memory.max", "memory.current", ("active_file", "inactive_file")),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", ("total_active_file", "total_inactive_file")),
)


def _of_groups() -> Iterator[float]:
    """What each control group of this process leaves, from its own group up to the root."""
    for line in _text(_PROC / "self" / "cgroup").splitlines():
        _, controllers, own = line.split(":", 2)
        for controller, limit, usage, files in _VERSIONS:
            if controller not in controllers.split(","):
                continue
            mounted = _GROUPS / controller
            inside = mounted / own.lstrip("/")
            # In a container the path may be the host's, while the container's own group is mounted at the root: try that
            # too.
            for group in [inside, *inside.parents][: len(inside.parts) - len(mounted.parts) + 1]:
                most = _text(group / limit).strip()
                if most.isdigit():
                    reclaimable = _fields(group / "memory.stat")
                    used = _text(group / usage).strip()
                    yield float(most) - float(used or 0) + sum(reclaimable.get(name, 0.0) for name in files)

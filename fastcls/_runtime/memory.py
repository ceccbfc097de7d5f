"""How much memory this process may still take, by whichever limit is the nearest.

A memory map may be larger than that: its pages come and go. What is kept *beside* the rows (the codes of a filter, a tree)
may not, so it is asked for here before it is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

_PROC, _GROUPS = Path("/proc"), Path("/sys/fs/cgroup")
#: A process needs memory for other things too: an answer, what others on the machine ask for meanwhile; scratch, the stacks
#: of threads, and the buffers of the BLAS, 40 MB a thread, without which it ends the process.
_SHARE, _RESERVE = 0.75, 1 << 27
#: Less than this is not worth asking for: it takes 0.2 ms.
_SMALL = 1 << 25


def fits(n_bytes: float) -> bool:
    """Whether so many bytes can be kept beside the rows."""
    return n_bytes <= _SMALL or n_bytes <= free_bytes()


def free_bytes() -> float:
    """Bytes that may be kept beside the rows: three quarters of what is free, less 128 MB; infinite where nobody can say."""
    return max(0.0, _SHARE * available() - _RESERVE)


def available() -> float:
    """Bytes that this process may still take: of the machine, of its control groups, of its own limits; or infinity."""
    return max(0.0, min([math.inf, *_of_machine(), *_of_groups(), *_of_process()]))


def _fields(path: Path) -> dict[str, float]:
    """The numbers of a file of names and numbers, in bytes where it says kB; none of a file that is not there."""
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
    """What `ulimit -d` and `-v` leave. A map of a file that is only read does not count as data."""
    try:
        import resource
    except ImportError:  # Windows
        return
    used = _fields(_PROC / "self" / "status")
    for limit, name in ((resource.RLIMIT_DATA, "VmData"), (resource.RLIMIT_AS, "VmSize")):
        soft, _ = resource.getrlimit(limit)
        if soft != resource.RLIM_INFINITY and name in used:
            yield soft - used[name]


#: Of version 2 and 1 of Linux's control groups: the limit, what is used of it, and the part of that which is files' pages,
#: which make room when it is needed.
_VERSIONS = (
    ("", "memory.max", "memory.current", ("active_file", "inactive_file")),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", ("total_active_file", "total_inactive_file")),
)


def _of_groups() -> Iterator[float]:
    """What every control group that this process is in leaves, from its own up to the root."""
    for line in _text(_PROC / "self" / "cgroup").splitlines():
        _, controllers, own = line.split(":", 2)
        for controller, limit, usage, files in _VERSIONS:
            if controller not in controllers.split(","):
                continue
            mounted = _GROUPS / controller
            inside = mounted / own.lstrip("/")
            # in a container the path may be the host's, while the group itself is what is mounted: that is looked at too
            for group in [inside, *inside.parents][: len(inside.parts) - len(mounted.parts) + 1]:
                most = _text(group / limit).strip()
                if most.isdigit():
                    reclaimable = _fields(group / "memory.stat")
                    used = _text(group / usage).strip()
                    yield float(most) - float(used or 0) + sum(reclaimable.get(name, 0.0) for name in files)

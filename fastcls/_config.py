"""Facts about this build and this machine: OpenMP, threads, instruction sets, versions."""

from __future__ import annotations

import functools
import platform
from importlib import metadata
from typing import Any

from threadpoolctl import threadpool_info

from fastcls._runtime import threads
from fastcls._version import __version__

from . import _kernels, simd


def config() -> dict[str, Any]:
    """The facts that `show_config` prints, as a dictionary."""
    packages = ("fastcls", "numpy", "scipy", "scikit-learn", "safetensors")
    pools = threadpool_info()
    return {
        "openmp": _kernels.HAS_OPENMP,
        "threads": threads.effective(None),
        "thread_notes": list(threads.notes()),
        "isa": simd.active(),
        "isas_available": simd.available(),
        "isas_built": simd.built(),
        "openmp_runtime": _libraries(pools, "openmp"),
        "blas": _libraries(pools, "blas"),
        "machine": f"{platform.machine()}, {platform.system()}",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages},
    }


def _libraries(pools: list[dict[str, Any]], user_api: str) -> list[str]:
    """Those of the thread pools of this process that are of one kind."""
    found = []
    for pool in pools:
        if pool["user_api"] == user_api:
            words = (pool["prefix"], pool["version"], pool.get("architecture"), f"{pool['num_threads']} threads")
            found.append(" ".join(str(word) for word in words if word))
    return sorted(set(found))


@functools.cache  # reading a version from the disk takes a millisecond, and each run of the command line asks often
def _version(name: str) -> str:
    """The installed version; fastcls in its source folder is not installed and has its own version."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return __version__ if name == "fastcls" else "not installed"


def show_config() -> None:
    """Print how fastcls was built and what it uses here: OpenMP, threads, instruction sets, BLAS, versions."""
    facts = config()
    openmp = "yes" if facts["openmp"] else "no: built without OpenMP; one thread, the same results"
    cannot = [name for name in facts["isas_built"] if name not in facts["isas_available"]]
    kernels = f"{facts['isa']} in use; can run here: {', '.join(facts['isas_available'])}"
    lines = {
        "OpenMP": ", ".join([openmp, *facts["openmp_runtime"]]),
        "threads": "; ".join([str(facts["threads"]), *facts["thread_notes"]]),
        "kernels": kernels + (f"; built, cannot run here: {', '.join(cannot)}" if cannot else ""),
        "BLAS": (", ".join(facts["blas"]) or "none found") + " (NumPy's and SciPy's; no answer depends on it)",
        "machine": facts["machine"],
        "python": facts["python"],
        **facts["versions"],
    }
    width = max(map(len, lines))
    print("\n".join(f"{name:<{width}}  {value}" for name, value in lines.items()))

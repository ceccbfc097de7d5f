"""What this build can do and what this machine gives it."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

from . import _kernels, _threads


def config() -> dict[str, Any]:
    """The facts that `show_config` prints, as a dictionary."""
    packages = ("fastcls", "numpy", "scipy", "scikit-learn", "safetensors")
    return {
        "openmp": _kernels.HAS_OPENMP,
        "threads": _threads.effective(None),
        "isa": _kernels.active_isa(),
        "machine": f"{platform.machine()}, {platform.system()}",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages},
    }


def _version(name: str) -> str:
    """The installed version; fastcls run from its sources is not installed, and knows its own."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        import fastcls

        return fastcls.__version__ if name == "fastcls" else "not installed"


def show_config() -> None:
    """Print how fastcls was built (OpenMP or serial) and what it uses here (threads, versions)."""
    facts = config()
    openmp = "yes" if facts["openmp"] else "no: built serial, every result is the same, on one thread"
    lines = {
        "OpenMP": openmp,
        "threads": str(facts["threads"]),
        "kernels": facts["isa"],
        "machine": facts["machine"],
        "python": facts["python"],
        **facts["versions"],
    }
    width = max(map(len, lines))
    print("\n".join(f"{name:<{width}}  {value}" for name, value in lines.items()))

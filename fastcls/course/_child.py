"""The process that imports a learner's file and checks its functions, one after another.

`_keeper.py` calls it with a job (JSON, see `_processes`). It appends its news to a file, one line of JSON each: an import or
a check that was started, the report of a function, or the exception that ended an import or a check.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import math
import os
import sys
import time
import types
from pathlib import Path
from typing import Any

from ._assignment import SIGNATURES
from ._call import described
from ._check import check


def main(text: str) -> None:
    """Run the job, and end this process: threads that the file has started are not waited for."""
    status = 1
    try:
        _run(json.loads(text))
        status = 0
    finally:
        os._exit(status)


def _run(job: dict[str, Any]) -> None:
    own = os.getpid()
    sys.argv[:] = [job["path"]]
    with open(job["news"], "a", encoding="utf-8") as news:

        def tell(**event: Any) -> None:
            if os.getpid() != own:  # a copy that the file's code has made by os.fork
                os._exit(0)
            news.write(json.dumps(event) + "\n")
            news.flush()

        _limit_memory(job["memory"])
        _limit_time(job["timeout"])
        tell(event="started", name="")
        try:
            module = _imported(Path(job["path"]))
        except BaseException as error:
            tell(event="failed", name="", error=described(error))
            return
        for name, owner in job["functions"].items():
            _limit_time(job["timeout"])
            tell(event="started", name=name)
            try:
                report = _checked(module, name, owner, job["year"])
            except BaseException as error:
                tell(event="failed", name=name, error=described(error))
            else:
                tell(event="checked", name=name, report=report)


def _checked(module: types.ModuleType, name: str, owner: str, year: int | None) -> dict[str, Any]:
    given = getattr(module, owner or name)
    if owner and SIGNATURES[name].group not in ("distances", "votes"):
        given = getattr(given, name)
    return check(given, name, year=year).to_dict()


def _limit_memory(megabytes: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    with contextlib.suppress(ValueError, OSError):  # a lower limit holds already
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
        resource.setrlimit(resource.RLIMIT_FSIZE, (megabytes << 20, megabytes << 20))  # of one file that is written


def _limit_time(seconds: int) -> None:
    """End this process when it has used so many seconds of processor time from now on."""
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + seconds, hard))


def _imported(path: Path) -> types.ModuleType:
    """Import a file as its own tests would: next to its neighbours, and below the package that it is part of."""
    _offer_past()
    top = path.parent
    while (top / "__init__.py").exists():
        top = top.parent
    sys.path[:0] = [str(path.parent), str(top)]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _offer_past() -> None:
    """The files of the assignment import xrange from the package future, which newer Pythons may not have."""
    if importlib.util.find_spec("past") is None:
        past, builtins = types.ModuleType("past"), types.ModuleType("past.builtins")
        builtins.xrange = range  # type: ignore[attr-defined]
        past.builtins = builtins  # type: ignore[attr-defined]
        sys.modules.update({"past": past, "past.builtins": builtins})

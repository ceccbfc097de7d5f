"""The program of a learner's process: it divides in two, a keeper and the process that runs the file.

The keeper is the parent that the file's code sees. Code that ends its parent, or its parent's group, ends its own check and
not the command that checks a class. On Windows there is no keeper.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys


def keep() -> None:
    """Return in a new process; the present one waits for it, and ends as it ended."""
    if not hasattr(os, "fork"):
        return
    child = os.fork()
    if child == 0:
        return

    def end(*_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)

    signal.signal(signal.SIGTERM, end)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status >= 0:
        os._exit(status)
    with contextlib.suppress(OSError, ValueError, ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):  # SIGKILL has no handler
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)


if __name__ == "__main__":
    keep()
    sys.path[0] = ""  # the folder of this file would hide modules of the learner
    sys.path.append(sys.argv[1])
    from fastcls.course._child import main

    main(sys.argv[2])

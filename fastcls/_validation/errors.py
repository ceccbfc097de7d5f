"""The error that every refusal of user input raises."""

from __future__ import annotations

import os
import sys
import sysconfig

_LIBRARIES = tuple({path for name, path in sysconfig.get_paths().items() if "lib" in name})


class InputError(ValueError):
    """Input that cannot be used. The message is one line: what came, what was wanted, what to do."""


class InputTypeError(InputError, TypeError):
    """A value whose type is not a number: scikit-learn's users expect a TypeError."""


def is_of_caller(error: BaseException) -> bool:
    """Whether an exception was raised by the program that uses fastcls: by a signal handler, between two steps of a reader.

    Its last frame is neither of fastcls nor of an installed library.
    """
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    if place is None:
        return False
    name = str(place.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
    file = getattr(sys.modules.get(name), "__file__", None) or place.tb_frame.f_code.co_filename
    # compiled modules have names of files that are no paths of this machine
    return name == "__main__" or (name != "fastcls" and os.path.isabs(file) and not file.startswith(_LIBRARIES))

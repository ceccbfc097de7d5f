"""Failed steps of a run: each is reported in one line, and the results of other steps are kept."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastcls._validation.errors import InputError

from ._progress import Progress
from ._text import one_line

#: exceptions with a message for users; for all others, the class and the line are shown too
_EXPECTED = (InputError, ArithmeticError, OSError)


class Failures:
    """The failed steps of a run, in order."""

    def __init__(self, progress: Progress):
        self._progress = progress
        self.errors: list[Exception] = []
        #: for results.json: ``step`` and ``error``, and ``model`` where the step belongs to one
        self.found: list[dict[str, str]] = []

    @contextmanager
    def kept(self, step: str, model: str | None = None) -> Iterator[None]:
        """Run a step; if it fails, report it in one line and continue. Ctrl-C is not a failure and ends the run."""
        try:
            yield
        except Exception as error:  # whatever it is, the results so far must not be lost
            self.errors.append(error)
            self.found.append({"step": step, **({} if model is None else {"model": model}), "error": described(error)})
            self._progress.line(f"failed: {step}: {described(error)}")


def described(error: Exception) -> str:
    """Return the error as one line."""
    if isinstance(error, MemoryError):
        return f"not enough memory ({one_line(error)}): use fewer rows with --limit"
    if isinstance(error, _EXPECTED) and not isinstance(error, (ZeroDivisionError, FloatingPointError)):
        return one_line(error)
    name = type(error).__name__
    message = "" if one_line(error) == name else f": {one_line(error)}"
    places = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(places[-1].filename).name}, line {places[-1].lineno})" if places else ""
    return f"{name}{message}{place}"

"""Steps of a run that fail: each is one line, and what other steps have computed is kept."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastcls._validation.errors import InputError

from ._progress import Progress
from ._text import one_line

#: exceptions whose message is written for users; of any other, its class and place are said too
_EXPECTED = (InputError, ArithmeticError, OSError)


class Failures:
    """What failed in a run, in the order in which it happened."""

    def __init__(self, progress: Progress):
        self._progress = progress
        self.errors: list[Exception] = []
        #: for results.json: ``step`` and ``error``, and ``model`` where the step belongs to one
        self.found: list[dict[str, str]] = []

    @contextmanager
    def kept(self, step: str, model: str | None = None) -> Iterator[None]:
        """Do a step; if it fails, say so in one line and go on. Ctrl-C is no failure and ends the run."""
        try:
            yield
        except Exception as error:  # whatever it is, it must not cost what is already computed
            self.errors.append(error)
            self.found.append({"step": step, **({} if model is None else {"model": model}), "error": described(error)})
            self._progress.line(f"failed: {step}: {described(error)}")


def described(error: Exception) -> str:
    """The error on one line."""
    if isinstance(error, MemoryError):
        return f"not enough memory ({one_line(error)}): take fewer rows with --limit"
    if isinstance(error, _EXPECTED) and not isinstance(error, (ZeroDivisionError, FloatingPointError)):
        return one_line(error)
    name = type(error).__name__
    message = "" if one_line(error) == name else f": {one_line(error)}"
    places = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(places[-1].filename).name}, line {places[-1].lineno})" if places else ""
    return f"{name}{message}{place}"

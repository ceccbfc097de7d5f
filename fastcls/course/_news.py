"""What the process of a learner's file says, read as the words of a stranger: the file's own code may have written them."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

from ._report import CourseReport, Mistake

#: Bytes of news; the reports of all functions take a few thousand.
LARGEST = 1 << 20
_KEYS = {"started": {"event", "name"}, "failed": {"event", "name", "error"}, "checked": {"event", "name", "report"}}
_OF_REPORT = {one.name for one in fields(CourseReport)} | {"passed"}
_OF_MISTAKE = {one.name for one in fields(Mistake)}
_NUMBERS = ("value_error", "gradient_error", "seconds", "fastcls_seconds")


class News:
    """The news of one process, checked line by line; nothing after the first line that cannot be true is read.

    Parameters
    ----------
    path : Path
        The file that the process appends to. It stays open here, so that it cannot be replaced.
    names : collection of str
        The functions that the process is to check.
    year : int or None

    Attributes
    ----------
    reports : dict
        From a function to its `CourseReport`.
    failures : dict
        From a function, or "" for the import, to the exception that ended its check.
    part : str or None
        The function that is being checked, or "" for the import; None if there is none.
    n_events : int
    wrong : bool
        Whether something was read that this process would not say.
    """

    def __init__(self, path: Path, names: Any, year: int | None) -> None:
        self._names, self._year = set(names), year
        self.reports: dict[str, CourseReport] = {}
        self.failures: dict[str, str] = {}
        self.part: str | None = None
        self.n_events, self.wrong = 0, False
        self._rest, self._n_bytes = b"", 0
        self._file = open(path, "rb")  # noqa: SIM115  (closed by close)

    def close(self) -> None:
        """Read no more."""
        self._file.close()

    def look(self) -> None:
        """Read what is new, whole lines only: the last one may still be written."""
        if self.wrong:
            return
        new = self._file.read(LARGEST + 1 - self._n_bytes)
        self._n_bytes += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        try:
            for line in lines:
                self._take(json.loads(line.decode("utf-8")))
                self.n_events += 1
            _require(self._n_bytes <= LARGEST)
        except (ValueError, RecursionError):
            self.wrong = True

    def _take(self, event: Any) -> None:
        """Take one event, or raise ValueError if the process cannot have said it now."""
        _require(isinstance(event, dict) and isinstance(event.get("event"), str) and isinstance(event.get("name"), str))
        what, name = event["event"], event["name"]
        _require(event.keys() == _KEYS.get(what))
        if what == "started":
            first = self.n_events == 0
            _require(name == "" if first else self.part in ("", None) and name in self._names)
            _require(name not in self.reports and name not in self.failures and "" not in self.failures)
            self.part = name
            return
        _require(self.n_events > 0 and name == self.part)
        if what == "failed":
            _require(isinstance(event["error"], str))
            self.failures[name] = event["error"]
        else:
            _require(name != "")
            self.reports[name] = self._report(event["report"], name)
        self.part = None

    def _report(self, given: Any, name: str) -> CourseReport:
        _require(isinstance(given, dict) and given.keys() == _OF_REPORT)
        _require(given["function"] == name and given["year"] == self._year and isinstance(given["timed_on"], str))
        _require(all(given[one] is None or _is_number(given[one]) for one in _NUMBERS))
        _require(isinstance(given["notes"], list) and all(isinstance(note, str) for note in given["notes"]))
        _require(isinstance(given["mistakes"], list))
        for one in given["mistakes"]:
            _require(isinstance(one, dict) and one.keys() == _OF_MISTAKE)
            _require(all(isinstance(text, str) for text in one.values()))
        _require(given["passed"] is (not given["mistakes"]))
        values = {key: value for key, value in given.items() if key != "passed"}
        mistakes = tuple(Mistake(**one) for one in given["mistakes"])
        return CourseReport(**{**values, "mistakes": mistakes, "notes": tuple(given["notes"])})


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError("no news of this process")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)

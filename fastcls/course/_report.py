"""The result of a check of a learner's function."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from fastcls._validation.messages import counted, printable
from fastcls._validation.notebook import Table, as_html


@dataclass(frozen=True)
class Mistake:
    """A mistake, in one line: ``str()``.

    Attributes
    ----------
    name : str
        Such as ``"no division by N"``; the same in every function.
    part : str
        What is wrong: ``"loss"``, ``"gradient"``, ``"loss and gradient"``, ``"distances"``, ...
    seen : str
        What the function returned, and what was wanted.
    cause : str
        The likely cause.
    look : str
        Where to look.
    """

    name: str
    part: str
    seen: str
    cause: str
    look: str

    def __str__(self) -> str:
        text = f"{self.name} ({self.part}): {self.seen}. Likely cause: {self.cause}. Look at {self.look}."
        return printable(" ".join(text.split()))


@dataclass(frozen=True)
class CourseReport:
    """Result of `check`; ``print(report)`` shows it, and a notebook shows a table.

    Attributes
    ----------
    function : str
        The name of the function in the assignment.
    year : int or None
    mistakes : tuple of Mistake
        Empty if the function is right.
    notes : tuple of str
        What is worth knowing and does not fail the check.
    value_error : float or None
        Largest relative error of the loss, or of the distances, or share of wrong labels; None if nothing could be compared.
    gradient_error : float or None
        Largest relative error of the gradient (as in `fastcls.gradcheck.relative_errors`); None if there is none.
    seconds, fastcls_seconds : float or None
        The shortest time of this function and of ours on the rows of `timed_on`; None if it could not be timed.
    timed_on : str
        The size of these rows.
    """

    function: str
    year: int | None
    mistakes: tuple[Mistake, ...]
    notes: tuple[str, ...] = ()
    value_error: float | None = None
    gradient_error: float | None = None
    seconds: float | None = None
    fastcls_seconds: float | None = None
    timed_on: str = field(default="", repr=False)

    @property
    def passed(self) -> bool:
        """Whether no mistake was found."""
        return not self.mistakes

    @property
    def headline(self) -> str:
        """One line: the function, and how many mistakes it has."""
        return f"{self.function}: {'right' if self.passed else counted(len(self.mistakes), 'mistake')}"

    def numbers(self) -> list[tuple[str, str]]:
        """Errors and times as text.

        Returns
        -------
        list of (str, str)
            Name and text of each.
        """
        found = []
        if self.value_error is not None:
            found.append(("value", f"largest relative error {self.value_error:.1e}"))
        if self.gradient_error is not None:
            found.append(("gradient", f"largest relative error {self.gradient_error:.1e}"))
        if self.seconds is not None and self.fastcls_seconds is not None:
            found.append(
                ("time", f"{_time(self.seconds)}; fastcls {_time(self.fastcls_seconds)} ({self.timed_on})"),
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values, for JSON: an error that is infinite or NaN becomes None.

        Returns
        -------
        dict
            The attributes, and ``passed``.
        """
        found = {**asdict(self), "passed": self.passed}
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in found.items()
        }

    def __str__(self) -> str:
        lines = [self.headline]
        lines += [f"  {mistake}" for mistake in self.mistakes]
        lines += [f"  note: {printable(note)}" for note in self.notes]
        lines += [f"  {name:<9} {text}" for name, text in self.numbers()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        heads = ("mistake", "part", "seen", "likely cause", "look at")
        rows = [(one.name, one.part, one.seen, one.cause, one.look) for one in self.mistakes]
        others = [*(("note", note) for note in self.notes), *self.numbers()]
        tables = [Table(heads, rows, texts=heads)] if rows else []
        return as_html(self.headline, (), tables, [f"{name}: {text}" for name, text in others])


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"

"""The result of a gradient check."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastcls._validation.messages import counted
from fastcls._validation.notebook import Table, as_html


@dataclass(frozen=True)
class ClosedForm:
    """A function's value and gradient, compared with those of a `LinearProblem`.

    Attributes
    ----------
    value, wanted : float
        The value of the function, and that of the problem.
    gradient_error : float
        The largest relative error of an entry of the gradient (`relative_errors`); infinite if one is not finite.
    """

    value: float
    wanted: float
    gradient_error: float

    @property
    def value_error(self) -> float:
        """|value - wanted| / max(|value|, |wanted|), 0 if both are 0, and infinite if the value is not finite."""
        if not np.isfinite(self.value):
            return float("inf")
        return abs(self.value - self.wanted) / (max(abs(self.value), abs(self.wanted)) or 1.0)

    def __str__(self) -> str:
        return (
            f"closed form: value {self.value:.6g}, wanted {self.wanted:.6g} (relative error {self.value_error:.1e}); "
            f"gradient, largest relative error {self.gradient_error:.1e}"
        )


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class GradientReport:
    """Result of a gradient check; ``str()`` is a table of the worst entries.

    Attributes
    ----------
    coordinates : int array (n_checked, W.ndim)
        Place of each entry in W: class and feature (the last feature may be the bias), or the indices of a function's array.
        Empty for a direction.
    analytic, numerical : float64 arrays (n_checked,)
    relative_errors : float64 array (n_checked,)
        Relative errors beyond the effect of rounding; infinite if the analytic gradient is NaN or infinite.
    is_kink : bool array (n_checked,)
        Whether the loss has a kink within the step, where the two gradients need not agree.
    loss : str
        The name of the loss, or of the function.
    axes : tuple of str
        What the columns of `coordinates` are.
    closed_form : ClosedForm or None
        The comparison with a problem, if there was one.
    """

    coordinates: np.ndarray
    analytic: np.ndarray
    numerical: np.ndarray
    relative_errors: np.ndarray
    is_kink: np.ndarray
    loss: str
    axes: tuple[str, ...] = ("class", "feature")
    closed_form: ClosedForm | None = None

    @property
    def max_relative_error(self) -> float:
        """The largest relative error away from kinks; NaN if all entries are on kinks, infinite if one is not finite."""
        away = self.relative_errors[~self.is_kink | ~self._is_finite]
        return float(away.max()) if len(away) else float("nan")

    @property
    def _is_finite(self) -> np.ndarray:
        return np.isfinite(self.analytic) & np.isfinite(self.numerical)

    @property
    def n_not_finite(self) -> int:
        """Entries whose analytic or numerical gradient is NaN or infinite; these are wrong even on a kink."""
        return int((~self._is_finite).sum())

    @property
    def verdict(self) -> str:
        """One line: what is wrong, or the largest error."""
        if self.n_not_finite:
            at = int(np.argmin(self._is_finite))
            where = f", first at {self._place(at)}" if len(self.coordinates) else ""
            return (
                f"{self.n_not_finite} of {self.n_checked} entries are NaN or infinite (analytic {self.analytic[at]:g}, "
                f"numerical {self.numerical[at]:g}{where})"
            )
        if self.n_kinks == self.n_checked:
            return f"all {self.n_checked} entries are on a kink of the loss, so nothing was compared: try another W"
        return f"largest relative error away from kinks {self.max_relative_error:.1e}"

    def _place(self, at: int) -> str:
        return ", ".join(f"{axis} {index}" for axis, index in zip(self.axes, self.coordinates[at], strict=True))

    @property
    def n_checked(self) -> int:
        """Number of entries that were compared, including those on kinks."""
        return len(self.analytic)

    @property
    def n_kinks(self) -> int:
        """Number of entries with a kink within the step."""
        return int(self.is_kink.sum())

    def _headline(self) -> str:
        entries = counted(self.n_checked, "entry", "entries")
        return f"Gradient check of {self.loss}: {entries}, {self.n_kinks} of them on a kink and not counted"

    def _worst(self) -> list[int]:
        """Up to eight entries: the largest errors first, those on kinks last."""
        return np.lexsort((-self.relative_errors, self.is_kink))[:8].tolist()

    def _repr_html_(self) -> str:
        worst = self._worst()
        rows = []
        for at in worst:
            where = [str(index) for index in self.coordinates[at]] if len(self.coordinates) else [""] * len(self.axes)
            values = (f"{self.analytic[at]:.6e}", f"{self.numerical[at]:.6e}", f"{self.relative_errors[at]:.1e}")
            rows.append([*where, *values, "kink" if self.is_kink[at] else ""])
        lines = [self.verdict, *([str(self.closed_form)] if self.closed_form else [])]
        left_out = self.n_checked - len(worst)
        notes = [f"and {counted(left_out, 'entry', 'entries')} with smaller errors or on kinks"] if left_out else []
        table = Table([*self.axes, "analytic", "numerical", "error", ""], rows)
        return as_html(self._headline(), lines, [table], notes)

    def __str__(self) -> str:
        lines = [
            self._headline(),
            self.verdict,
            *([str(self.closed_form)] if self.closed_form else []),
            f"{''.join(f'{axis:>8} ' for axis in self.axes)}{'analytic':>14} {'numerical':>14} {'error':>9}",
        ]
        order = self._worst()
        for at in order:
            where = self.coordinates[at] if len(self.coordinates) else [""] * len(self.axes)
            note = "  kink" if self.is_kink[at] else ""
            lines.append(
                f"{''.join(f'{index:>8} ' for index in where)}{self.analytic[at]:>14.6e} {self.numerical[at]:>14.6e} "
                f"{self.relative_errors[at]:>9.1e}{note}"
            )
        if self.n_checked > len(order):
            lines.append(f"and {counted(self.n_checked - len(order), 'entry', 'entries')} with smaller errors or on kinks")
        return "\n".join(lines)

"""``fastcls gradcheck``: compare the compiled gradient with the numerical one, on rows of the user's data."""

from __future__ import annotations

from fastcls._validation.base import one_of

from ..losses import LOSSES
from . import _data
from ._checks import parse_drop
from ._linear import GRADIENT_TOLERANCE, check_on_sample


def gradcheck(data: str, loss: str, *, seed: int, labels: str | None, drop: str | None = None) -> bool:
    """Print the comparison, and return whether the two gradients agree."""
    one_of("--loss", loss, LOSSES)
    dataset = _data.load(data, labels=labels, drop=parse_drop(drop))
    report = check_on_sample(dataset.X, dataset.y, loss, seed=seed)
    print(report)
    agrees = bool(report.max_relative_error <= GRADIENT_TOLERANCE)
    print(
        f"{loss}: {'the gradients agree' if agrees else 'THE GRADIENTS DIFFER'}: {report.verdict} "
        f"(at most {GRADIENT_TOLERANCE:.0e} is accepted)"
    )
    return agrees

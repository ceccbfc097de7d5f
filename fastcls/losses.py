"""The registry of losses: for each its formula, domain, source and options, and its value and gradient in NumPy.

A loss is a function of one row of scores and that row's label; the mean over rows, the penalty and the data belong to
`problem.py`. The compiled twin of each function here is in ``_losses.pxd``; the two files are all a new loss touches.

The functions below take ``scores`` (n_samples, n_classes) and ``y`` (n_samples,) class codes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from ._validation import InputError, check_number, one_of

LossesAndSlopes = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Loss:
    """One loss.

    Attributes
    ----------
    name : str
    code : int
        Its number in the table of ``_losses.pxd``.
    formula, domain, source : str
    function : callable
        ``function(scores, y, **options) -> (losses (n,), d losses / d scores (n, n_classes))`` in NumPy.
    at_zero : callable
        ``at_zero(n_classes, **options)``: the loss where all scores are equal, as with W = 0.
    curvature : callable
        ``curvature(n_classes, **options)``: a bound on the largest eigenvalue of the second derivative in the scores,
        from which the optimiser takes its learning rate. For a loss with kinks: of the loss with its kinks rounded off.
    options : mapping of str to float
        Options and their defaults, in the order in which the compiled function reads them.
    piecewise_linear : bool
        Flat pieces that meet in kinks, which a gradient check must keep apart.
    has_probabilities : bool
        The scores are unnormalised log probabilities.
    """

    name: str
    code: int
    formula: str
    domain: str
    source: str
    function: Callable[..., LossesAndSlopes]
    at_zero: Callable[..., float]
    curvature: Callable[..., float]
    options: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    piecewise_linear: bool = False
    has_probabilities: bool = False


def _hinge(scores: np.ndarray, y: np.ndarray, margin: float = 1.0) -> LossesAndSlopes:
    at = np.arange(len(y))
    excess = scores - scores[at, y][:, None] + margin
    excess[at, y] = 0.0
    # Not 'excess > 0': a NaN must reach the loss. At exactly 0 the subgradient taken is 0.
    violated = ~(excess <= 0.0)
    slopes = violated.astype(np.float64)
    slopes[at, y] = -violated.sum(axis=1)
    return np.where(violated, excess, 0.0).sum(axis=1), slopes


def _softmax(scores: np.ndarray, y: np.ndarray) -> LossesAndSlopes:
    at = np.arange(len(y))
    top_class = scores.argmax(axis=1)
    top = scores[at, top_class]
    weights = np.exp(scores - top[:, None])
    below_top = weights.copy()
    below_top[at, top_class] = 0.0
    not_label = weights.copy()
    not_label[at, y] = 0.0
    rest = below_top.sum(axis=1)
    slopes = weights / (1.0 + rest)[:, None]
    # p - 1 would lose its digits where p is nearly 1; the sum over the other classes is the same number and keeps them.
    slopes[at, y] = -not_label.sum(axis=1) / (1.0 + rest)
    return np.log1p(rest) + (top - scores[at, y]), slopes


LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss(
            name="hinge",
            code=0,
            formula="L_i = sum_{j != y_i} max(0, s_j - s_{y_i} + margin)",
            domain="margin > 0; any finite scores. On a kink (s_j - s_y + margin = 0) the subgradient taken is 0",
            source="Weston and Watkins, Multi-class support vector machines, 1998; the lecture's multiclass SVM loss",
            function=_hinge,
            at_zero=lambda n_classes, margin=1.0: (n_classes - 1) * margin,
            # Each hinge rounded off over a width of `margin` bends by 1/margin; together they are 1/margin times the
            # Laplacian of a star with n_classes nodes, whose largest eigenvalue is n_classes.
            curvature=lambda n_classes, margin=1.0: n_classes / margin,
            options=MappingProxyType({"margin": 1.0}),
            piecewise_linear=True,
        ),
        Loss(
            name="softmax",
            code=1,
            formula="L_i = -log(exp(s_{y_i}) / sum_j exp(s_j)), natural logarithm",
            domain="any finite scores: the largest is subtracted before exp",
            source="multinomial logistic regression; bound 1/2 on the second derivative: Boehning, 1992",
            function=_softmax,
            at_zero=lambda n_classes: math.log(n_classes),
            curvature=lambda n_classes: 0.5,
            has_probabilities=True,
        ),
    )
}


def find_loss(name: str) -> Loss:
    """The registry row of a name; an unknown one is refused with the list of those that exist."""
    return LOSSES[one_of("loss", name, LOSSES)]


def option_values(loss: Loss, options: Mapping[str, float]) -> np.ndarray:
    """The options as the compiled function reads them, defaults filled in; unknown or non-positive ones are refused."""
    for name, value in options.items():
        if name not in loss.options:
            known = sorted(loss.options) or "none"
            raise InputError(f"loss {loss.name!r} has no option {name!r}: its options are {known}")
        check_number(name, value, minimum=0, strict=True)
    return np.array([options.get(name, default) for name, default in loss.options.items()], dtype=np.float64)


def _check_scores(scores: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[1] < 1:
        raise InputError(f"scores have shape {scores.shape}: give one row of scores a sample, (n_samples, n_classes)")
    y = np.asarray(y)
    if y.shape != scores.shape[:1] or not (np.issubdtype(y.dtype, np.integer) or y.dtype == bool):
        raise InputError(
            f"y has shape {y.shape} and type {y.dtype}: give one integer class code for each of the {len(scores)} rows"
        )
    if len(y) and not (y.min() >= 0 and y.max() < scores.shape[1]):
        raise InputError(f"y holds codes {y.min()} to {y.max()}: scores have {scores.shape[1]} columns, so use 0 to "
                         f"{scores.shape[1] - 1}")
    return scores, y.astype(np.int64)


def loss_and_gradient(name: str, scores: np.ndarray, y: np.ndarray, **options: float) -> LossesAndSlopes:
    """Per-sample losses and their derivatives with respect to the scores.

    Parameters
    ----------
    name : str
        A name of ``LOSSES``.
    scores : array (n_samples, n_classes)
    y : array (n_samples,) of integer class codes
    **options
        The loss's own, such as ``margin``.

    Returns
    -------
    losses : float64 array (n_samples,)
    slopes : float64 array (n_samples, n_classes)
        d losses / d scores.

    Raises
    ------
    InputError
        For an unknown name or option, or codes outside the columns of ``scores``.

    Examples
    --------
    >>> losses, slopes = loss_and_gradient("hinge", [[3.2, 5.1, -1.7]], [0])
    >>> losses.round(3), slopes
    (array([2.9]), array([[-1.,  1.,  0.]]))
    """
    loss = find_loss(name)
    option_values(loss, options)
    return loss.function(*_check_scores(scores, y), **options)


def multiclass_hinge(scores: np.ndarray, y: np.ndarray, margin: float = 1.0) -> np.ndarray:
    """Multiclass SVM loss of Weston and Watkins, per sample: sum over j != y of max(0, s_j - s_y + margin).

    Parameters
    ----------
    scores : array (n_samples, n_classes)
    y : array (n_samples,) of integer class codes
    margin : float
        By how much the right class must win to cost nothing.

    Returns
    -------
    float64 array (n_samples,)
    """
    return loss_and_gradient("hinge", scores, y, margin=margin)[0]


def softmax_cross_entropy(scores: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Softmax loss per sample: -log(exp(s_y) / sum_j exp(s_j)), natural logarithm.

    Parameters
    ----------
    scores : array (n_samples, n_classes)
    y : array (n_samples,) of integer class codes

    Returns
    -------
    float64 array (n_samples,)
    """
    return loss_and_gradient("softmax", scores, y)[0]

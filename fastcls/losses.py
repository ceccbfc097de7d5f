"""The registry of losses: for each its formula, domain, source and options, and its value and gradient in NumPy.

A loss is a function of one row of scores and that row's label; the mean over rows, the penalty and the data belong to
`problem.py`. The compiled twin of each function here is in ``losses.pxd``; a new loss needs both, and its plain definition
in ``reference/_linear.py``.

The functions below take ``scores`` (n_samples, n_classes) and ``y`` (n_samples,) class codes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from fastcls._validation.base import check_number, check_switch, one_of
from fastcls._validation.errors import InputError
from fastcls._validation.linear import check_scores

__all__ = [
    "LOSSES",
    "Loss",
    "Option",
    "crammer_singer",
    "loss_and_gradient",
    "multiclass_hinge",
    "one_vs_all",
    "softmax_cross_entropy",
    "squared_hinge",
]

LossesAndSlopes = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Option:
    """One option of a loss.

    Attributes
    ----------
    default : object
    check : callable
        ``check(name, value)`` raises `InputError` for an invalid value.
    to_number : callable
        Converts the value to the double that the compiled function reads.
    """

    default: Any
    check: Callable[[str, Any], Any]
    to_number: Callable[[Any], float] = float


@dataclass(frozen=True)
class Loss:
    """One loss.

    Attributes
    ----------
    name : str
    code : int
        Number in the table of ``losses.pxd``.
    formula, domain, source : str
    function : callable
        ``function(scores, y, **options) -> (losses (n,), d losses / d scores (n, n_classes))`` in NumPy.
    at_zero : callable
        ``at_zero(n_classes, **options)``: the loss if all scores are 0, as with W = 0.
    curvature : callable
        ``curvature(n_classes, **options)``: a bound on the largest eigenvalue of the second derivative in the scores,
        from which the optimiser computes its learning rate. If the loss has kinks: of the loss with rounded kinks.
    options : mapping of str to Option
        In the order in which the compiled function reads them.
    segment_degree : int or None
        1: linear segments that meet in kinks. 2: parabolas whose curvature changes where they meet. A gradient check must
        handle such points separately. None: smooth.
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
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    segment_degree: int | None = None
    has_probabilities: bool = False

    @property
    def is_differentiable(self) -> bool:
        """Whether the gradient is continuous, which L-BFGS needs."""
        return self.segment_degree != 1

    def check_options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Check the given options, and return them.

        Parameters
        ----------
        given : mapping of str to object

        Returns
        -------
        dict of str to object

        Raises
        ------
        InputError
            For an unknown option or an invalid value.
        """
        for name, value in given.items():
            if name not in self.options:
                known = ", ".join(sorted(self.options)) or "none"
                raise InputError(f"loss {self.name!r} has no option {name!r}: leave it out (its options: {known})")
            self.options[name].check(name, value)
        return dict(given)

    def option_numbers(self, given: Mapping[str, Any]) -> np.ndarray:
        """All options as the compiled function reads them; those not given have their defaults.

        Parameters
        ----------
        given : mapping of str to object

        Returns
        -------
        float64 array (n_options,)

        Raises
        ------
        InputError
            For an unknown option or an invalid value.
        """
        values = {name: option.default for name, option in self.options.items()} | self.check_options(given)
        return np.array([option.to_number(values[name]) for name, option in self.options.items()])


_MARGIN = Option(1.0, lambda name, value: check_number(name, value, minimum=0, strict=True))
_INCLUDE_CORRECT = Option(False, check_switch)
_CLASS_REDUCTION = Option(
    "sum", lambda name, value: one_of(name, value, ("sum", "mean")), to_number=lambda value: float(value == "mean")
)
_HINGE_OPTIONS = MappingProxyType(
    {"margin": _MARGIN, "include_correct": _INCLUDE_CORRECT, "class_reduction": _CLASS_REDUCTION}
)


def _terms(n_classes: int, include_correct: bool, class_reduction: str) -> float:
    """The divisor of a sum over classes: 1, or with "mean" the number of terms."""
    return max(1.0, n_classes - 1.0 + include_correct) if class_reduction == "mean" else 1.0


def _excesses(scores: np.ndarray, y: np.ndarray, margin: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """0..n-1, s_j - s_y + margin with 0 for j = y, and where it counts.

    'Not <= 0' instead of '> 0', so that NaN is passed on to the loss. At exactly 0 the subgradient is 0.
    """
    at = np.arange(len(y))
    excess = scores - scores[at, y][:, None] + margin
    excess[at, y] = 0.0
    return at, excess, ~(excess <= 0.0)


def _hinge(
    scores: np.ndarray, y: np.ndarray, margin: float = 1.0, include_correct: bool = False, class_reduction: str = "sum"
) -> LossesAndSlopes:
    at, excess, violated = _excesses(scores, y, margin)
    terms = _terms(scores.shape[1], include_correct, class_reduction)
    slopes = violated.astype(np.float64)
    slopes[at, y] = -violated.sum(axis=1)
    losses = np.where(violated, excess, 0.0).sum(axis=1)
    return (losses + margin if include_correct else losses) / terms, slopes / terms


def _squared_hinge(
    scores: np.ndarray, y: np.ndarray, margin: float = 1.0, include_correct: bool = False, class_reduction: str = "sum"
) -> LossesAndSlopes:
    at, excess, violated = _excesses(scores, y, margin)
    terms = _terms(scores.shape[1], include_correct, class_reduction)
    slopes = np.where(violated, 2.0 * excess, 0.0)
    slopes[at, y] = -slopes.sum(axis=1)
    losses = np.where(violated, excess * excess, 0.0).sum(axis=1)
    return (losses + margin * margin if include_correct else losses) / terms, slopes / terms


def _crammer_singer(scores: np.ndarray, y: np.ndarray, margin: float = 1.0) -> LossesAndSlopes:
    at, excess, _ = _excesses(scores, y, margin)
    slopes = np.zeros(scores.shape)
    if scores.shape[1] == 1:
        return np.zeros(len(y)), slopes
    excess[at, y] = -np.inf
    rival = excess.argmax(axis=1)  # a NaN counts as the largest
    largest = excess[at, rival]
    counts = ~(largest <= 0.0)
    slopes[at, rival] = counts
    slopes[at, y] = -counts.astype(np.float64)
    return np.where(counts, largest, 0.0), slopes


def _one_vs_all(scores: np.ndarray, y: np.ndarray, margin: float = 1.0, class_reduction: str = "sum") -> LossesAndSlopes:
    signs = np.ones(scores.shape)
    signs[np.arange(len(y)), y] = -1.0
    excess = margin + signs * scores
    violated = ~(excess <= 0.0)
    terms = scores.shape[1] if class_reduction == "mean" else 1.0
    return np.where(violated, excess, 0.0).sum(axis=1) / terms, np.where(violated, signs, 0.0) / terms


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
    # p - 1 loses digits if p is nearly 1; the sum over the other classes is the same number without that loss.
    slopes[at, y] = -not_label.sum(axis=1) / (1.0 + rest)
    return np.log1p(rest) + (top - scores[at, y]), slopes


def _of_pair_sum(n_classes: int, each: float, include_correct: bool, class_reduction: str) -> float:
    """Value at zero of a hinge over pairs: `each` for every class except the right one, which `include_correct` adds."""
    return (n_classes - 1 + include_correct) * each / _terms(n_classes, include_correct, class_reduction)


#: losses by their names
LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss(
            name="hinge",
            code=0,
            formula="L_i = sum_{j != y_i} max(0, s_j - s_{y_i} + margin); include_correct adds j = y_i, class_reduction="
            '"mean" divides by the number of terms',
            domain="margin > 0; any finite scores. On a kink (s_j - s_y + margin = 0) the subgradient taken is 0",
            source="Weston and Watkins, Multi-class support vector machines, 1998; the lecture's multiclass SVM loss",
            function=_hinge,
            at_zero=lambda n_classes, margin=1.0, include_correct=False, class_reduction="sum": _of_pair_sum(
                n_classes, margin, include_correct, class_reduction
            ),
            # A hinge smoothed over a width of `margin` has the curvature 1/margin. Together the hinges give 1/margin times
            # the Laplacian of a star with n_classes nodes, whose largest eigenvalue is n_classes.
            curvature=lambda n_classes, margin=1.0, include_correct=False, class_reduction="sum": (
                n_classes / (margin * _terms(n_classes, include_correct, class_reduction))
            ),
            options=_HINGE_OPTIONS,
            segment_degree=1,
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
        Loss(
            name="squared_hinge",
            code=2,
            formula="L_i = sum_{j != y_i} max(0, s_j - s_{y_i} + margin)^2; options as for hinge",
            domain="margin > 0; scores below 1e154 in magnitude",
            source="the lecture's question 6; Lee and Lin, A study on L2-loss multiclass SVM, 2013",
            function=_squared_hinge,
            at_zero=lambda n_classes, margin=1.0, include_correct=False, class_reduction="sum": _of_pair_sum(
                n_classes, margin * margin, include_correct, class_reduction
            ),
            # Each square has the curvature 2: twice the Laplacian of a star.
            curvature=lambda n_classes, margin=1.0, include_correct=False, class_reduction="sum": (
                2.0 * n_classes / _terms(n_classes, include_correct, class_reduction)
            ),
            options=_HINGE_OPTIONS,
            segment_degree=2,
        ),
        Loss(
            name="crammer_singer",
            code=3,
            formula="L_i = max(0, max_{j != y_i} s_j - s_{y_i} + margin)",
            domain="margin > 0; any finite scores. Of equal rivals the first has the slope",
            source="Crammer and Singer, On the algorithmic implementation of multiclass kernel-based vector machines, 2001",
            function=_crammer_singer,
            at_zero=lambda n_classes, margin=1.0: margin if n_classes > 1 else 0.0,
            # One pair at a time: the Laplacian of an edge.
            curvature=lambda n_classes, margin=1.0: 2.0 / margin,
            options=MappingProxyType({"margin": _MARGIN}),
            segment_degree=1,
        ),
        Loss(
            name="one_vs_all",
            code=4,
            formula="L_i = sum_j max(0, margin - t_j s_j), t_j = 1 for j = y_i and -1 for the others; "
            'class_reduction="mean" divides by their number',
            domain="margin > 0; any finite scores",
            source="n_classes binary hinges; Rifkin and Klautau, In defense of one-vs-all classification, 2004",
            function=_one_vs_all,
            at_zero=lambda n_classes, margin=1.0, class_reduction="sum": (
                margin * (1 if class_reduction == "mean" else n_classes)
            ),
            curvature=lambda n_classes, margin=1.0, class_reduction="sum": (
                1.0 / (margin * (n_classes if class_reduction == "mean" else 1))
            ),
            options=MappingProxyType({"margin": _MARGIN, "class_reduction": _CLASS_REDUCTION}),
            segment_degree=1,
        ),
    )
}


def find_loss(name: str) -> Loss:
    """The entry of ``LOSSES`` with this name.

    Parameters
    ----------
    name : str

    Returns
    -------
    Loss

    Raises
    ------
    InputError
        For an unknown name; the message lists the known ones.
    """
    return LOSSES[one_of("loss", name, LOSSES)]


def loss_and_gradient(name: str, scores: np.ndarray, y: np.ndarray, **options: Any) -> LossesAndSlopes:
    """Per-sample losses and their derivatives with respect to the scores.

    Parameters
    ----------
    name : str
        A name of ``LOSSES``.
    scores : array (n_samples, n_classes)
    y : array (n_samples,) of integer class codes
    **options
        Options of the loss, such as ``margin``.

    Returns
    -------
    losses : float64 array (n_samples,)
    slopes : float64 array (n_samples, n_classes)
        d losses / d scores.

    Raises
    ------
    InputError
        If the name or an option is unknown, or a code is outside the columns of ``scores``.

    Examples
    --------
    >>> losses, slopes = loss_and_gradient("hinge", [[3.2, 5.1, -1.7]], [0])
    >>> losses.round(3), slopes
    (array([2.9]), array([[-1.,  1.,  0.]]))
    """
    loss = find_loss(name)
    loss.check_options(options)
    with np.errstate(over="ignore", under="ignore"):
        return loss.function(*check_scores(scores, y), **options)


def multiclass_hinge(
    scores: np.ndarray, y: np.ndarray, margin: float = 1.0, include_correct: bool = False, class_reduction: str = "sum"
) -> np.ndarray:
    """Multiclass SVM loss of Weston and Watkins, per sample: sum over j != y of max(0, s_j - s_y + margin).

    Parameters
    ----------
    scores : array (n_samples, n_classes)
    y : array (n_samples,) of integer class codes
    margin : float
        Margin by which the score of the true class must exceed the others for a loss of 0.
    include_correct : bool
        Whether the sum includes j = y, which adds the margin to the loss and does not change the gradient.
    class_reduction : {"sum", "mean"}
        "mean" divides by the number of terms summed.

    Returns
    -------
    float64 array (n_samples,)

    Raises
    ------
    InputError
        For codes outside the columns of ``scores``, or an invalid option.
    """
    options = {"margin": margin, "include_correct": include_correct, "class_reduction": class_reduction}
    return loss_and_gradient("hinge", scores, y, **options)[0]


def squared_hinge(
    scores: np.ndarray, y: np.ndarray, margin: float = 1.0, include_correct: bool = False, class_reduction: str = "sum"
) -> np.ndarray:
    """Squared hinge loss per sample: as `multiclass_hinge`, with each term squared.

    Parameters
    ----------
    scores : array (n_samples, n_classes)
    y : array (n_samples,) of integer class codes
    margin : float
    include_correct : bool
    class_reduction : {"sum", "mean"}
        As in `multiclass_hinge`.

    Returns
    -------
    float64 array (n_samples,)

    Raises
    ------
    InputError
        For codes outside the columns of ``scores``, or an invalid option.
    """
    options = {"margin": margin, "include_correct": include_correct, "class_reduction": class_reduction}
    return loss_and_gradient("squared_hinge", scores, y, **options)[0]


def crammer_singer(scores: np.ndarray, y: np.ndarray, margin: float = 1.0) -> np.ndarray:
    """Crammer-Singer loss per sample: the largest term of `multiclass_hinge`.

    Parameters
    ----------
    scores : array (n_samples, n_classes)
    y : array (n_samples,) of integer class codes
    margin : float

    Returns
    -------
    float64 array (n_samples,)

    Raises
    ------
    InputError
        For codes outside the columns of ``scores``, or an invalid option.
    """
    return loss_and_gradient("crammer_singer", scores, y, margin=margin)[0]


def one_vs_all(scores: np.ndarray, y: np.ndarray, margin: float = 1.0, class_reduction: str = "sum") -> np.ndarray:
    """Sum of one binary hinge per class, per sample.

    Parameters
    ----------
    scores : array (n_samples, n_classes)
    y : array (n_samples,) of integer class codes
    margin : float
    class_reduction : {"sum", "mean"}
        As in `multiclass_hinge`.

    Returns
    -------
    float64 array (n_samples,)

    Raises
    ------
    InputError
        For codes outside the columns of ``scores``, or an invalid option.
    """
    return loss_and_gradient("one_vs_all", scores, y, margin=margin, class_reduction=class_reduction)[0]


def softmax_cross_entropy(scores: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Softmax loss per sample: -log(exp(s_y) / sum_j exp(s_j)), natural logarithm.

    Parameters
    ----------
    scores : array (n_samples, n_classes)
    y : array (n_samples,) of integer class codes

    Returns
    -------
    float64 array (n_samples,)

    Raises
    ------
    InputError
        For codes outside the columns of ``scores``.
    """
    return loss_and_gradient("softmax", scores, y)[0]

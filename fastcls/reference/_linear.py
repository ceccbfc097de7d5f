"""The definitions of the linear classifiers in plain NumPy: losses, gradients, and the lecture's own loops.

The code is written to be read, one row and one class at a time, without tricks for speed; it is the oracle of the tests.
`scores` is one row of scores, (n_classes,), `y` its class code. Source of the loops: the lecture (Stanford CS231n, spring
2017, lectures 2, 3).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from sklearn.utils import check_random_state

__all__ = [
    "SAMPLE_LOSSES",
    "L_i_vectorized",
    "crammer_singer",
    "crammer_singer_gradient",
    "evaluate_linear",
    "forward_difference",
    "minibatch_gradient_descent",
    "multiclass_hinge",
    "multiclass_hinge_gradient",
    "one_vs_all",
    "one_vs_all_gradient",
    "random_search",
    "softmax_cross_entropy",
    "softmax_cross_entropy_gradient",
    "softmax_probabilities",
    "squared_hinge",
    "squared_hinge_gradient",
]


def multiclass_hinge(scores: np.ndarray, y: int, margin: float = 1.0) -> float:
    """Multiclass SVM loss of one row: sum over j != y of max(0, s_j - s_y + margin).

    Parameters
    ----------
    scores : ndarray of shape (n_classes,)
    y : int
        Class code.
    margin : float

    Returns
    -------
    float
    """
    loss = 0.0
    for j in range(len(scores)):
        if j != y:
            loss += max(0.0, scores[j] - scores[y] + margin)
    return loss


def multiclass_hinge_gradient(scores: np.ndarray, y: int, margin: float = 1.0) -> np.ndarray:
    """d multiclass_hinge / d scores: 1 for each violating class, minus their number for y; 0 on the kink itself.

    Parameters
    ----------
    scores : ndarray of shape (n_classes,)
    y : int
        Class code.
    margin : float

    Returns
    -------
    ndarray of shape (n_classes,), float64
    """
    gradient = np.zeros(len(scores))
    for j in range(len(scores)):
        if j != y and scores[j] - scores[y] + margin > 0:
            gradient[j] += 1.0
            gradient[y] -= 1.0
    return gradient


def squared_hinge(scores: np.ndarray, y: int, margin: float = 1.0) -> float:
    """Squared hinge loss of one row: as `multiclass_hinge`, with each term squared.

    Parameters
    ----------
    scores : ndarray of shape (n_classes,)
    y : int
        Class code.
    margin : float

    Returns
    -------
    float
    """
    loss = 0.0
    for j in range(len(scores)):
        if j != y:
            loss += max(0.0, scores[j] - scores[y] + margin) ** 2
    return loss


def squared_hinge_gradient(scores: np.ndarray, y: int, margin: float = 1.0) -> np.ndarray:
    """d squared_hinge / d scores: twice each excess, minus their sum for y.

    Parameters
    ----------
    scores : ndarray of shape (n_classes,)
    y : int
        Class code.
    margin : float

    Returns
    -------
    ndarray of shape (n_classes,), float64
    """
    gradient = np.zeros(len(scores))
    for j in range(len(scores)):
        if j != y:
            slope = 2.0 * max(0.0, scores[j] - scores[y] + margin)
            gradient[j] += slope
            gradient[y] -= slope
    return gradient


def crammer_singer(scores: np.ndarray, y: int, margin: float = 1.0) -> float:
    """Crammer-Singer loss of one row: the largest term of `multiclass_hinge`.

    Parameters
    ----------
    scores : ndarray of shape (n_classes,)
    y : int
        Class code.
    margin : float

    Returns
    -------
    float
    """
    return max([0.0] + [scores[j] - scores[y] + margin for j in range(len(scores)) if j != y])


def crammer_singer_gradient(scores: np.ndarray, y: int, margin: float = 1.0) -> np.ndarray:
    """d crammer_singer / d scores: 1 for the largest rival (the first of equal ones), if it violates, and -1 for y.

    Parameters
    ----------
    scores : ndarray of shape (n_classes,)
    y : int
        Class code.
    margin : float

    Returns
    -------
    ndarray of shape (n_classes,), float64
    """
    gradient = np.zeros(len(scores))
    rivals = [j for j in range(len(scores)) if j != y]
    if rivals:
        best = max(rivals, key=lambda j: scores[j])
        if scores[best] - scores[y] + margin > 0:
            gradient[best], gradient[y] = 1.0, -1.0
    return gradient


def one_vs_all(scores: np.ndarray, y: int, margin: float = 1.0) -> float:
    """Sum of one binary hinge per class: scores should be above the margin for y and below minus the margin for others.

    Parameters
    ----------
    scores : ndarray of shape (n_classes,)
    y : int
        Class code.
    margin : float

    Returns
    -------
    float
    """
    return sum(max(0.0, margin - scores[j] if j == y else margin + scores[j]) for j in range(len(scores)))


def one_vs_all_gradient(scores: np.ndarray, y: int, margin: float = 1.0) -> np.ndarray:
    """d one_vs_all / d scores: 1 for each violating class, -1 if it is y.

    Parameters
    ----------
    scores : ndarray of shape (n_classes,)
    y : int
        Class code.
    margin : float

    Returns
    -------
    ndarray of shape (n_classes,), float64
    """
    gradient = np.zeros(len(scores))
    for j in range(len(scores)):
        sign = -1.0 if j == y else 1.0
        if margin + sign * scores[j] > 0:
            gradient[j] = sign
    return gradient


def softmax_probabilities(scores: np.ndarray) -> np.ndarray:
    """exp, then normalise. The largest score is subtracted first, which only prevents overflow.

    Parameters
    ----------
    scores : ndarray of shape (n_classes,)

    Returns
    -------
    ndarray of shape (n_classes,), float64
    """
    unnormalised = [math.exp(s - max(scores)) for s in scores]
    return np.array([u / sum(unnormalised) for u in unnormalised])


def softmax_cross_entropy(scores: np.ndarray, y: int) -> float:
    """Softmax loss of one row: -log(exp(s_y) / sum_j exp(s_j)), natural logarithm.

    Parameters
    ----------
    scores : ndarray of shape (n_classes,)
    y : int
        Class code.

    Returns
    -------
    float
    """
    top = max(scores)
    return math.log(sum(math.exp(s - top) for s in scores)) + (top - scores[y])


def softmax_cross_entropy_gradient(scores: np.ndarray, y: int) -> np.ndarray:
    """d softmax_cross_entropy / d scores: the probabilities, minus 1 for y.

    Parameters
    ----------
    scores : ndarray of shape (n_classes,)
    y : int
        Class code.

    Returns
    -------
    ndarray of shape (n_classes,), float64
    """
    gradient = softmax_probabilities(scores)
    gradient[y] -= 1.0
    return gradient


#: loss -> its plain loop for one sample, and that of its gradient
SAMPLE_LOSSES = {
    "hinge": (multiclass_hinge, multiclass_hinge_gradient),
    "softmax": (softmax_cross_entropy, softmax_cross_entropy_gradient),
    "squared_hinge": (squared_hinge, squared_hinge_gradient),
    "crammer_singer": (crammer_singer, crammer_singer_gradient),
    "one_vs_all": (one_vs_all, one_vs_all_gradient),
}


def evaluate_linear(
    X: np.ndarray,
    y: np.ndarray,
    W: np.ndarray,
    b: np.ndarray | None = None,
    loss: str = "softmax",
    alpha: float = 0.0,
    **options: float,
) -> tuple[float, np.ndarray, np.ndarray]:
    """Full loss and gradient, row by row: L = mean L_i + alpha sum W^2 (no 1/2, as the lecture).

    Parameters
    ----------
    X : array (n_samples, n_features)
    y : array (n_samples,) of class codes
    W, b : arrays (n_classes, n_features), (n_classes,)
    loss : str
        A name of SAMPLE_LOSSES.
    alpha : float
        Strength of the penalty.
    **options : float
        Options of the loss.

    Returns
    -------
    value : float
    gradient_W, gradient_b : arrays like W and b
    """
    of_sample, slope_of_sample = SAMPLE_LOSSES[loss]
    b = np.zeros(len(W)) if b is None else b
    total, gradient_W, gradient_b = 0.0, np.zeros(W.shape), np.zeros(len(W))
    for row, label in zip(X, y, strict=True):
        x = row.astype(np.float64)  # before any arithmetic: bytes would wrap around
        scores = W @ x + b
        total += of_sample(scores, label, **options)
        slope = slope_of_sample(scores, label, **options)
        for c in range(len(W)):
            gradient_W[c] += slope[c] * x
            gradient_b[c] += slope[c]
    n = len(X)
    return total / n + alpha * float((W * W).sum()), gradient_W / n + 2 * alpha * W, gradient_b / n


def L_i_vectorized(x: np.ndarray, y: int, W: np.ndarray) -> float:
    """The lecture's example code for the hinge loss of one row, as on the slide.

    Parameters
    ----------
    x : ndarray of shape (n_features,)
    y : int
        Class code.
    W : ndarray of shape (n_classes, n_features)

    Returns
    -------
    float
    """
    scores = W.dot(x)
    margins = np.maximum(0, scores - scores[y] + 1)
    margins[y] = 0
    loss_i = np.sum(margins)
    return loss_i


def random_search(
    L: Callable[[np.ndarray], float],
    n_classes: int,
    n_weights: int,
    max_iter: int = 1000,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[np.ndarray, float, list[float]]:
    """The lecture's 'first very bad idea': draw W at random, keep the best.

    The slide stores it as `bestW` and later reads `Wbest`; here it has one name.

    Parameters
    ----------
    L : callable
        ``L(W)`` is the loss over the training set.
    n_classes, n_weights : int
        The shape of W.
    max_iter : int
        Number of attempts.
    random_state : int, RandomState or None

    Returns
    -------
    W : array (n_classes, n_weights)
    value : float
    losses : list of float
        The loss of every attempt.
    """
    rng = check_random_state(random_state)
    bestloss = float("inf")
    bestW = np.zeros((n_classes, n_weights))
    losses = []
    for _ in range(max_iter):
        W = rng.standard_normal((n_classes, n_weights)) * 0.0001
        loss = L(W)
        losses.append(loss)
        if loss < bestloss:
            bestloss = loss
            bestW = W
    return bestW, bestloss, losses


def forward_difference(f: Callable[[np.ndarray], float], W: np.ndarray, h: float = 0.0001) -> np.ndarray:
    """The lecture's numerical gradient: one number at a time, (f(W + h) - f(W)) / h.

    Parameters
    ----------
    f : callable
        ``f(W)`` is a number.
    W : ndarray
    h : float

    Returns
    -------
    ndarray of the shape of W
    """
    gradient = np.zeros(W.shape)
    value = f(W)
    for place in np.ndindex(W.shape):
        moved = W.copy()
        moved[place] += h
        gradient[place] = (f(moved) - value) / h
    return gradient


def minibatch_gradient_descent(
    evaluate_gradient: Callable[[np.ndarray, np.ndarray], np.ndarray],
    W: np.ndarray,
    n_samples: int,
    step_size: float,
    steps: int,
    batch_size: int = 256,
    random_state: int | np.random.RandomState | None = None,
) -> Iterator[np.ndarray]:
    """The lecture's 'vanilla minibatch gradient descent'.

    Parameters
    ----------
    evaluate_gradient : callable
        ``evaluate_gradient(W, rows)`` is the gradient over the rows with these numbers.
    W : ndarray
        The start.
    n_samples : int
    step_size : float
    steps : int
    batch_size : int
    random_state : int, RandomState or None

    Yields
    ------
    ndarray of the shape of W
    """
    rng = check_random_state(random_state)
    for _ in range(steps):
        rows = rng.randint(0, n_samples, batch_size)
        W = W - step_size * evaluate_gradient(W, rows)
        yield W

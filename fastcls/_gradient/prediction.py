"""Scores of rows; labels and probabilities of many classes: products in float32, labels as float64 gives them."""

from __future__ import annotations

import itertools
import math

import numpy as np

from fastcls._runtime import threads
from fastcls._validation.rows import as_bytes, storage_of

from . import loops, predict_loops
from .packed import LEAST_CLASSES, SCORE_BLOCK, softmax_rows
from .scaling import squared_distances
from .space import padded

# Multiply-adds of one compiled call, about 50 ms: between two calls Python runs, so that Ctrl-C works.
WORK_PER_CALL = 4_000_000_000
#: rows that are few next to so many weights (32 MB as float64), which are then copied 2 MB at a time
_FEW_ROWS, _MANY_WEIGHTS, _WEIGHTS_AT_ONCE = 256, 1 << 22, 1 << 18
#: the largest error of a float32 score: a hundredth of a probability would be too much
_LARGEST_ERROR = 1e-2
#: a lead below which the two largest probabilities could be equal in float32
_LEAST_LEAD = 2.0**-20


def _check_shapes(X: np.ndarray, W: np.ndarray, b: np.ndarray) -> None:
    """The compiled loops would read past weights of another shape."""
    if X.shape[1] != W.shape[1] or b.shape != (len(W),):
        raise ValueError(f"rows of {X.shape[1]} features, weights of {W.shape}, intercepts of {b.shape}")


def linear_scores(X: np.ndarray, W: np.ndarray, b: np.ndarray, n_threads: int) -> np.ndarray:
    """Scores W x + b of every row in float64, (n_rows, n_classes); the scores of a row depend on that row only, bit for bit.

    X must be C-contiguous and of a storage type of the compiled loops.
    """
    n_classes = len(W)
    _check_shapes(X, W, b)
    n_threads = threads.limit_by_work(n_threads, len(X) * W.size)
    n_parts = _parts_of_classes(len(X), W)
    if n_parts > 1:
        cuts = [n_classes * part // n_parts for part in range(n_parts + 1)]
        scores = np.empty((len(X), n_classes))
        for first, end in itertools.pairwise(cuts):
            scores[:, first:end] = _scores(X, W[first:end], b[first:end], n_threads)
        return scores
    return _scores(X, W, b, n_threads)


def _parts_of_classes(n_rows: int, W: np.ndarray) -> int:
    """Into how many parts of classes few rows are scored: copying many weights would take as long as using them.

    A score depends on its own row and class only, but for the kind of product, which must be the same in each part.
    """
    if n_rows > _FEW_ROWS or W.size < _MANY_WEIGHTS or len(W) < LEAST_CLASSES:
        return 1
    return max(1, min(W.size // _WEIGHTS_AT_ONCE, len(W) // LEAST_CLASSES))


def _scores(X: np.ndarray, W: np.ndarray, b: np.ndarray, n_threads: int) -> np.ndarray:
    n_classes, n_features = W.shape
    weights = np.zeros((n_classes, padded(n_features)))
    weights[:, :n_features] = W
    data, storage, real = as_bytes(X), storage_of(X), loops.REALS["float64"]
    scores = np.empty((len(X), n_classes))
    scratch = np.empty(loops.scratch_size(n_features, storage, real, 1, n_classes, n_threads), dtype=np.uint8)
    step = max(1, WORK_PER_CALL // W.size)
    for start in range(0, len(X), step):
        chunk = slice(start, start + step)
        predict_loops.linear_scores(
            data[chunk],
            storage,
            as_bytes(weights),
            real,
            np.ascontiguousarray(b, dtype=np.float64),
            scores[chunk],
            scratch,
            n_threads,
        )
    return scores


def score_errors(X: np.ndarray, W: np.ndarray, b: np.ndarray, n_threads: int) -> np.ndarray:
    """Bounds on |float32 score - W x - b| over all classes, (n_rows,); infinite or NaN where float32 could overflow.

    A score is a bias to which sums of at most `SCORE_BLOCK` products are added. With n roundings of a term, the size
    m = max |w| |x| + max |b| and u = 2^-24, the error is at most n u / (1 - n u) m (Higham, Accuracy and Stability of
    Numerical Algorithms, 3.1; it holds for fused products too). n counts the products of a block, the blocks, and the
    rounding of weight and bias to float32. Products and weights below 1e-38 lose at most 2^-149 each.
    """
    d, u = X.shape[1], 2.0**-24
    n = min(d, SCORE_BLOCK) + -(-d // SCORE_BLOCK) + 4
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        lengths = np.sqrt(squared_distances(X, np.zeros(d), n_threads))
        longest = math.sqrt(float(np.einsum("kf,kf->k", W, W).max(initial=0.0)))
        sizes = longest * lengths + float(np.abs(b).max(initial=0.0))
        return n * u / (1 - n * u) * sizes + (d + n) * 2.0**-149 * (1 + lengths)


def best_classes(
    X: np.ndarray, W: np.ndarray, b: np.ndarray, n_threads: int, want_probabilities: bool = False
) -> tuple[np.ndarray, np.ndarray] | None:
    """The class of the largest score of every row as float64 arithmetic finds it, and the softmax of the scores.

    Scores are computed in float32, twice as fast. A row whose two largest scores are too near for their error, or whose
    error is too large, is scored again by `linear_scores`. So the class is that of float64, and it has the largest
    probability; the others are rounded as float32 is. An answer depends on its own row only, bit for bit.

    Returns
    -------
    classes : int64 array (n_rows,)
    probabilities : float64 array (n_rows, n_classes)
        Without rows unless `want_probabilities`.
        None instead of both: few classes or float64 rows, whose scores are all float64, or a score that is not finite.
    """
    if len(W) < LEAST_CLASSES or X.dtype == np.float64 or not len(X):
        return None
    _check_shapes(X, W, b)
    errors = score_errors(X, W, b, n_threads)
    found = np.empty(len(X), dtype=np.int64), np.empty((len(X) if want_probabilities else 0, len(W)))
    leads = np.zeros(len(X), dtype=np.float32)
    weights = np.zeros((len(W), padded(X.shape[1])), dtype=np.float32)
    with np.errstate(under="ignore", over="ignore"):
        weights[:, : X.shape[1]] = W
    storage, biases = storage_of(X), np.ascontiguousarray(b, dtype=np.float64)
    scratch = np.empty(loops.scratch_size(X.shape[1], storage, loops.REALS["float32"], 1, len(W), n_threads), dtype=np.uint8)
    step, n_threads = max(1, WORK_PER_CALL // W.size), threads.limit_by_work(n_threads, len(X) * W.size)
    for start in range(0, len(X), step):
        some = slice(start, start + step)
        if not (errors[some] <= _LARGEST_ERROR).any():
            continue
        predict_loops.answers(
            as_bytes(X[some]),
            storage,
            as_bytes(weights),
            biases,
            found[0][some],
            leads[some],
            found[1][some],
            scratch,
            n_threads,
        )
    # 3 errors: two of float32 scores, and with room to spare those of float64 scores and of the difference.
    near = np.flatnonzero(~((errors <= _LARGEST_ERROR) & (leads > np.maximum(3 * errors, _LEAST_LEAD))))
    for start in range(0, len(near), step):
        rows = near[start : start + step]
        scores = linear_scores(np.ascontiguousarray(X[rows]), W, b, n_threads)
        if not np.isfinite(scores).all():
            return None
        found[0][rows] = scores.argmax(axis=1)
        if want_probabilities:
            softmax_rows(scores, n_threads)
            found[1][rows] = scores
    return found

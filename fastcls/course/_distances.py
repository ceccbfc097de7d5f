"""What known mistakes return for L2 distances between test rows Q and training rows X: a matrix (n_test, n_train)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastcls.gradcheck import relative_errors
from fastcls.neighbors import pairwise_distances

from ._call import Method, as_array, call
from ._examined import Examined, array_of, has_shape, is_close
from ._mistakes import mistake

Matrix = Callable[[np.ndarray, np.ndarray], np.ndarray]
_PART = "distances"


def _differences(Q: np.ndarray, X: np.ndarray) -> np.ndarray:
    found: np.ndarray = Q[:, None, :] - X[None, :, :]
    return found


def _from_norms(q_axis: int, x_axis: int, cross: float = -2.0, swapped: bool = False) -> Matrix:
    """Distances from squared norms and a cross term, with axes of the norms, and which norm belongs to rows or columns."""

    def matrix(Q: np.ndarray, X: np.ndarray) -> np.ndarray:
        q, x = (Q**2).sum(axis=q_axis), (X**2).sum(axis=x_axis)
        squares = (q[None, :] + x[:, None] if swapped else q[:, None] + x[None, :]) + cross * (Q @ X.T)
        with np.errstate(invalid="ignore"):
            return np.sqrt(squares)

    return matrix


def _one_norm_twice(of_test: bool) -> Matrix:
    """Without keepdims, both norms run along the columns (or both along the rows)."""

    def matrix(Q: np.ndarray, X: np.ndarray) -> np.ndarray:
        q, x = (Q**2).sum(axis=1), (X**2).sum(axis=1)
        squares = (q + x if of_test else (q + x)[:, None]) - 2 * (Q @ X.T)
        with np.errstate(invalid="ignore"):
            return np.sqrt(squares)

    return matrix


def _squared_sums(of_test: bool, of_training: bool) -> Matrix:
    """The square of a row's sum in place of the sum of its squares."""

    def matrix(Q: np.ndarray, X: np.ndarray) -> np.ndarray:
        q = Q.sum(axis=1) ** 2 if of_test else (Q**2).sum(axis=1)
        x = X.sum(axis=1) ** 2 if of_training else (X**2).sum(axis=1)
        with np.errstate(invalid="ignore"):
            return np.sqrt(q[:, None] + x - 2 * (Q @ X.T))

    return matrix


def _bytes(last: Matrix) -> Matrix:
    return lambda Q, X: last(Q.astype(np.uint8), X.astype(np.uint8))


def _norms_of_bytes(Q: np.ndarray, X: np.ndarray) -> np.ndarray:
    q, x = (Q * Q).sum(axis=1).astype(float), (X * X).sum(axis=1).astype(float)
    return np.sqrt(np.maximum(q[:, None] + x - 2.0 * (Q @ X.T), 0.0))


def _cross_of_bytes(Q: np.ndarray, X: np.ndarray) -> np.ndarray:
    q, x = (Q.astype(float) ** 2).sum(axis=1), (X.astype(float) ** 2).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.sqrt(q[:, None] + x - 2.0 * (Q @ X.T))


def _int16(last: Matrix) -> Matrix:
    return lambda Q, X: last(Q.astype(np.int16), X.astype(np.int16))


@np.errstate(invalid="ignore")
def _root(squares: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.sqrt(squares.astype(float))
    return found


def _rooted(squares: Matrix) -> Matrix:
    return lambda Q, X: _root(squares(Q, X))


def _norms_of_int16(Q: np.ndarray, X: np.ndarray) -> np.ndarray:
    return _root((Q**2).sum(axis=1)[:, None] + (X**2).sum(axis=1) - 2 * (Q @ X.T))


def _one_norm(of_test: bool) -> Matrix:
    """The squares of distances without one of the two norms."""

    def matrix(Q: np.ndarray, X: np.ndarray) -> np.ndarray:
        norms: np.ndarray = (Q**2).sum(axis=1)[:, None] if of_test else (X**2).sum(axis=1)
        return norms - 2 * (Q @ X.T)

    return matrix


def _cosine(Q: np.ndarray, X: np.ndarray) -> np.ndarray:
    return 1.0 - Q @ X.T / np.sqrt((Q**2).sum(axis=1)[:, None] * (X**2).sum(axis=1))


def _centred(Q: np.ndarray, X: np.ndarray, of_test: bool = True, of_training: bool = True) -> np.ndarray:
    return _l2(Q - Q.mean(axis=0) if of_test else Q, X - X.mean(axis=0) if of_training else X)


def _l2(Q: np.ndarray, X: np.ndarray) -> np.ndarray:
    return np.sqrt((_differences(Q, X) ** 2).sum(axis=2))


#: (names of the mistakes, matrix); the right one first, single mistakes before others
MATRICES: tuple[tuple[tuple[str, ...], Matrix], ...] = (
    ((), _l2),
    (("squared distances",), lambda Q, X: (_differences(Q, X) ** 2).sum(axis=2)),
    (("L1 in place of L2",), lambda Q, X: np.abs(_differences(Q, X)).sum(axis=2)),
    (("cross term halved",), _from_norms(1, 1, -1.0)),
    (("cross term added",), _from_norms(1, 1, 2.0)),
    (("cross term missing",), _from_norms(1, 1, 0.0)),
    *((("squared norm missing",), _rooted(_one_norm(one))) for one in (True, False)),
    *((("squared norm missing", "squared distances"), _one_norm(one)) for one in (True, False)),
    (("maximum norm",), lambda Q, X: np.abs(_differences(Q, X)).max(axis=2)),
    (("sum squared",), _squared_sums(True, True)),
    (("sum squared",), _squared_sums(True, False)),
    (("sum squared",), _squared_sums(False, True)),
    (("sum squared",), lambda Q, X: np.abs(_differences(Q, X).sum(axis=2))),
    (("mean in place of sum",), lambda Q, X: np.sqrt((_differences(Q, X) ** 2).mean(axis=2))),
    (("cosine in place of L2",), _cosine),
    (("mean of the given rows subtracted",), _centred),
    (("mean of the given rows subtracted",), lambda Q, X: _centred(Q, X, of_training=False)),
    (("mean of the given rows subtracted",), lambda Q, X: _centred(Q, X, of_test=False)),
    (("int16 overflow",), _int16(lambda Q, X: _root((_differences(Q, X) ** 2).sum(axis=2)))),
    (("int16 overflow",), _int16(lambda Q, X: _root((_differences(Q, X) ** 2).sum(axis=2, dtype=np.int16)))),
    (("int16 overflow",), _int16(_norms_of_int16)),
    (("int16 overflow",), _int16(_cross_of_bytes)),
    (("int16 overflow", "squared distances"), _int16(lambda Q, X: (_differences(Q, X) ** 2).sum(axis=2).astype(float))),
    (("uint8 wrap-around",), _bytes(lambda Q, X: np.sqrt((_differences(Q, X) ** 2).sum(axis=2).astype(float)))),
    (("uint8 wrap-around",), _bytes(lambda Q, X: np.sqrt((_differences(Q, X).astype(float) ** 2).sum(axis=2)))),
    (("uint8 wrap-around",), _bytes(_norms_of_bytes)),
    (("uint8 wrap-around",), _bytes(_cross_of_bytes)),
    (
        ("uint8 wrap-around", "L1 in place of L2"),
        _bytes(lambda Q, X: np.abs(_differences(Q, X)).sum(axis=2).astype(float)),
    ),
    (
        ("uint8 wrap-around", "squared distances"),
        _bytes(lambda Q, X: (_differences(Q, X) ** 2).sum(axis=2).astype(float)),
    ),
    (("mean in place of sum", "squared distances"), lambda Q, X: (_differences(Q, X) ** 2).mean(axis=2)),
    (("mean in place of sum", "L1 in place of L2"), lambda Q, X: np.abs(_differences(Q, X)).mean(axis=2)),
)

#: What a wrong axis returns if there are as many test rows as training rows and features; else its shapes do not match.
WRONG_AXES: tuple[Matrix, ...] = (
    lambda Q, X: np.sqrt(((X[None] - Q[:, None]) ** 2).sum(axis=1)),
    lambda Q, X: np.sqrt(((X[None] - Q[:, None]) ** 2).sum(axis=0)),
    *(_from_norms(q, x, swapped=swapped) for q, x in ((0, 1), (1, 0), (0, 0)) for swapped in (False, True)),
    _from_norms(1, 1, swapped=True),
    _one_norm_twice(True),
    _one_norm_twice(False),
    lambda Q, X: np.sqrt((Q**2).sum(axis=1)[:, None] + (X**2).sum(axis=1) - 2 * (Q @ X)),
)

#: (names, which entries are written)
_WRITTEN: tuple[tuple[tuple[str, ...], Callable[[int, int], np.ndarray]], ...] = (
    ((), lambda n, m: np.ones((n, m), dtype=bool)),
    (("only the first row",), lambda n, m: np.arange(n)[:, None] < np.ones(m)),
    (("only the last row",), lambda n, m: np.arange(n)[:, None] >= np.full(m, n - 1)),
    (("only the first row",), lambda n, m: (np.arange(n)[:, None] == 0) & (np.arange(m) == 0)),
)


def _rows(seed: int, n_test: int, n_train: int, n_features: int, whole: bool) -> tuple[np.ndarray, np.ndarray]:
    """Test and training rows as floats: whole numbers from 0 to 255, as pixels are, or normal numbers."""
    rng = np.random.default_rng(seed)
    shapes = ((n_test, n_features), (n_train, n_features))
    if whole:
        Q, X = (rng.integers(0, 256, shape).astype(np.float64) for shape in shapes)
    else:
        Q, X = (rng.normal(size=shape) for shape in shapes)
    return Q, X


def examine(method: Method) -> Examined:
    """Compare a learner's distances with ours.

    Parameters
    ----------
    method : Method

    Returns
    -------
    Examined
    """
    found = Examined()
    given = [_rows(1, 5, 8, 6, True), _rows(2, 4, 7, 9, True), _rows(3, 6, 4, 5, False)]
    results = []
    for Q, X in given:
        result = _distances(method, Q, X, found)
        if result is None:
            return found
        results.append(result)
    wanted = [pairwise_distances(Q, X) for Q, X in given]
    found.value_error = max(
        float(relative_errors(got, right).max()) if np.isfinite(got).all() else float("inf")
        for got, right in zip(results, wanted, strict=True)
    )
    if not any(result.any() for result in results):
        found.add(mistake("not written yet", _PART, "all distances are 0"))
        return found
    names = _names(given, results)
    at = (0, 0) if not is_close(results[0][:1, :1], wanted[0][:1, :1]) else _worst(results[0], wanted[0])
    for name in names:
        got, right = results[0][at], wanted[0][at]
        seen = f"dists[{at[0]}, {at[1]}] is {got:.5g}, wanted {right:.5g}"
        if name == "whole numbers":
            seen = "distances of whole numbers are right, those of other numbers are not"
        found.add(mistake("NaN" if name == "differs" and not np.isfinite(got) else name, _PART, seen))
    if not found.mistakes:
        _note_bytes(method, found)
    return found


def _worst(got: np.ndarray, right: np.ndarray) -> tuple[int, int]:
    with np.errstate(invalid="ignore"):
        off = np.where(np.isfinite(got), np.abs(got - right), np.inf)
    row, column = np.unravel_index(int(off.argmax()), off.shape)
    return int(row), int(column)


def _distances(method: Method, Q: np.ndarray, X: np.ndarray, found: Examined) -> np.ndarray | None:
    """The learner's matrix as (n_test, n_train), or None and a mistake that prevents the comparison."""
    y = np.arange(len(X)) % 3
    outcome = call(method, "X_train y_train X", X, y, Q)
    if outcome.error:
        square = _rows(4, 6, 6, 6, True)
        again = as_array(call(method, "X_train y_train X", square[1], np.arange(6), square[0]).value)
        if again is not None and _has_wrong_axis(again, *square):
            found.add(mistake("wrong axis", _PART, f"raises {outcome.error}"))
            return None
    got = array_of(outcome, _PART, "dists", found)
    if got is None:
        return None
    wanted = (len(Q), len(X))
    if got.shape == wanted[::-1]:
        found.add(mistake("transposed", _PART, f"dists has shape (n_train, n_test), {got.shape}, wanted {wanted}"))
        got = got.T
    return got if has_shape(got, wanted, _PART, "(n_test, n_train)", found) else None


@np.errstate(invalid="ignore")
def _has_wrong_axis(got: np.ndarray, Q: np.ndarray, X: np.ndarray) -> bool:
    return any(is_close_or_nan(got, wrong(Q, X)) for wrong in WRONG_AXES)


def is_close_or_nan(got: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether two matrices are equal; NaN (the root of a negative number) equals NaN."""
    if got.shape != wanted.shape or not np.array_equal(np.isnan(got), np.isnan(wanted)):
        return False
    return is_close(np.nan_to_num(got), np.nan_to_num(wanted))


def _combinations() -> Iterator[tuple[tuple[str, ...], Matrix, Any]]:
    pairs = itertools.product(MATRICES, _WRITTEN)
    for (names, matrix), (others, written) in sorted(pairs, key=lambda pair: len(pair[0][0]) + len(pair[1][0])):
        yield names + others, matrix, written


def _names(given: list[tuple[np.ndarray, np.ndarray]], results: list[np.ndarray]) -> tuple[str, ...]:
    """The names of the mistakes that explain all results; those with bytes cannot be told by rows of other numbers."""
    for names, matrix, written in _combinations():
        fits = [
            is_close_or_nan(got, np.where(written(*got.shape), matrix(Q, X), 0.0))
            for (Q, X), got in zip(given[:2], results[:2], strict=True)
        ]
        if not all(fits):
            continue
        if not {"uint8 wrap-around", "int16 overflow"}.isdisjoint(names):
            return names
        Q, X = given[2]
        right = np.where(written(*results[2].shape), matrix(Q, X), 0.0)
        return names if is_close_or_nan(results[2], right) else (*names, "whole numbers")
    return ("differs",)


def _note_bytes(method: Method, found: Examined) -> None:
    """Say if distances of the same rows in bytes are wrong, and what wraps around."""
    Q, X = (rows.astype(np.uint8) for rows in _rows(1, 5, 8, 6, True))
    outcome = call(method, "X_train y_train X", X, np.arange(len(X)) % 3, Q)
    got = as_array(outcome.value)
    if got is not None and is_close_or_nan(got, pairwise_distances(Q, X)):
        return
    if outcome.error:
        what = f"it raises {outcome.error}"
    elif got is not None and any(is_close_or_nan(got, wrapped(Q, X)) for wrapped in _WRAPPED_DIFFERENCES):
        what = "the differences wrap around (3 - 5 is 254)"
    else:
        what = "squares and products wrap around (16 * 16 is 0)"
    found.notes.append(f"on uint8 rows {what}: the assignment's rows are floats; convert others with X.astype(float) first")


#: Distances from differences of bytes; their squares, and the sums of these, may be bytes, too.
_WRAPPED_DIFFERENCES: tuple[Matrix, ...] = (
    lambda Q, X: np.sqrt((_differences(Q, X).astype(float) ** 2).sum(axis=2)),
    lambda Q, X: np.sqrt(((-_differences(Q, X)).astype(float) ** 2).sum(axis=2)),
    lambda Q, X: np.sqrt((_differences(Q, X) ** 2).sum(axis=2).astype(float)),
    lambda Q, X: np.sqrt((_differences(Q, X) ** 2).sum(axis=2, dtype=np.uint8).astype(float)),
)

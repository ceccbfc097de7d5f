"""The rows of a race: a subset of the user's images, or pieces of two photographs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted

from . import _data

#: side of a piece of a photograph, in pixels; a piece is as large as an image of CIFAR-10
_SIDE = 32
#: classes of pieces: the parts of a photograph, from left to right
_PARTS = 5
_BYTES = (np.uint8, np.int8)


class Rows(NamedTuple):
    """Rows of a race, with a name for the title."""

    name: str
    X: np.ndarray
    y: np.ndarray
    queries: np.ndarray


def rows_of(
    data: str | None, labels: str | None, n_rows: int, n_queries: int, seed: int, drop: tuple[str, ...] = ()
) -> Rows:
    """Return at most `n_rows` rows and, for k-NN, at most `n_queries` others, drawn at random."""
    if data is None:
        if labels is not None or drop:
            raise InputError(f"{'--drop' if labels is None else '--labels'} belongs to DATA: give DATA, too")
        return _pieces(n_rows, n_queries, seed)
    dataset = _data.load(data, labels=labels, drop=drop)
    if dataset.X.dtype not in _BYTES:
        raise InputError(
            f"the rows of {data} are {dataset.X.dtype}; a race needs images of bytes (uint8), on which all lanes are exact: "
            "give an image folder, CIFAR-10, MNIST or digits"
        )
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(dataset.X))
    if not n_queries:
        some, rest = np.sort(order[:n_rows]), dataset.X[:0]
    elif dataset.X_test is not None:
        some = np.sort(order[:n_rows])
        rest = dataset.X_test[np.sort(rng.permutation(len(dataset.X_test))[:n_queries])]
    else:
        n_queries = min(n_queries, len(order) // 2)
        some, rest = np.sort(order[n_queries : n_queries + n_rows]), dataset.X[np.sort(order[:n_queries])]
        if not n_queries:
            raise InputError(f"{data} has {counted(len(order), 'row')}; a race needs two rows or more")
    classes, y = np.unique(dataset.y[some], return_inverse=True)
    if not n_queries and len(classes) < 2:
        raise InputError(f"the {counted(len(some), 'row')} of {data} are all of one class: give rows of two classes or more")
    return Rows(dataset.name, np.ascontiguousarray(dataset.X[some]), y, np.ascontiguousarray(rest))


def _pieces(n_rows: int, n_queries: int, seed: int) -> Rows:
    """Return pieces of scikit-learn's two photographs; the class is the part of the photograph that a piece is from."""
    from sklearn.datasets import load_sample_images

    photographs = load_sample_images().images
    rng = np.random.default_rng(seed)
    n = n_rows + n_queries
    which = rng.integers(len(photographs), size=n)
    X, y = np.empty((n, _SIDE * _SIDE * 3), dtype=np.uint8), np.empty(n, dtype=np.int64)
    for i, photograph in enumerate(which):
        height, width, _ = photographs[photograph].shape
        top, left = rng.integers(height - _SIDE + 1), rng.integers(width - _SIDE + 1)
        X[i] = photographs[photograph][top : top + _SIDE, left : left + _SIDE].ravel()
        y[i] = photograph * _PARTS + left * _PARTS // (width - _SIDE + 1)
    classes, codes = np.unique(y[:n_rows], return_inverse=True)
    if not n_queries and len(classes) < 2:
        raise InputError("the rows are all of one class: wanted more --rows")
    return Rows("pieces of two photographs", X[:n_rows], codes, X[n_rows:])

"""What every engine of the benchmark offers."""

from __future__ import annotations

from importlib import metadata

import numpy as np


class Base:
    """An exact k-nearest-neighbour search under one metric, with a number of threads.

    Every engine gets the arrays as a user has them. If it needs a conversion (such as bytes to float32), `prepare` and
    `search` do it, so that its time counts.

    Attributes
    ----------
    title : str
        The library's name.
    packages : tuple of str
        Installed packages whose versions are reported.
    algorithm : str
        For fastcls only; a rival uses its fastest exact one.
    k : int
        Number of neighbours, for estimators that take it in their constructor.
    """

    title = ""
    packages: tuple[str, ...] = ()

    def __init__(self, metric: str, n_threads: int, algorithm: str = "brute", k: int = 5) -> None:
        self.metric, self.n_threads, self.algorithm, self.k = metric, n_threads, algorithm, k

    @classmethod
    def versions(cls) -> str:
        """Name and version of each package."""
        return ", ".join(f"{name} {metadata.version(name)}" for name in cls.packages)

    @classmethod
    def supported(cls, metric: str, dtype: str, n_features: int, alone: bool) -> bool:
        """Whether the engine has an exact search for this input.

        Parameters
        ----------
        metric : {"l1", "l2", "cosine"}
        dtype : str
        n_features : int
        alone : bool
            Leave-one-out: the queries are the training rows, and no row is its own neighbour.
        """
        raise NotImplementedError

    @classmethod
    def same_order(cls, metric: str, dtype: str) -> bool:
        """Whether it promises exact sums and equal distances in the order of the rows: then its indices must be ours."""
        return False

    def prepare(self, X: np.ndarray) -> None:
        """Fit the training rows."""
        raise NotImplementedError

    def search(self, Q: np.ndarray | None, k: int) -> tuple[np.ndarray, np.ndarray]:
        """(distances, indices) of the k nearest rows, both (n_queries, k); Q=None is leave-one-out.

        Distances are those of the metric: for l2 with the root, for cosine one minus the cosine.
        """
        raise NotImplementedError


def as_float(rows: np.ndarray) -> np.ndarray:
    """Bytes and float16 as float32, on which every rival is fastest; wider floats unchanged."""
    return rows if rows.dtype in (np.float32, np.float64) else rows.astype(np.float32)


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Rows as float32, divided by their norms."""
    wide = rows.astype(np.float32)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    return wide


def without_self(distances: np.ndarray, indices: np.ndarray, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """From k + 1 neighbours of training rows first, first + 1, ..., the k that are not the row itself."""
    own = indices == np.arange(first, first + len(indices))[:, None]
    own[~own.any(axis=1), -1] = True  # more than k duplicates come before the row itself: drop the last one
    return (a[~own].reshape(len(a), -1) for a in (distances, indices))

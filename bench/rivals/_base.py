"""What every engine of the benchmark offers."""

from __future__ import annotations

from importlib import metadata

import numpy as np


class Base:
    """An exact k-nearest-neighbour search under one metric, with a number of threads.

    Every engine gets the arrays as the user has them. A conversion that an engine needs (bytes to float32, say) is done in
    `prepare` and `search`, and so is counted, since the user would pay for it.

    Attributes
    ----------
    title : str
        The library's name.
    packages : tuple of str
        Installed packages whose versions are reported.
    algorithm : str
        For fastcls alone; a rival takes its fastest exact one.
    k : int
        Neighbours that will be asked for, told to estimators that take it when they are made.
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
        """Whether the engine can answer exactly.

        Parameters
        ----------
        metric : {"l1", "l2", "cosine"}
        dtype : str
        n_features : int
        alone : bool
            Leave-one-out: the queries are the training rows, and none may find itself.
        """
        raise NotImplementedError

    def prepare(self, X: np.ndarray) -> None:
        """Fit the training rows."""
        raise NotImplementedError

    def search(self, Q: np.ndarray | None, k: int) -> tuple[np.ndarray, np.ndarray]:
        """(distances, indices) of the k nearest rows, both (n_queries, k); Q=None is leave-one-out.

        Distances are those of the metric: the root taken for l2, one minus the cosine for cosine.
        """
        raise NotImplementedError


def as_float(rows: np.ndarray) -> np.ndarray:
    """Bytes and halves as float32, which every rival is fastest on; wider floats as they are."""
    return rows if rows.dtype in (np.float32, np.float64) else rows.astype(np.float32)


def without_self(distances: np.ndarray, indices: np.ndarray, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Of k + 1 neighbours of training rows first, first + 1, ..., the k that are not the row itself."""
    own = indices == np.arange(first, first + len(indices))[:, None]
    own[~own.any(axis=1), -1] = True  # more duplicates than k before itself: the last must go
    return (a[~own].reshape(len(a), -1) for a in (distances, indices))

"""`KNeighborsTransformer`: precomputed neighbours for estimators that take a sparse matrix of distances."""

from __future__ import annotations

from typing import Any

from scipy.sparse import csr_matrix
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from fastcls._validation.base import check_number, one_of
from fastcls._validation.errors import InputError
from fastcls._validation.messages import only

from ._base import Neighbors

__all__ = ["KNeighborsTransformer"]


class KNeighborsTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Neighbors):
    """From rows to the sparse matrix of their nearest training rows, as scikit-learn's class of this name.

    Estimators with ``metric="precomputed"`` (scikit-learn's DBSCAN, TSNE, SpectralClustering with
    ``affinity="precomputed_nearest_neighbors"``, Isomap, KNeighborsClassifier) take it, in a pipeline too; so do UMAP and
    cleanlab.

    Parameters
    ----------
    mode : {"distance", "connectivity"}, default="distance"
        Entries are distances, or 1.
    n_neighbors : int, default=5
        With ``mode="distance"`` every row has one more: a training row finds itself at distance 0, and such estimators do
        not count it. Rows at one distance are sorted by index, so equal rows of smaller index come before the row itself,
        and more than `n_neighbors` of them leave it out. Under "cosine" so do rows of one direction, and a row of zeros has
        distance 1 from every row, itself included.
    algorithm : {"auto", "brute", "filter"}, default="auto"
        "filter" rules out most rows by proven lower bounds before it reads them; "brute" computes every distance; "auto"
        chooses the faster. The answer is the same, to the last bit.
        "ball_tree" and "kd_tree" mean "auto", with a warning.
    leaf_size
        Accepted for compatibility with scikit-learn; not used.
    metric : {"minkowski", "l1", "l2", "sqeuclidean", "cosine"}, default="minkowski"
        "minkowski" is l2, or l1 with ``p=1``. "manhattan" and "cityblock" mean l1, "euclidean" means l2.
    p : {1, 2}, default=2
        For metric="minkowski": 2 is l2, 1 is l1.
    metric_params : dict or None
        Accepted for compatibility with scikit-learn; must be None or empty.
    n_jobs : int, optional
        Threads. The answer does not depend on it, and it is not saved.

    Attributes
    ----------
    n_features_in_, n_samples_fit_ : int
    effective_metric_ : str
    search_report_ : SearchReport or None
        Report of the calling thread's last search.

    Examples
    --------
    >>> import numpy as np
    >>> from fastcls import KNeighborsTransformer
    >>> KNeighborsTransformer(n_neighbors=1).fit_transform(np.array([[0.0], [1.0], [3.0]])).toarray()
    array([[0., 1., 0.],
           [1., 0., 0.],
           [0., 2., 0.]])
    """

    _read_when_used = (*Neighbors._read_when_used, "mode")

    def __init__(
        self,
        *,
        mode: str = "distance",
        n_neighbors: int = 5,
        algorithm: str = "auto",
        leaf_size: int = 30,
        metric: str = "minkowski",
        p: int = 2,
        metric_params: dict[str, Any] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.mode = mode
        self.n_neighbors = n_neighbors
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.metric = metric
        self.p = p
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None, *, copy: bool = False) -> KNeighborsTransformer:
        """Store the rows: by reference, unless they are strided or `copy` is True.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            uint8, int8, float16, bfloat16, float32 and float64 are kept as they are.
        y : ignored
        copy : bool

        Returns
        -------
        self

        Raises
        ------
        InputError
            If the rows cannot be read, or an option is unknown.
        """
        self._check_mode()
        self._remember(X, *self._checked_fit(X, copy))
        return self

    def transform(self, X: Any) -> csr_matrix:
        """The nearest training rows of every row of X; a training row finds itself too.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)

        Returns
        -------
        csr_matrix of shape (n_queries, n_samples_fit_), float64
            Each matrix row lists its entries nearest first; a distance of 0 is stored explicitly.

        Raises
        ------
        InputError
            For invalid queries, queries of another width, or too few training rows: there must be one more than
            `n_neighbors` with ``mode="distance"``.
        """
        self._check_is_fitted()
        self._check_mode()
        k, n_rows = int(check_number("n_neighbors", self.n_neighbors, minimum=1, whole=True)), self.n_samples_fit_
        if self.mode == "connectivity":
            return self.kneighbors_graph(X, k, self.mode)
        if k >= n_rows:
            what = f"use at most {n_rows - 1:,}" if n_rows > 1 else "fit more rows"
            raise InputError(
                f"n_neighbors={k}, and one more for mode='distance', but {only(n_rows, 'training row')}; {what}"
            )
        return self.kneighbors_graph(X, k + 1, self.mode)

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> csr_matrix:
        """`fit`, then `transform` of the same rows.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
        y : ignored
        **fit_params : dict
            Of `fit`.

        Returns
        -------
        csr_matrix of shape (n_rows, n_rows), float64

        Raises
        ------
        InputError
            As `fit` and `transform`.
        """
        return self.fit(X, **fit_params).transform(X)

    def _check_mode(self) -> None:
        one_of("mode", self.mode, ["distance", "connectivity"])

    @property
    def _n_features_out(self) -> int:
        """For get_feature_names_out."""
        return self.n_samples_fit_

"""Linear classifiers over the workers of a Dask cluster: the same bits for any number of workers."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcls import linear
from fastcls._runtime.fitted_state import publish
from fastcls._validation.paths import check_path
from fastcls._validation.rows import CheckedRows
from fastcls.linear import LinearClassifier

from . import _tasks
from ._estimator import OverCluster, extend_signature
from ._problem import ShardedProblem, SharedRows
from ._sources import is_described, labels_of, sent_source_of, source_of
from ._validation import check_client, check_n_shards, check_solver_of_shards

_N_SHARDS = 16


class _Linear(OverCluster, LinearClassifier):
    """Training over shards. The client computes scores, block by block for rows that are described."""

    n_shards: int | None
    _read_when_used = (*LinearClassifier._read_when_used, "client", "n_shards")

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train on rows that workers open.

        Parameters
        ----------
        X : array-like, path of an .npy file, memory map, dask array, or a list of these: (n_samples, n_features)
            uint8, int8, float16, bfloat16, float32 or float64. Every worker must find a file under the same path. Arrays in
            this process's memory are sent to the workers.
        y : array-like, dask array, path of an .npy file or list of paths: (n_samples,)
        sample_weight : as y, optional
            Rows of weight 0 leave the training set.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If there is no cluster, or for data or options that cannot be used.
        ClusterError
            If the cluster is gone, or loses a worker in each of several attempts.
        fastcls.optim.DivergenceError
            If the loss becomes infinite; the message names the step and the learning rate.
        """
        check_solver_of_shards(self.solver)
        self._check_options()
        client = check_client(self.client)
        source = sent_source_of(X, client)
        weight = labels_of(sample_weight, client, "sample_weight")
        self._client = client
        try:
            named = X if hasattr(X, "columns") else source  # a data frame has the names of its features
            return self._fit(named, CheckedRows(source, 0, ()), labels_of(y, client), weight)  # type: ignore[arg-type]
        finally:
            del self._client

    def _shared(self, rows: Any, classes: Any, codes: Any, weights: Any, train: Any, held_out: Any) -> Any:
        source = rows.rows
        n_rows, n_classes = len(source), len(classes)
        n_shards = check_n_shards(min(_N_SHARDS, n_rows) if self.n_shards is None else self.n_shards, n_rows)
        small = np.min_scalar_type(n_classes - 1)
        parts = np.zeros(0, dtype=np.uint8)
        if train is not None:
            parts = np.full(n_rows, 2, dtype=np.uint8)
            parts[train] = 0
            if held_out is not None:
                parts[held_out] = 1
        scaled = np.zeros(0)
        if len(weights):
            scaled = np.zeros(n_rows)
            for part in (slice(None) if train is None else train, held_out):
                if part is not None:
                    some = weights[part]
                    scaled[part] = some * (len(some) / some.sum())
        loss, options = self._loss_and_options()
        labels = _tasks.Labels(codes.astype(small), scaled, parts)
        return SharedRows(self._client, source, n_shards, labels, held_out, loss, options, n_classes, self.n_jobs)

    def _space(self, X: Any, weights: np.ndarray, train: np.ndarray | None) -> dict[str, Any]:
        if not isinstance(X, SharedRows):
            return super()._space(X, weights, train)
        center, scale = X.center_and_scale(self.center, self.scale)
        return {"center": center, "scale": scale}

    def _mean_square(self, X: Any, weights: np.ndarray, rows: np.ndarray | None, center: np.ndarray) -> float:
        if not isinstance(X, SharedRows):
            return super()._mean_square(X, weights, rows, center)
        squares, weight = X.sums(_tasks.moments, center)
        return float(squares / weight)

    def _problem(self, X: Any, codes: np.ndarray, n_classes: int, weights: np.ndarray, **options: Any) -> Any:
        if not isinstance(X, SharedRows):
            return super()._problem(X, codes, n_classes, weights, **options)
        loss, loss_options = self._loss_and_options()
        return ShardedProblem(
            X,
            loss=loss,
            options=loss_options,
            n_classes=n_classes,
            penalty=self.penalty,
            max_norm=self.max_norm,
            fit_intercept=self.fit_intercept,
            **options,
        )

    def _scores(self, X: Any) -> np.ndarray:
        if not is_described(X):
            return super()._scores(X)
        client = check_client(self.client)
        return np.concatenate([super(_Linear, self)._scores(rows) for rows in source_of(X, client).arrays(client)])

    def _answers(self, X: Any, want_probabilities: bool) -> tuple[np.ndarray, np.ndarray]:
        if not is_described(X):
            return super()._answers(X, want_probabilities)
        client = check_client(self.client)
        parts = [super(_Linear, self)._answers(rows, want_probabilities) for rows in source_of(X, client).arrays(client)]
        best, probabilities = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return best, probabilities

    def to_local(self) -> Any:
        """The fitted model as an estimator of one process, which can be saved.

        Returns
        -------
        MulticlassSVM or SoftmaxClassifier
        """
        kind = getattr(linear, type(self).__name__)
        params = self.get_params(deep=False) | dict(self._fitted_params)
        names = kind._get_param_names()
        model = kind(**{name: params[name] for name in names})
        of_fit = {name: value for name, value in self._fitted_params.items() if name in names}
        publish(model, **{name: value for name, value in self.__dict__.items() if name.endswith("_")}, _fitted_params=of_fit)
        return model

    def save(self, path: Any, *, metadata: Any = None) -> None:
        """Write ``to_local()`` to a safetensors file; `fastcls.load` returns a model of one process.

        Parameters
        ----------
        path : str or path
            An existing file is replaced only after the new one is complete on disk.
        metadata : dict, optional
            JSON-serializable information to store with the model.

        Raises
        ------
        InputError
            If a parameter is not a plain value, or the path cannot be written.
        sklearn.exceptions.NotFittedError
            Before fit.
        """
        check_path(path, "a file to write the model to")
        self.to_local().save(path, metadata=metadata)


class MulticlassSVM(_Linear, linear.MulticlassSVM):
    """`fastcls.MulticlassSVM` trained over shards of the rows on the workers of a Dask cluster.

    All other parameters are those of `fastcls.MulticlassSVM`, except that `solver` is one of "sgd", "gd" and "lbfgs", and
    `n_jobs` is the number of threads of each worker (None: the threads that Dask gave it). ``alpha="auto"`` uses the formula
    for any size of data and never compares values on held-out rows.

    Parameters
    ----------
    loss, margin
        As for `fastcls.MulticlassSVM`.
    client : distributed.Client, optional
        None: the current one. Copies of the estimator share it; pickles leave it out.
    n_shards : int, optional
        The rows are cut into this many shards. Each is summed separately, and the sums are added in a fixed tree. The last
        bits of the fitted weights depend on this number, never on the number of workers. Choose at least the number of
        workers. None: 16, or the number of rows if that is smaller.

    Attributes
    ----------
    As for `fastcls.MulticlassSVM`; `to_local()` returns one with these weights.
    """

    def __init__(
        self, loss: str = "hinge", margin: float = 1.0, *, client: Any = None, n_shards: int | None = None, **others: Any
    ) -> None:
        super().__init__(loss, margin, **others)
        self.client = client
        self.n_shards = n_shards


class SoftmaxClassifier(_Linear, linear.SoftmaxClassifier):
    """`fastcls.SoftmaxClassifier` trained over shards of the rows on the workers of a Dask cluster.

    All other parameters are those of `fastcls.SoftmaxClassifier`, except that `solver` is one of "sgd", "gd" and "lbfgs",
    and `n_jobs` is the number of threads of each worker (None: the threads that Dask gave it). ``alpha="auto"`` uses the
    formula for any size of data and never compares values on held-out rows.

    Parameters
    ----------
    client : distributed.Client, optional
        None: the current one. Copies of the estimator share it; pickles leave it out.
    n_shards : int, optional
        The rows are cut into this many shards. Each is summed separately, and the sums are added in a fixed tree. The last
        bits of the fitted weights depend on this number, never on the number of workers. Choose at least the number of
        workers. None: 16, or the number of rows if that is smaller.

    Attributes
    ----------
    As for `fastcls.SoftmaxClassifier`; `to_local()` returns one with these weights.
    """

    def __init__(self, *, client: Any = None, n_shards: int | None = None, **others: Any) -> None:
        super().__init__(**others)
        self.client = client
        self.n_shards = n_shards


extend_signature(MulticlassSVM.__init__, linear.MulticlassSVM)
extend_signature(SoftmaxClassifier.__init__, linear.SoftmaxClassifier)

"""usearch: ``search(exact=True)``, on bytes and floats as they are."""

import numpy as np
from usearch.index import MetricKind, search

from ._base import Base, as_float, without_self


class Engine(Base):
    title = "usearch exact"
    packages = ("usearch",)

    @classmethod
    def supported(cls, metric, dtype, n_features, alone):
        return metric in ("l2", "cosine") and not (dtype == "uint8" and metric == "cosine")

    @staticmethod
    def _rows(rows):
        return rows if rows.dtype == np.uint8 else np.ascontiguousarray(as_float(rows), dtype=np.float32)

    def prepare(self, X):
        self.rows = self._rows(X)

    def search(self, Q, k):
        queries, kind = self.rows if Q is None else self._rows(Q), MetricKind.L2sq if self.metric == "l2" else MetricKind.Cos
        stored = "u8" if queries.dtype == np.uint8 else "f32"
        found = search(self.rows, queries, k + (Q is None), kind, exact=True, threads=self.n_threads, dtype=stored)
        indices, keys = found.keys.astype(np.int64), found.distances
        distances = np.sqrt(np.maximum(keys, 0)) if self.metric == "l2" else keys
        return tuple(without_self(distances, indices)) if Q is None else (distances, indices)

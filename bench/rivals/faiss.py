"""faiss-cpu: flat indexes; cosine by inner products of rows scaled to unit length."""

import faiss
import numpy as np

from ._base import Base, without_self


class Engine(Base):
    title = "faiss-cpu"
    packages = ("faiss-cpu",)

    @classmethod
    def supported(cls, metric, dtype, n_features, alone):
        return metric in ("l1", "l2", "cosine")

    def _rows(self, rows):
        rows = np.ascontiguousarray(rows, dtype=np.float32)
        if self.metric == "cosine":
            rows = rows.copy()
            faiss.normalize_L2(rows)
        return rows

    def prepare(self, X):
        faiss.omp_set_num_threads(self.n_threads)
        make = {"l1": lambda n: faiss.IndexFlat(n, faiss.METRIC_L1), "l2": faiss.IndexFlatL2, "cosine": faiss.IndexFlatIP}
        self.index = make[self.metric](X.shape[1])
        self.rows = self._rows(X)
        self.index.add(self.rows)

    def search(self, Q, k):
        distances, indices = self.index.search(self.rows if Q is None else self._rows(Q), k + (Q is None))
        if self.metric == "l2":
            distances = np.sqrt(np.maximum(distances, 0))
        elif self.metric == "cosine":
            distances = 1 - distances
        return tuple(without_self(distances, indices)) if Q is None else (distances, indices)

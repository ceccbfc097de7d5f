"""Intel's Scalable Vector Search: its ``Flat`` index, on bytes and floats as they are; cosine by products of unit rows."""

import numpy as np
import svs

from ._base import Base, as_float, unit_rows, without_self


class Engine(Base):
    title = "SVS Flat"
    packages = ("scalable-vs",)

    @classmethod
    def supported(cls, metric, dtype, n_features, alone):
        return metric in ("l2", "cosine")

    def _rows(self, rows):
        if self.metric == "cosine":
            return unit_rows(rows)
        return rows if rows.dtype == np.uint8 else np.ascontiguousarray(as_float(rows), dtype=np.float32)

    def prepare(self, X):
        self.rows = self._rows(X)
        kind = svs.DistanceType.MIP if self.metric == "cosine" else svs.DistanceType.L2
        self.index = svs.Flat(self.rows, kind, num_threads=self.n_threads)

    def search(self, Q, k):
        indices, keys = self.index.search(self.rows if Q is None else self._rows(Q), k + (Q is None))
        indices = indices.astype(np.int64)
        distances = 1 - keys if self.metric == "cosine" else np.sqrt(np.maximum(keys, 0))
        return tuple(without_self(distances, indices)) if Q is None else (distances, indices)

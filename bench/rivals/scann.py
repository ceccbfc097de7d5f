"""ScaNN's brute force, from scann-core (or scann, whose interface is the same): products of blocks of float32 rows."""

from importlib import metadata

import numpy as np
import scann

from ._base import Base, as_float, unit_rows, without_self

MOST_AT_ONCE = 1024  # queries; the fastest of 64 to 1,024


class Engine(Base):
    title = "scann"
    packages = tuple(name for name in ("scann-core", "scann") if any(metadata.distributions(name=name)))

    @classmethod
    def supported(cls, metric, dtype, n_features, alone):
        return metric in ("l2", "cosine")

    def _rows(self, rows):
        return unit_rows(rows) if self.metric == "cosine" else np.ascontiguousarray(as_float(rows), dtype=np.float32)

    def prepare(self, X):
        self.rows = self._rows(X)
        kind = "dot_product" if self.metric == "cosine" else "squared_l2"
        self.searcher = scann.scann_ops_pybind.builder(self.rows, self.k, kind).score_brute_force(False).build()
        self.searcher.set_num_threads(self.n_threads)

    def search(self, Q, k):
        queries, found = self.rows if Q is None else self._rows(Q), k + (Q is None)
        at_once = min(MOST_AT_ONCE, -(-len(queries) // self.n_threads))
        indices, keys = self.searcher.search_batched_parallel(queries, found, batch_size=at_once)
        distances = 1 - keys if self.metric == "cosine" else np.sqrt(np.maximum(keys, 0))
        return tuple(without_self(distances, indices)) if Q is None else (distances, indices)

"""PyTorch: products of blocks of queries with all rows, then ``topk``.

Bytes: ``_int_mm`` of unsigned queries with rows less 128, which fit int8; the int32 sums are exact, equal distances come in
any order. ``addmm`` for floats, ``cdist`` for L1, which has no products.
"""

import numpy as np
import torch

from ._base import Base, as_float, unit_rows, without_self

BYTES_AT_ONCE, FLOATS_AT_ONCE = 256, 1024  # queries; the fastest of 32 to 1,024 (CIFAR-10, embeddings)


class Engine(Base):
    title = "torch"
    packages = ("torch",)

    @classmethod
    def supported(cls, metric, dtype, n_features, alone):
        return metric in ("l1", "l2", "cosine") and not (dtype == "uint8" and n_features > 16_000)  # int32 would overflow

    def _rows(self, rows):
        if self.metric == "cosine":
            return torch.from_numpy(unit_rows(rows))
        return torch.from_numpy(as_float(rows) if self.metric == "l1" or rows.dtype != np.uint8 else rows)

    def prepare(self, X):
        torch.set_num_threads(self.n_threads)
        self.rows = self._rows(X)
        if self.metric != "l2":
            return
        self.centered = self.rows
        if X.dtype == np.uint8:
            self.centered = torch.from_numpy((X ^ 128).view(np.int8))
            self.squares = torch.from_numpy(np.einsum("ij,ij->i", X, X, dtype=np.int32))
        else:
            self.squares = (self.rows * self.rows).sum(1)

    def _keys(self, queries):
        if self.metric == "l1":
            return torch.cdist(queries, self.rows, p=1)
        if self.metric == "cosine":
            return queries @ self.rows.T
        if queries.dtype == torch.uint8:
            products = torch._int_mm(queries, self.centered.T)
            return torch.add(self.squares, products, alpha=-2, out=products)
        return torch.addmm(self.squares, queries, self.rows.T, alpha=-2)

    @torch.inference_mode()
    def search(self, Q, k):
        queries, found = self.rows if Q is None else self._rows(Q), k + (Q is None)
        step = BYTES_AT_ONCE if queries.dtype == torch.uint8 else FLOATS_AT_ONCE
        nearest = [self._keys(some).topk(found, dim=1, largest=self.metric == "cosine") for some in queries.split(step)]
        keys, indices = (torch.cat(parts).numpy() for parts in zip(*nearest, strict=True))
        if self.metric == "cosine":
            distances = 1 - keys
        elif self.metric == "l2":
            wide = queries.numpy().astype(np.float64)
            squares = np.einsum("ij,ij->i", wide, wide)
            if queries.dtype == torch.uint8:
                squares -= 256 * wide.sum(axis=1)
            distances = np.sqrt(np.maximum(keys + squares[:, None], 0))
        else:
            distances = keys
        return tuple(without_self(distances, indices)) if Q is None else (distances, indices)

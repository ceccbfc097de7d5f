"""numkong: its packed dot products of bytes, then NumPy's argpartition for the k nearest of each query.

The library has neither an L1 matrix nor a search, and its float32 products are summed in float64 at a tenth of the speed of
a BLAS, so it is a rival only for bytes under L2. Its calls hold Python's lock, so the blocks of queries are divided among
forked processes, one per "thread", which write into shared memory.
"""

import mmap
import multiprocessing

import numkong
import numpy as np

from ._base import Base

BLOCK = 64  # queries; the fastest of 16 to 256: the keys of a block stay in the third-level cache


def _shared(shape, dtype):
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(mmap.mmap(-1, size), dtype=dtype).reshape(shape)


class Engine(Base):
    title = "numkong + argpartition"
    packages = ("numkong", "numpy")

    @classmethod
    def supported(cls, metric, dtype, n_features, alone):
        return metric == "l2" and dtype == "uint8" and n_features * 65025 < 2**30 and not alone

    def prepare(self, X):
        self.packed = numkong.dots_pack(X)
        self.squares = np.einsum("ij,ij->i", X, X, dtype=np.int32)

    def search(self, Q, k):
        squares = np.einsum("ij,ij->i", Q, Q, dtype=np.int32)
        distances, indices = _shared((len(Q), k), np.float64), _shared((len(Q), k), np.int64)

        def blocks(part):
            for first in range(part * BLOCK, len(Q), BLOCK * self.n_threads):
                some = slice(first, first + BLOCK)
                keys = np.asarray(numkong.dots_packed(Q[some], self.packed)).view(np.int32)
                np.multiply(keys, -2, out=keys)
                np.add(keys, self.squares, out=keys)
                nearest = np.argpartition(keys, k - 1, axis=1)[:, :k]
                of_nearest = np.take_along_axis(keys, nearest, axis=1)
                order = np.argsort(of_nearest, axis=1, kind="stable")
                indices[some] = np.take_along_axis(nearest, order, axis=1)
                distances[some] = np.sqrt(np.take_along_axis(of_nearest, order, axis=1) + squares[some, None])

        context = multiprocessing.get_context("fork")
        helpers = [context.Process(target=blocks, args=(part,)) for part in range(1, self.n_threads)]
        for helper in helpers:
            helper.start()
        blocks(0)
        for helper in helpers:
            helper.join()
        return distances, indices

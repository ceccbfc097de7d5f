"""fastcls itself, with the interface of its rivals."""

import fastcls
import fastcls.simd  # reads FASTCLS_ISA

from ._base import Base


class Engine(Base):
    title = "fastcls"

    @classmethod
    def versions(cls):
        return f"fastcls {fastcls.__version__}"

    @classmethod
    def supported(cls, metric, dtype, n_features, alone):
        return True

    def prepare(self, X):
        model = fastcls.NearestNeighbors(self.k, metric=self.metric, algorithm=self.algorithm, n_jobs=self.n_threads)
        self.model = model.fit(X)

    def search(self, Q, k):
        return self.model.kneighbors(Q, k)

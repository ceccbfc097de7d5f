"""scikit-learn: brute force, or its kd_tree for few features, as its own algorithm="auto" would choose."""

from sklearn.neighbors import NearestNeighbors

from ._base import Base, as_float

FEW_FEATURES = 15


class Engine(Base):
    title = "scikit-learn"
    packages = ("scikit-learn",)
    library = NearestNeighbors

    @classmethod
    def supported(cls, metric, dtype, n_features, alone):
        return metric in ("l1", "l2", "cosine")

    def prepare(self, X):
        name = {"l1": "manhattan", "l2": "euclidean", "cosine": "cosine"}[self.metric]
        algorithm = "kd_tree" if X.shape[1] <= FEW_FEATURES else "brute"
        model = self.library(n_neighbors=self.k, metric=name, algorithm=algorithm, n_jobs=self.n_threads)
        self.model = model.fit(as_float(X))

    def search(self, Q, k):
        return self.model.kneighbors(None if Q is None else as_float(Q), k)

"""`KNeighborsTransformer` in place of scikit-learn's: the same graph, and the same results of what takes it."""

import importlib.util

import numpy as np
import pytest
from sklearn import neighbors as theirs
from sklearn.base import clone
from sklearn.cluster import DBSCAN, SpectralClustering
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE, Isomap
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastcls
from fastcls import InputError, KNeighborsTransformer, NearestNeighbors

DIGITS = load_digits().data.astype(np.uint8)
#: with whole-numbered sums and few ties, so that both libraries find the same rows
SOME = DIGITS[:400]


def both(**options):
    return KNeighborsTransformer(**options), theirs.KNeighborsTransformer(algorithm="brute", **options)


@parametrize_with_checks([KNeighborsTransformer(), KNeighborsTransformer(mode="connectivity")])
def test_passes_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("mode", ["distance", "connectivity"])
@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "cosine"])
def test_is_the_graph_of_scikit_learn(mode, metric):
    mine, other = (one.fit(SOME) for one in both(mode=mode, metric=metric, n_neighbors=7))
    for X in (SOME, DIGITS[400:450]):
        found, wanted = mine.transform(X), other.transform(X)
        assert (found.format, found.shape, found.dtype) == (wanted.format, wanted.shape, wanted.dtype)
        np.testing.assert_array_equal(found.indptr, wanted.indptr)
        rows, others = (np.sort(graph.data.reshape(len(X), -1), axis=1) for graph in (found, wanted))
        np.testing.assert_allclose(rows, others, atol=1e-6)  # rows of equal distance may differ
        assert (rows == found.data.reshape(len(X), -1)).all()  # nearest first
    assert found.indptr[1] == 7 + (mode == "distance")
    np.testing.assert_array_equal(mine.get_feature_names_out(), [f"kneighborstransformer{i}" for i in range(400)])
    with_first = mine.fit_transform(SOME)
    assert (with_first != mine.transform(SOME)).nnz == 0
    if mode == "distance" and metric != "cosine":
        np.testing.assert_array_equal(with_first.indices[with_first.indptr[:-1]], np.arange(400))  # each row's own, at 0


def test_dbscan_finds_the_clusters_of_scikit_learn():
    for radius in (18.0, 22.0):
        graph = NearestNeighbors(radius=radius).fit(SOME).radius_neighbors_graph(mode="distance")
        found = DBSCAN(eps=radius, min_samples=5, metric="precomputed").fit(graph)
        wanted = DBSCAN(eps=radius, min_samples=5, algorithm="brute").fit(SOME.astype(np.float64))
        np.testing.assert_array_equal(found.labels_, wanted.labels_)
        assert found.labels_.max() > 1
    mine, other = (make_pipeline(one, DBSCAN(eps=18.0, metric="precomputed")) for one in both(n_neighbors=20))
    np.testing.assert_array_equal(mine.fit_predict(SOME), other.fit_predict(SOME.astype(np.float64)))


def test_spectral_clustering_finds_the_clusters_of_scikit_learn():
    X = np.random.default_rng(0).normal(size=(120, 6)) + 4 * np.eye(6)[np.arange(120) % 4]
    after = SpectralClustering(
        4, affinity="precomputed_nearest_neighbors", n_neighbors=8, random_state=0, assign_labels="cluster_qr"
    )
    mine, other = (make_pipeline(one, clone(after)).fit_predict(X) for one in both(n_neighbors=10))
    np.testing.assert_array_equal(mine, other)
    assert len(set(mine)) == 4


@pytest.mark.filterwarnings("ignore:The number of connected components")
def test_embeddings_are_those_of_scikit_learn():
    X = np.random.default_rng(1).normal(size=(50, 5)).round(3)
    for after in (
        TSNE(perplexity=5, metric="precomputed", init="random", random_state=0, max_iter=250),
        Isomap(n_neighbors=8, metric="precomputed"),
    ):
        mine, other = (make_pipeline(one, clone(after)).fit_transform(X) for one in both(n_neighbors=20))
        np.testing.assert_allclose(mine, other, atol=1e-3 * np.abs(other).max())


def test_scikit_learns_classifier_takes_it():
    y = load_digits().target
    mine, other = (
        make_pipeline(one, theirs.KNeighborsClassifier(5, metric="precomputed")).fit(SOME, y[:400]).predict(DIGITS[400:500])
        for one in both(n_neighbors=6)
    )
    np.testing.assert_array_equal(mine, other)
    assert (mine == y[400:500]).mean() > 0.8


def test_is_saved(tmp_path):
    model = KNeighborsTransformer(n_neighbors=3, mode="connectivity").fit(SOME)
    model.save(tmp_path / "graph.safetensors")
    loaded = fastcls.load(tmp_path / "graph.safetensors")
    assert loaded.get_params() == model.get_params()
    assert (loaded.transform(SOME[:20]) != model.transform(SOME[:20])).nnz == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: KNeighborsTransformer(mode="graph").fit(SOME), "mode='graph' is unknown; choose one of: distance"),
        (
            lambda: KNeighborsTransformer(n_neighbors=400).fit_transform(SOME),
            "^n_neighbors=400, and one more for mode='distance', but there are only 400 training rows; use at most 399$",
        ),
        (
            lambda: KNeighborsTransformer(n_neighbors=1).fit_transform(SOME[:1]),
            "=1, and one more .*; fit more rows$",
        ),
        (
            lambda: KNeighborsTransformer(n_neighbors=401, mode="connectivity").fit_transform(SOME),
            "^n_neighbors=401, but there are only 400 training rows; use at most 400$",
        ),
        (
            lambda: KNeighborsTransformer().fit(SOME).set_params(n_neighbors="3").transform(SOME),
            "^n_neighbors='3'; wanted a whole number of at least 1$",
        ),
        (lambda: KNeighborsTransformer(n_neighbors=0).fit(SOME), "n_neighbors=0; wanted a whole number of at least 1"),
        (lambda: KNeighborsTransformer().fit(SOME).transform(SOME[:, :9]), "X has 9 features, but KNeighborsTransformer is"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(InputError, match=message):
        call()


def _needs(library):
    return pytest.mark.skipif(importlib.util.find_spec(library) is None, reason=f"{library} is not installed")


@_needs("umap")
def test_umap_takes_our_neighbours():
    import umap

    distances, indices = NearestNeighbors(15).fit(SOME).kneighbors(SOME)
    model = umap.UMAP(n_neighbors=15, precomputed_knn=(indices, distances.astype(np.float32)), random_state=0, n_epochs=50)
    found = model.fit_transform(SOME.astype(np.float32))
    assert found.shape == (400, 2)
    assert np.isfinite(found).all()
    near = NearestNeighbors(1).fit(found).kneighbors(return_distance=False)[:, 0]
    assert (load_digits().target[:400][near] == load_digits().target[:400]).mean() > 0.9


@_needs("cleanlab")
def test_cleanlab_takes_our_graph():
    from cleanlab import Datalab

    y = load_digits().target[:400]
    rows = SOME.copy()
    rows[17] = rows[3]
    graph = NearestNeighbors(10).fit(rows).kneighbors_graph(mode="distance")
    lab = Datalab({"y": y}, label_name="y")
    lab.find_issues(knn_graph=graph, issue_types={"near_duplicate": {}, "outlier": {}})
    found = lab.get_issues("near_duplicate")
    assert set(np.flatnonzero(found["is_near_duplicate_issue"])) >= {3, 17}

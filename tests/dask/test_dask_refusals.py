"""fastcls.dask refuses bad input in one line, before any work."""

import os

import numpy as np
import pytest

import fastcls
from fastcls._validation.errors import InputError

pytest.importorskip("distributed", reason="distributed is not installed")
import dask.array as da
from _cluster import *  # noqa: F403 (its fixtures)
from _cluster import as_file, tied
from _rows import assert_same_bytes, python
from dask import delayed
from distributed import Client, LocalCluster

import fastcls.dask as over
from fastcls.dask import _sources

pytestmark = pytest.mark.cluster


def refused(what, X, y, client, **options):
    with pytest.raises(InputError, match=what) as caught:
        over.KNeighborsClassifier(client=client, **options).fit(X, y)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=what):
        over.SoftmaxClassifier(client=client, **options).fit(X, y)


def test_a_missing_cluster_is_refused_in_one_line(digits):
    refused("client=None, and there is no current Dask client: start one", *digits, None)
    refused("client is a str; wanted a distributed.Client", *digits, "tcp://127.0.0.1:8786")


def test_several_labels_per_row_are_refused_in_one_line(client):
    X, y, _ = tied()
    table = np.stack([y, y], axis=1) % 2
    for labels in (table, da.from_array(table, chunks=(100, 1))):
        refused("several labels per row need fastcls.KNeighborsClassifier", X, labels, client)
    assert not over.KNeighborsClassifier().__sklearn_tags__().classifier_tags.multi_label


def test_the_current_client_is_used(client):
    X, y, Q = tied()
    with client.as_current():
        model = over.KNeighborsClassifier().fit(X, y)
        assert_same_bytes([model.predict(Q)], [fastcls.KNeighborsClassifier().fit(X, y).predict(Q)])


def test_cluster_without_workers_is_refused(digits):
    with LocalCluster(n_workers=0, dashboard_address=":0") as cluster, Client(cluster, set_as_default=False) as empty:
        refused("the Dask cluster has no worker", *digits, empty)


def test_rows_that_workers_cannot_open_are_refused_in_one_line(client, tmp_path):
    X, y, _ = tied()
    large, labels = np.zeros((1000, 1000)), np.arange(1000) % 2
    refused("holds arrays of [1-8],...,... bytes or more", da.from_array(large, chunks=500) / 2, labels, client)
    mapped = as_file(tmp_path, np.repeat(X, 2, axis=1))
    refused("X is not a contiguous run of rows of its file", mapped[:, :5], y, client)
    refused("is int64, which workers cannot use unconverted", as_file(tmp_path, X.astype(np.int64), "wide"), y, client)
    refused("copy-on-write", np.load(as_file(tmp_path, X, "own").filename, mmap_mode="c"), y, client)
    refused("none.npy' is not a regular file", [tmp_path / "none.npy"], y, client)
    refused(r"X\[1\] has 12 features, X\[0\].* has 6|X\[1\] has 12 features", [X[:300], mapped[:300]], y, client)
    refused("n_shards=601, but there are only 600 rows", X, y, client, n_shards=601)
    refused("y has 5 labels for 600 rows", X, y[:5], client)


def test_errors_on_workers_name_the_row_and_the_worker(client, tmp_path, monkeypatch):
    X, y, _ = tied()
    floats = X.astype(np.float32)
    floats[417, 3] = np.nan
    refused(r"X contains NaN .first at row 417, column 3.", as_file(tmp_path, floats), y, client)
    mapped = as_file(tmp_path, X, "moved")
    chunk = _sources.source_of(mapped, client).chunks[0]
    os.rename(tmp_path / "moved.npy", tmp_path / "elsewhere.npy")
    with pytest.raises(InputError, match=r"the worker tcp://.* cannot open '.*moved.npy' \("):
        client.submit(chunk.open, "the worker tcp://here", pure=False).result()
    np.save(tmp_path / "moved.npy", X[::-1])
    with pytest.raises(InputError, match="as seen by this process holds other rows than the file passed"):
        chunk.open()


def test_a_map_whose_path_now_names_another_file_is_refused(client, tmp_path):
    X, y, _ = tied()
    mapped = as_file(tmp_path, X)
    os.rename(tmp_path / "X.npy", tmp_path / "elsewhere.npy")
    refused("cannot open '.*X.npy' .No such file", mapped, y, client)
    refused("cannot open '.*X.npy' .No such file", [mapped[:300], mapped[300:]], y, client)
    as_file(tmp_path, X[::-1])
    refused("'.*X.npy' as seen by this process holds other rows", mapped, y, client)
    as_file(tmp_path, X[:5])
    refused("'.*X.npy' as seen by this process is shorter than the file passed", mapped, y, client)


def test_files_in_fortran_order_are_refused(client, tmp_path):
    X, y, _ = tied()
    as_file(tmp_path, np.asfortranarray(X))
    refused("X .*X.npy.* is not a contiguous run of rows of its file .*Fortran order", tmp_path / "X.npy", y, client)
    refused("X is not a contiguous run of rows of its file", as_file(tmp_path, X, "other")[::2], y[::2], client)


@pytest.mark.parametrize("n_rows", [90, 110])
def test_blocks_of_another_shape_than_the_array_declares_are_refused(n_rows, client):
    _, y, _ = tied()
    wrong = [da.from_delayed(delayed(np.ones)((n, 6), dtype=np.uint8), (100, 6), dtype=np.uint8) for n in (100, n_rows)]
    refused(rf"a block of the dask array is uint8 of shape \({n_rows}, 6\)", da.concatenate(wrong), y[:200], client)


def test_label_files_of_different_kinds_are_refused(client, tmp_path):
    X, y, _ = tied()
    given = {"numbers": y[:300], "names": y[300:].astype(str), "columns": y[300:, None], "more": y[300:].astype(np.int8)}
    paths = {name: tmp_path / f"{name}.npy" for name in given}
    for name, labels in given.items():
        np.save(paths[name], labels)
    refused(
        r"y\[1\] is <U\d+ and y\[0\] is int64: save all labels as one kind", X, [paths["numbers"], paths["names"]], client
    )
    refused(r"y\[1\] has 2 dimensions, shape \(300, 1\)", X, [paths["numbers"], paths["columns"]], client)
    model = over.KNeighborsClassifier(client=client).fit(X, [paths["numbers"], paths["more"]])
    assert model._codes.tolist() == y.tolist()


def test_labels_that_would_pass_through_the_scheduler_are_refused(client):
    X, y, _ = tied()
    y = da.from_array(np.repeat(y, 1000), chunks=50_000)[::1000]
    refused("the graph of the dask array y holds arrays of", X, y, client)
    model = over.KNeighborsClassifier(client=client).fit(X, tied()[1])
    with pytest.raises(InputError, match="the graph of the dask array y holds arrays of"):
        model.score(X, y)


def test_errors_count_rows_over_all_parts(client, tmp_path):
    X, y, _ = tied()
    X, y = X.astype(np.float32), y % 2
    wrong = X.copy()
    wrong[417, 3] = np.nan
    parts = [as_file(tmp_path, wrong[a:b], f"part{a}") for a, b in ((0, 200), (200, 600))]
    for kind, options in ((over.KNeighborsClassifier, {}), (over.SoftmaxClassifier, {"solver": "lbfgs", "tol": 1.0})):
        model = kind(client=client, **options).fit(X, y)
        with pytest.raises(InputError, match="first at row 417, column 3"):
            model.predict(parts)


def test_solvers_that_need_more_than_sums_are_refused(client, digits):
    with pytest.raises(
        InputError, match="solver='random_search' is not available over a cluster; choose one of: sgd, gd, lbfgs"
    ):
        over.SoftmaxClassifier(solver="random_search", client=client).fit(*digits)


def test_partial_fit_and_save_are_not_available_for_neighbors(client, digits, tmp_path):
    model = over.KNeighborsClassifier(client=client).fit(*digits)
    assert not hasattr(model, "partial_fit")
    with pytest.raises(InputError, match=r"fastcls.dask.KNeighborsClassifier cannot be saved"):
        model.save(tmp_path / "model")


def test_search_by_radius_is_not_available():
    with pytest.raises(InputError, match=r"has no search by radius: fit fastcls.NearestNeighbors on one part of the rows"):
        over.KNeighborsClassifier().radius_neighbors(np.zeros((2, 2)), 1.0)


def test_a_missing_distributed_package_is_refused_with_what_to_install():
    code = """
import sys
sys.modules["distributed"] = sys.modules["dask"] = None
import fastcls.dask
for name in fastcls.dask.__all__[1:]:
    try:
        getattr(fastcls.dask, name)().fit([[1, 2], [3, 4]], [0, 1])
    except ValueError as error:
        print(error)
"""
    line = 'fastcls.dask needs the package distributed: pip install "fastcls[dask]"\n'
    assert python(code) == 3 * line


def test_names_of_features_are_kept(client):
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    X, y, Q = tied()
    names = [f"f{place}" for place in range(X.shape[1])]
    frame, queries = pd.DataFrame(X, columns=names), pd.DataFrame(Q, columns=names)
    models = [kind(client=client).fit(frame, y) for kind in (over.KNeighborsClassifier, over.SoftmaxClassifier)]
    for model in (*models, models[1].to_local()):
        assert model.feature_names_in_.tolist() == names
        model.predict(queries)
        with pytest.raises(ValueError, match="must be in the same order"):
            model.predict(queries[names[::-1]])
        assert getattr(model, "client", None) is None or not hasattr(model.fit(X, y), "feature_names_in_")

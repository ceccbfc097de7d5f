"""On real data: auto is brute force to the last bit, for any threads and instruction set, and its way is the filter."""

import os

import numpy as np
import pytest
from _rows import assert_same_bytes

from fastcls import KNeighborsClassifier, NearestNeighbors, datasets, simd

N_ROWS, N_QUERIES, K = 6000, 60, 5
METRICS = ("l1", "l2", "cosine")


def _mnist(shared_data):
    data = datasets.load(shared_data("mnist"))
    return data.X, data.y, data.X_test


def _texts(shared_data):
    X = np.load(shared_data("debian_minilm_f16.npy"), mmap_mode="r")
    y = np.load(shared_data("debian_minilm_labels.npy"), mmap_mode="r")
    return X, y, X[-N_QUERIES:]


def _texts_in_singles(shared_data):
    X, y, Q = _texts(shared_data)
    return X[:N_ROWS].astype(np.float32), y, Q.astype(np.float32)


def _cifar10(shared_data):
    if "FASTCLS_CIFAR10" not in os.environ:
        pytest.skip("FASTCLS_CIFAR10 is not set to CIFAR-10's folder")
    data = datasets.load(os.environ["FASTCLS_CIFAR10"])
    return data.X, data.y, data.X_test


@pytest.mark.parametrize("load", [_mnist, _texts, _texts_in_singles, _cifar10])
def test_auto_is_brute_force_for_any_threads_and_instruction_set(load, shared_data):
    X, y, Q = load(shared_data)
    X, y, Q = (np.ascontiguousarray(part) for part in (X[:N_ROWS], y[:N_ROWS], Q[:N_QUERIES]))
    before, slow = simd.active(), {"scalar": 8}  # queries for an instruction set whose search is brute force in plain loops
    for metric in METRICS:
        model, brute = (KNeighborsClassifier(K, metric=metric, algorithm=name).fit(X, y) for name in ("auto", "brute"))
        wanted, votes = brute.kneighbors(Q), brute.predict_proba(Q)
        assert brute.search_report_.path == "brute"
        try:
            for isa in simd.available():
                simd.use(isa)
                n = slow.get(isa, len(Q))
                for n_jobs in (1, 3) if isa == before else (3,):
                    model.set_params(n_jobs=n_jobs)
                    some = [part[:n] for part in wanted]
                    assert_same_bytes(model.kneighbors(Q[:n]), some, f"{metric}, {isa}, {n_jobs} threads")
                    report, is_filtered = model.search_report_, isa != "scalar"  # whose loops are the compiler's
                    assert (report.path, report.isa) == ("filter" if is_filtered else "brute", isa)
                    assert 0 < report.computed < (report.pairs / 2 if is_filtered else report.pairs + 1)
                assert_same_bytes([model.predict_proba(Q[:n])], [votes[:n]], f"{metric}, {isa}")
                assert_same_bytes(model.kneighbors(Q[:1]), [part[:1] for part in wanted], f"{metric}, {isa}, one query")
        finally:
            simd.use(before)
        some = [NearestNeighbors(K, metric=metric, algorithm=name).fit(X[:2000]) for name in ("filter", "brute")]
        assert_same_bytes(some[0].kneighbors(), some[1].kneighbors(), f"{metric}, leave-one-out")
        assert some[0].search_report_.path == "filter"

"""Neighbours of shards, merged: those of one search over all rows, whatever the shards and however they are merged."""

import numpy as np
import pytest
from _rows import assert_same_bytes

from fastcls import reference
from fastcls._search.merge import merged, nearest, nearest_at_once
from fastcls._search.rows import Rows
from fastcls._validation.errors import InputError
from fastcls._validation.rows import check_rows


def test_neighbours_of_equal_distance_keep_the_order_of_their_indices():
    S, indices = merged(np.array([[1.0, 3.0, 3.0]]), np.array([[4, 0, 2]]), np.array([[0.0, 3.0]]), np.array([[9, 7]]), 4)
    assert S.tolist() == [[0.0, 1.0, 3.0, 3.0]]
    assert indices.tolist() == [[9, 4, 0, 2]]


def test_fewer_neighbours_than_k_are_all_kept():
    S, indices = merged(np.array([[2.0], [1.0]]), np.array([[0], [0]]), np.array([[1.0], [5.0]]), np.array([[1], [1]]), 3)
    assert S.tolist() == [[1.0, 2.0], [1.0, 5.0]]
    assert indices.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("cuts", [(30,), (1, 29), (10, 10, 10), (2, 1, 27), (29, 1)])
@pytest.mark.parametrize("k", [1, 4, 30])
def test_shards_give_the_neighbours_of_all_rows(cuts, k):
    rng = np.random.default_rng(3)
    X, Q = rng.integers(0, 3, size=(30, 4)).astype(np.uint8), rng.integers(0, 3, size=(7, 4)).astype(np.uint8)  # many ties
    ends = np.cumsum(cuts)
    shards = [check_rows(X[end - size : end], "X") for size, end in zip(cuts, ends, strict=True)]
    wanted = reference.kneighbors(Q, X, k, "sqeuclidean")
    queries = Rows.of(check_rows(Q, "Q"))
    assert_same_bytes(nearest(iter(shards), queries, k, "sqeuclidean", 1), wanted)
    assert_same_bytes(nearest_at_once(shards, queries, k, "sqeuclidean", 1), wanted)


@pytest.mark.parametrize("search", [nearest, nearest_at_once])
def test_shards_of_another_width_are_refused(search):
    X, Q = (check_rows(np.zeros((3, width), np.uint8), "X") for width in (4, 5))
    with pytest.raises(InputError, match="5"):
        search([X], Rows.of(Q), 1, "l2", 1)

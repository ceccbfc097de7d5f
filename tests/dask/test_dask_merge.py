"""Results of shards are merged to the same bits whichever worker merges what; no cluster is needed to see it."""

import numpy as np
import pytest

pytest.importorskip("distributed", reason="distributed is not installed")

from fastcls.dask import _merge


@pytest.mark.parametrize("n_shards", [1, 2, 5, 8, 11])
def test_sums_of_shards_have_the_same_bits_in_any_groups_and_order(n_shards):
    rng = np.random.default_rng(n_shards)
    values = rng.normal(size=n_shards) * 10.0 ** rng.integers(-12, 12, n_shards)
    leaves = {(0, i): (np.array(value),) for i, value in enumerate(values)}
    (wanted,) = _merge.total_of(_merge.add_up(leaves, n_shards))
    np.testing.assert_allclose(wanted, values.sum(), rtol=1e-9)
    for _ in range(30):
        owners = rng.integers(0, rng.integers(1, 5), n_shards)
        parts = [
            _merge.add_up({leaf: leaves[leaf] for leaf in leaves if owners[leaf[1]] == owner}, n_shards)
            for owner in set(owners)
        ]
        while len(parts) > 1:
            one, other = (parts.pop(rng.integers(len(parts))) for _ in range(2))
            parts.append(_merge.merge_nodes(one, other, n_shards))
        assert _merge.total_of(parts[0])[0].tobytes() == wanted.tobytes()


def test_the_nearest_of_two_runs_of_shards_are_those_of_both_and_equal_ones_keep_their_order():
    rng = np.random.default_rng(0)
    S = np.sort(rng.integers(0, 6, (5, 8)).reshape(5, 2, 4).astype(np.float64), axis=2)
    indices = np.stack([np.tile(np.arange(4), (5, 1)), np.tile(np.arange(4, 8), (5, 1))], axis=1)
    found = _merge.merge_nearest((S[:, 0], indices[:, 0], ("a",)), (S[:, 1], indices[:, 1], ("b", "c")), 5)
    order = np.argsort(S.reshape(5, 8), axis=1, kind="stable")[:, :5]
    np.testing.assert_array_equal(found[0], np.take_along_axis(S.reshape(5, 8), order, axis=1))
    np.testing.assert_array_equal(found[1], order)
    assert found[2] == ("a", "b", "c")

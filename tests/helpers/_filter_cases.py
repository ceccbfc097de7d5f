"""Rows on which a filter that is only nearly right gives wrong neighbours, and the two searches side by side."""

import numpy as np

from fastcls import metrics
from fastcls._runtime import threads
from fastcls._search import plan
from fastcls._search.filter import codes, levels_l1, levels_l2
from fastcls._search.filter import filter as filtering
from fastcls._search.rows import Rows

METRICS = [name for name, metric in metrics.METRICS.items() if name != "sqeuclidean"]  # whose S is that of l2
N_ROWS = 1250
CUTS = (390, 391, 900)  # chunks, none a whole number of panels, one of a single row


def stored(rows, dtype):
    """Rows of about unit scale in a storage type; bytes keep 25 steps of it."""
    if np.dtype(dtype).kind == "f":
        limit = float(np.finfo(dtype).max)
        return np.clip(rows, -limit, limit).astype(dtype)
    info = np.iinfo(dtype)
    return np.clip(np.rint(rows * 25 + (info.max + info.min + 1) / 2), info.min, info.max).astype(dtype)


def low_rank(rng, n, d):
    return 0.8 * rng.normal(size=(n, 6)) @ rng.normal(size=(6, d)) + 0.05 * rng.normal(size=(n, d))


def _constant_columns(rng, n, d):
    rows = low_rank(rng, n, d)
    rows[:, d // 3 :] = 0.5
    return rows


def _two_clusters(rng, n, d):
    return 0.1 * rng.normal(size=(n, d)) + np.where(rng.random((n, 1)) < 0.3, 3.0, -2.0)


def _forty_clusters(rng, n, d):
    return 2 * rng.normal(size=(40, d))[rng.integers(40, size=n)] + 0.02 * rng.normal(size=(n, d))


def _huge_coordinate(rng, n, d):
    rows = 0.3 * rng.normal(size=(n, d))
    rows[n // 3, d // 2] = 6e4
    return rows


def _one_pixel(rng, n, d):
    rows = np.tile(rng.normal(size=d), (n, 1))
    rows[np.arange(n), rng.integers(d, size=n)] += rng.choice([0.04, 0.08, 1.0], n)
    return rows


def _flat_but_for_a_pixel(rng, n, d):
    """Sums of groups are whole steps but for one: a bound has no slack to hide an error in."""
    rows = np.full((n, d), 0.4)
    rows[np.arange(n), rng.integers(d, size=n)] += rng.choice([0.04, 0.08, 0.12, -0.08], n)
    return rows


def _near_pairs_and_bright_rows(rng, n, d):
    """The bright rows set the step of the codes, which is then too coarse for all the others."""
    rows = rng.integers(-2, 3, size=(40, d))[rng.integers(40, size=n)] * 0.04
    rows[np.arange(n), rng.integers(d, size=n)] += 0.04
    bright = rng.random(n) < 0.03
    rows[bright] = rng.choice([-6.0, 6.0], (bright.sum(), 1))
    return rows


def _sparse(rng, n, d):
    return np.where(rng.random((n, d)) < 2 / d, rng.normal(size=(n, d)), 0.0)


def _zero_rows(rng, n, d):
    return np.where(rng.random((n, 1)) < 0.4, 0.0, low_rank(rng, n, d))


#: name -> rows (rng, n, d) of about unit scale, for every storage type
HOSTILE = {
    "all equal": lambda rng, n, d: np.tile(rng.normal(size=d), (n, 1)),
    "all zero": lambda rng, n, d: np.zeros((n, d)),
    "constant columns": _constant_columns,
    "two clusters": _two_clusters,
    "forty clusters": _forty_clusters,
    "one huge coordinate": _huge_coordinate,
    "one pixel differs": _one_pixel,
    "flat but for a pixel": _flat_but_for_a_pixel,
    "near pairs and bright rows": _near_pairs_and_bright_rows,
    "sparse": _sparse,
    "zero rows": _zero_rows,
    "ties": lambda rng, n, d: rng.integers(0, 2, size=(n, min(d, 5))).repeat(-(-d // min(d, 5)), axis=1)[:, :d] / 25,
    "parallel rows": lambda rng, n, d: rng.normal(size=(3, d))[rng.integers(3, size=n)] * rng.uniform(0.2, 2, (n, 1)),
    "low rank": low_rank,
    "white noise": lambda rng, n, d: rng.uniform(-5.2, 5.2, size=(n, d)),
    "other chunks": lambda rng, n, d: low_rank(rng, n, d) * np.where(np.arange(n) < CUTS[0], 0.1, 3.0)[:, None],
}


def _one_ulp(rng, n, d, eps):
    rows = np.ones((n, d))
    rows[np.arange(n), rng.integers(d, size=n)] += eps
    return rows


#: the same for floats alone; some need the range of float64
EXTREME = {
    "offset": lambda rng, n, d: 1e6 + low_rank(rng, n, d),
    "one ulp apart": lambda rng, n, d: _one_ulp(rng, n, d, 2.0**-52),
    "one ulp of a single apart": lambda rng, n, d: _one_ulp(rng, n, d, 2.0**-23),
    "denormal": lambda rng, n, d: rng.integers(-5, 6, size=(n, d)) * 5e-324,
    "denormal singles": lambda rng, n, d: rng.integers(-5, 6, size=(n, d)) * 2.0**-149,
    "squares that underflow": lambda rng, n, d: low_rank(rng, n, d) * 1e-160,
    "squares that are denormal": lambda rng, n, d: low_rank(rng, n, d) * 1e-158,
    "1e-130": lambda rng, n, d: low_rank(rng, n, d) * 1e-130,
    "1e18": lambda rng, n, d: low_rank(rng, n, d) * 1e18,
    "1e150": lambda rng, n, d: low_rank(rng, n, d) * 1e150,
    "two magnitudes": lambda rng, n, d: low_rank(rng, n, d) * np.where(np.arange(n) % 2, 1e-44, 1.0)[:, None],
    "very different magnitudes": lambda rng, n, d: low_rank(rng, n, d) * np.where(np.arange(n) % 2, 1e-161, 1.0)[:, None],
    "every magnitude": lambda rng, n, d: rng.normal(size=(n, d)) * 10.0 ** rng.integers(-30, 30, size=(n, 1)),
}


def queries_for(rng, X, n):
    """Rows of every chunk, rows near them, and rows far outside."""
    some = X[rng.choice(len(X), n, replace=False)]
    if X.dtype.kind == "f":
        largest = float(np.abs(X.astype(np.float64)).max())
        limit = min(float(np.finfo(X.dtype).max) / 2, 1e150)
        near = some[::3] * (1 + 0.01 * rng.normal(size=some[::3].shape))
        some[::3] = np.clip(near, -limit, limit)
        some[1] = 0
        some[2] = min(1e3 * largest, limit)
        some[4] = -min(1e60 * largest, limit)
    else:
        info = np.iinfo(X.dtype)
        some[::3] = np.clip(some[::3].astype(int) + rng.integers(-2, 3, size=some[::3].shape), info.min, info.max)
        some[1], some[2] = 0, info.max
        some[4] = np.where(np.arange(X.shape[1]) % 2, info.min, info.max)
    return some


def chunks_of(X, cuts=CUTS):
    """Copies, so that nothing lies behind a chunk's last row."""
    return [part.copy() for part in np.split(X, cuts)]


def every_level(rows, metric):
    """All levels that these rows can have, also those that are learned only of wider ones, coarse to fine."""
    with threads.one_blas_thread():
        if metric == "l1":
            return levels_l1.l1_levels(rows)
        unit, d, is_float = metric == "cosine", rows.shape[1], rows.dtype.kind == "f"
        counts = [n for n in ((31,) if is_float else (31, 63)) if n <= min(d // 2, len(rows))]
        found = levels_l2._projections(rows, codes.sample_of(rows), counts, unit) if counts else []
        if is_float:
            return found + levels_l2._features(rows, codes.sample_of(rows), unit)
        return found + [level.finer() for level in found[-1:]]


def with_levels(chunks, metric, levels):
    """Rows that are filtered by these levels."""
    rows = Rows(list(chunks))
    rows.filters[metric] = filtering.Filter(metrics.METRICS[metric], list(levels))
    return rows


def search(rows, Q, k, metric, algorithm, n_threads=1, **groups):
    queries = None if Q is None else Rows([Q])
    return plan.search(rows, queries, k, metric, n_threads=n_threads, algorithm=algorithm, **groups)


def assert_same_as_brute(rows, Q, ks, metric, wanted=None, n_threads=1, **groups):
    """The filter's answers for each k, byte for byte those of brute force for the largest; returns the last report."""
    if wanted is None:
        wanted = search(Rows(rows.chunks), Q, max(ks), metric, "brute", **groups)
    report = None
    for k in ks:
        S, indices, report = search(rows, Q, k, metric, "filter", n_threads, **groups)
        assert indices.tobytes() == np.ascontiguousarray(wanted[1][:, :k]).tobytes(), f"indices, k = {k}"
        assert S.tobytes() == np.ascontiguousarray(wanted[0][:, :k]).tobytes(), f"S, k = {k}"
        assert report.computed <= report.pairs
    return report

"""Rows that try a search, and what it is compared with: shared by the tests of search, instruction sets and memory."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import fastcls
from fastcls import knn, reference
from fastcls._validation.types import STORED_TYPES, is_floating, narrowed, type_of

#: the types of rows that NumPy has; search/test_bfloat16.py compares the other with float32
NUMPY_TYPES = tuple(name for name in STORED_TYPES if name != "bfloat16")


def random_rows(rng, n_rows, n_features, dtype, low=None, high=None):
    """Rows over the whole range of a byte type, or normal ones."""
    dtype = type_of(dtype)
    if is_floating(dtype):
        return narrowed(rng.normal(size=(n_rows, n_features)), dtype)
    info = np.iinfo(dtype)
    low, high = info.min if low is None else low, info.max if high is None else high
    return rng.integers(low, high, size=(n_rows, n_features), endpoint=True).astype(dtype)


def hostile_rows(rng, n_rows, n_features, dtype, metric=None):
    """Name -> rows of a float type on which a search that only rounds well gives wrong or negative distances."""
    shape = (n_rows, n_features)
    tiny, large = float(np.finfo(dtype).smallest_subnormal), {"float16": 6e4, "float32": 1e18, "float64": 1e18}[dtype]
    base = rng.normal(size=shape)
    one_ulp = np.ones(shape, dtype)
    one_ulp[np.arange(n_rows), rng.integers(n_features, size=n_rows)] += np.finfo(dtype).eps
    # rows of the same numbers in another order, all as near to a constant query but for the last bits of their sums
    permuted = rng.permuted(np.broadcast_to(base[0], shape), axis=1)
    permuted[::8] = 0.7
    # two groups far apart, the rows of each a few units in the last place of a single (of a half) from one another
    unit = 1e-3 if dtype == "float16" else 1.3e-7
    groups = np.where(np.arange(n_rows)[:, None] % 2, 1.1, 3.3) + unit * rng.integers(-4, 5, size=shape)
    # so small compared with one row that float32 on that row's scale cannot hold them
    beside_huge = np.where(np.arange(n_rows)[:, None] == 1, large, base * (1e-4 if dtype == "float16" else 3e-22))
    mixed = base * 2.0 ** rng.integers(-12, 12, size=shape)
    found = {
        "offset": (base + (1e3 if dtype == "float16" else 1e6)).astype(dtype),
        "subnormal": (rng.integers(-5, 6, size=shape) * tiny).astype(dtype),
        "large": (base.clip(-1, 1) * large).astype(dtype),
        "one ulp apart": one_ulp,
        "zero rows": np.where(rng.random((n_rows, 1)) < 0.5, 0, base).astype(dtype),
        "signed zeros": np.where(rng.random(shape) < 0.5, -0.0, 0.0).astype(dtype),
        "duplicates": np.repeat(base[: -(-n_rows // 5)], 5, axis=0)[:n_rows].astype(dtype),
        "mixed magnitudes": mixed.astype(dtype),
        "one huge coordinate": np.where(np.arange(n_features) == 3, large / 2, base).astype(dtype),
        "permuted rows": permuted.astype(dtype, order="C"),
        "two far groups": groups.astype(dtype),
        "next to a huge row": beside_huge.astype(dtype),
        "parallel rows": (base[:1] * np.linspace(0.5, 2, n_rows)[:, None]).astype(dtype),
    }
    if metric == "cosine" and dtype == "float64":
        del found["subnormal"]  # refused: their squares underflow, and with them their directions
    return found


def assert_same_bytes(got, wanted, what=""):
    """Arrays of the same types, shapes and bytes."""
    for g, w in zip(got, wanted, strict=True):
        assert g.dtype == w.dtype, what
        assert g.shape == w.shape, what
        assert g.tobytes() == w.tobytes(), what


def assert_search_is_reference(Q, X, k, metric, what=""):
    """The compiled search gives the bytes of the definition."""
    assert_same_bytes(knn(Q, X, k, metric), reference.kneighbors(Q, X, k, metric), what)


def python(code, *arguments, timeout=300, **environment):
    """What a Python process of its own, which finds the fastcls under test, prints; it must end well."""
    done = python_process(code, *arguments, timeout=timeout, **environment)
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def python_process(code, *arguments, timeout=300, **environment):
    """The finished process of `python`, however it ended. -P: fastcls is not found by standing in its sources."""
    command, env = command_and_environment(code, *arguments, **environment)
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout)


def command_and_environment(code, *arguments, **environment):
    """How such a process is started."""
    env = {**os.environ, "PYTHONPATH": str(Path(fastcls.__file__).parents[1]), **environment}
    return [sys.executable, "-P", "-c", code, *map(str, arguments)], env

"""Models whose filter is saved, and their files with other numbers in it."""

import functools
import json
from dataclasses import replace

import numpy as np
from _models import rewritten

import fastcls
from fastcls._storage import safetensors as files


@functools.cache
def rows(dtype="uint8", n=6000, d=1024, seed=0):
    """Rows of 15 dimensions in d features, with noise: most pairs can be ruled out. They cannot be written to."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 15)) @ np.random.default_rng(1).normal(size=(15, d)) * 9 + rng.normal(size=(n, d))
    if np.dtype(dtype).kind != "f":
        info = np.iinfo(dtype)
        X = np.rint(X + (info.min + info.max + 1) / 2).clip(info.min, info.max)
    X = X.astype(dtype)
    X.flags.writeable = False
    return X


def model(dtype="uint8", metric="l2", parts=1, **options):
    X, made = rows(dtype), fastcls.KNeighborsClassifier(3, metric=metric, **options)
    for part in np.array_split(X, parts):
        made.partial_fit(part, np.arange(len(part)) % 4, classes=range(4))
    return made


def first_search(made, Q):
    """On one thread: two share one query's rows, and what each rules out depends on which of them is ahead."""
    made.set_params(n_jobs=1)
    distances, indices = made.kneighbors(Q)
    return distances.tobytes(), indices.tobytes(), made.search_report_.path, made.search_report_.levels


def changed(path, values=None, arrays=None):
    """The file with other values of its filter and changed arrays, and right checksums."""
    old = json.loads(files.read_header(path, "a model")["values"])
    old["filter"] |= values or {}
    kept = files.Arrays(path, files.read_header(path, "a model"))
    made = {}
    for name, change in (arrays or {}).items():
        made[name] = np.array(kept[name])
        made[name] = change(made[name])
    return rewritten(path, {"values": json.dumps(old)}, made)


def put(place, value):
    def change(array):
        array[place] = value
        return array

    return change


def fine_filter_of(made, path):
    """The file of a model after its filter was given 8-bit and 16-bit codes."""
    found = made._rows.filters["l2"]
    learned = [found.learned[0], found.learned[0].finer()]
    made._rows.filters["l2"] = replace(found, levels=learned, learned=learned, chunks=[]).extended(made._rows.chunks, 1)
    made.save(path)
    return path

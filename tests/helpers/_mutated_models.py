"""Model files that are whole and wrong: valid ones with parts replaced and every checksum right, and a hard use of each.

As a program, ``python tests/helpers/_mutated_models.py 10000`` makes so many and uses them. Anything but InputError,
OSError, MemoryError or right answers is a fault, which is printed with its number; the exit status is then 1.
"""

import contextlib
import faulthandler
import json
import pickle
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

import fastcls
import fastcls.onnx
from fastcls import persistence
from fastcls._storage import safetensors
from fastcls._validation.errors import InputError
from fastcls.optim import DivergenceError

ALLOWED = (InputError, OSError, MemoryError)

_NUMBERS = (
    0,
    1,
    -1,
    2,
    7,
    255,
    256,
    2**31 - 1,
    2**31,
    2**53,
    2**62,
    2**63 - 1,
    2**63,
    -(2**63),
    10**30,
    0.5,
    -0.0,
    1e-320,
    1e308,
    float("nan"),
    float("inf"),
    -float("inf"),
)
_OTHERS = (
    None,
    True,
    False,
    "",
    "a",
    "l1",
    "cosine",
    "brute",
    "filter",
    "<U1",
    "<U16384",
    "|O",
    "x" * 300,
    "\ud800",
    "\0",
    [],
    [0],
    [[]],
    {},
    {"a": 1},
    [None] * 5,
)
_DTYPES = tuple(np.dtype(name) for name in safetensors._DTYPES.values())
_PARTS = ("params", "classes", "features", "values", "metadata")


# valid files ----------------------------------------------------------------------------------------------------------


def _rows(rng, n, d, dtype):
    found = rng.normal(size=(n, d)) if np.dtype(dtype).kind == "f" else rng.integers(0, 100, (n, d))
    return found.astype(dtype)


def valid_files(folder):
    """Header and arrays of a model of every class, with every way of searching, each written by `save`."""
    rng = np.random.default_rng(0)
    knn = "KNeighborsClassifier"
    cases = [
        *((knn, dtype, (40, 6), {}, np.arange(3)) for dtype in ("uint8", "int8", "float16", "float32", "float64")),
        (knn, "float32", (300, 20), {"metric": "cosine", "algorithm": "filter", "weights": "softmax"}, np.array(["a", "b"])),
        (knn, "uint8", (300, 64), {"metric": "l1", "algorithm": "filter", "class_weight": "balanced"}, np.arange(9)),
        (knn, "uint8", (200, 900), {"algorithm": "filter"}, np.arange(3)),
        (knn, "int8", (200, 400), {"algorithm": "filter", "metric": "cosine"}, np.arange(3)),
        (knn, "float32", (200, 300), {"algorithm": "filter"}, np.arange(3)),
        (knn, "float64", (150, 300), {"algorithm": "filter", "metric": "cosine"}, np.arange(3)),
        (knn, "float16", (150, 300), {"algorithm": "filter", "metric": "l1"}, np.arange(3)),
        (knn, "float32", (20_000, 16), {"n_neighbors": 3, "algorithm": "brute"}, np.arange(4)),
        (knn, "float64", (10_000, 3), {"n_neighbors": 2, "weights": "distance"}, np.array([True, False])),
        ("NearestNeighbors", "float32", (60, 17), {"algorithm": "brute"}, np.arange(2)),
        ("NearestNeighbors", "uint8", (10_000, 2), {}, np.arange(2)),
        ("NearestClassMean", "float32", (40, 6), {}, np.arange(3)),
        ("MulticlassSVM", "uint8", (40, 6), {"max_iter": 2}, np.arange(3)),
        ("SoftmaxClassifier", "float64", (40, 6), {"max_iter": 2, "early_stopping": True}, np.array(["x", "yy"])),
    ]
    found = []
    for number, (name, dtype, shape, params, labels) in enumerate(cases):
        X = _rows(rng, *shape, dtype)
        y = labels[np.arange(len(X)) % len(labels)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = persistence._class_of(name)(**params)
            weights = np.linspace(0, 1, len(X)) if name == knn and number % 2 else None
            model.fit(X, y) if weights is None else model.fit(X, y, weights)
        path = folder / f"valid-{number}"
        model.save(path)
        header = safetensors.read_header(path, "a model")
        arrays = {key: np.array(array) for key, array in safetensors.Arrays(path, header).items()}
        kept = {key: text for key, text in header.items() if key not in ("digests", "checksum")}
        params = {key: value for key, value in json.loads(kept["params"]).items() if key != "n_jobs"}  # has tests of its own
        found.append(({**kept, "params": json.dumps(params)}, arrays))
    return found


# mutations ------------------------------------------------------------------------------------------------------------


def _hostile(rng):
    return [*_NUMBERS, *_OTHERS][rng.integers(len(_NUMBERS) + len(_OTHERS))]


def _replaced_node(rng, tree):
    """JSON with one of its nodes replaced, removed or repeated."""
    if not isinstance(tree, (dict, list)) or not tree or rng.random() < 0.15:
        return _hostile(rng)
    key = list(tree)[rng.integers(len(tree))] if isinstance(tree, dict) else int(rng.integers(len(tree)))
    how = rng.random()
    if how < 0.6:
        tree[key] = _replaced_node(rng, tree[key])
    elif how < 0.8:
        tree[key] = _hostile(rng)
    elif how < 0.9:
        del tree[key]
    elif isinstance(tree, list):
        tree.extend([tree[key]] * int(rng.integers(1, 400)))
    else:
        tree[str(_hostile(rng))[:50]] = _hostile(rng)
    return tree


def _other_values(rng, array):
    """Some or all values replaced by what is no good there."""
    flat = array.reshape(-1).copy()
    size = flat.size if rng.random() < 0.3 else int(rng.integers(1, 5))
    places = rng.integers(flat.size, size=size) if size < flat.size else slice(None)
    if flat.dtype.kind == "f":
        largest = float(np.finfo(flat.dtype).max)
        flat[places] = [np.nan, np.inf, -np.inf, largest, -largest, 5e-324, 0.0, -1.0][rng.integers(8)]
    elif flat.dtype == bool:
        flat[places] ^= True
    else:
        info = np.iinfo(flat.dtype)
        wanted = [info.max, info.min, 0, -1, 1, 3, len(flat), 2**31, 2**62][rng.integers(9)]
        flat[places] = min(max(int(wanted), info.min), info.max)
    return flat.reshape(array.shape)


def _other_array(rng, array, arrays):
    """The same values in another shape or type, or another array."""
    how = rng.integers(8)
    if how == 0:
        return array.reshape(-1)
    if how == 1:
        return array.reshape(*array.shape, 1)
    if how == 2:
        return array[: rng.integers(len(array) + 1)]
    if how == 3:
        return np.concatenate([array, array])
    if how == 4:
        return np.ascontiguousarray(array.T)
    if how == 5:
        with np.errstate(all="ignore"):
            return array.astype(_DTYPES[rng.integers(len(_DTYPES))])
    if how == 6:
        dtype = _DTYPES[rng.integers(len(_DTYPES))]
        whole = array.tobytes()
        return np.frombuffer(whole[: len(whole) // dtype.itemsize * dtype.itemsize], dtype)
    return arrays[list(arrays)[rng.integers(len(arrays))]]


def write_mutated(rng, valid, path):
    """One file with right checksums; returns what was changed, in a few words."""
    small = [of for of in valid if len(of[1].get("X", ())) < 5000]
    chosen = valid if rng.random() < 0.15 else small  # the others take most of the time
    header, arrays = chosen[rng.integers(len(chosen))]
    header, arrays, changes = dict(header), dict(arrays), []
    for _ in range(1 + (rng.random() < 0.3)):
        how = rng.random()
        name = list(arrays)[rng.integers(len(arrays))] if arrays else ""
        if how < 0.4:
            part = [*_PARTS, "params", "params"][rng.integers(len(_PARTS) + 2)]
            with contextlib.suppress(ValueError, RecursionError):  # text that an earlier change has broken
                header[part] = json.dumps(_replaced_node(rng, json.loads(header[part])))
            changes.append(f"{part} {header[part][:200]}")
        elif how < 0.7 and name and arrays[name].size:
            arrays[name] = _other_values(rng, arrays[name])
            changes.append(f"values of {name}")
        elif how < 0.9 and name and arrays[name].ndim:
            arrays[name] = _other_array(rng, arrays[name], arrays)
            changes.append(f"{name} as {arrays[name].dtype} {arrays[name].shape}")
        elif how < 0.93 and name:
            del arrays[name]
            changes.append(f"no {name}")
        elif how < 0.97:
            header["class"] = list(persistence.classes())[rng.integers(len(persistence.classes()))]
            changes.append(header["class"])
        else:
            part = _PARTS[rng.integers(len(_PARTS))]
            header[part] = ["", "[" * 5000, "null", "NaN", header[part][:-1], header["params"]][rng.integers(6)]
            changes.append(f"{part} as text")
    safetensors.write(path, arrays, header)
    if rng.random() < 0.1:
        changes.append(_other_description(rng, path))
    return header["class"] + ": " + "; ".join(changes)


def _other_description(rng, path):
    """Type, shape or place of an array in the file's description, which the checksum of the text does not cover."""
    whole = path.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    described = json.loads(whole[8 : 8 + length])
    names = [name for name in described if name != "__metadata__"]
    if names:
        described[names[rng.integers(len(names))]] = _replaced_node(rng, described[names[rng.integers(len(names))]])
    body = json.dumps(described).encode()
    body += b" " * (-len(body) % 8)
    path.write_bytes(len(body).to_bytes(8, "little") + body + whole[8 + length :])
    return "description"


# use ------------------------------------------------------------------------------------------------------------------


def use(path, rng):
    """Load a file and ask what can be asked, one way. Returns whether it loaded; AssertionError: a wrong answer."""
    safetensors.MAPPED_FROM_BYTES = [1 << 10, 1 << 20][rng.integers(2)]  # small arrays, too, may stay on disk
    try:
        model = fastcls.load(path, verify=["auto", True, False][rng.integers(3)])
    except ALLOWED:
        return False
    d = model.n_features_in_
    rows = getattr(model, "_rows", None)  # a method of the linear models
    X = rows.chunks[0][:3] if hasattr(rows, "chunks") else np.zeros((3, min(d, 1000)), np.float32)
    queries = np.asarray(np.nan_to_num(np.asarray(X, np.float64), posinf=1.0, neginf=1.0).clip(-100, 100), X.dtype)
    classes = getattr(model, "classes_", None)
    searches = hasattr(rows, "chunks")
    if searches and rng.random() < 0.7:
        model.set_params(algorithm=["brute", "filter"][rng.integers(2)])
    for Q in (queries[: 1 + 2 * rng.integers(2)], np.repeat(queries, 30, axis=0)):
        _ask(model, Q, classes)
    if searches and model.n_samples_fit_ < 5000:
        _ask(model, None, classes)
    acts = (
        lambda: model.save(f"{path}.again"),
        lambda: pickle.loads(pickle.dumps(model)),
        lambda: model.partial_fit(queries, classes[np.zeros(len(queries), int)]) and _ask(model, queries, model.classes_),
        lambda: model.loss_and_gradient(queries, classes[np.zeros(len(queries), int)]),
        lambda: fastcls.onnx.to_onnx(model),
    )
    for number in rng.choice(len(acts), 2, replace=False):
        with contextlib.suppress(*ALLOWED, DivergenceError):
            try:
                acts[number]()
            except (AttributeError, TypeError, ImportError) as error:  # what this class does not have
                missing = any(words in str(error) for words in ("has no attribute", "partial_fit with", "onnx"))
                if classes is not None and not missing:
                    raise
    return True


def _ask(model, Q, classes):
    for name in ("predict", "predict_proba", "predict_ties", "decision_function", "kneighbors", "kneighbors_graph"):
        if not hasattr(model, name):
            continue
        try:
            answer = getattr(model, name)(Q) if Q is not None or hasattr(model, "_rows") else None
        except ALLOWED:
            continue
        if name == "kneighbors":
            distances, indices = answer
            assert np.isfinite(distances).all()
            assert (np.diff(distances, axis=1) >= 0).all()
            assert ((indices >= 0) & (indices < model.n_samples_fit_)).all()
        elif name == "predict":
            assert np.isin(answer, classes).all()
        elif name in ("predict_proba", "decision_function"):
            assert np.isfinite(answer).all()


def run(count, seed, folder, out=None):
    """Make and use so many files. Returns how many loaded, how many were refused, and the faults."""
    valid, path, tally, faults = valid_files(folder), folder / "mutated", Counter(), []
    usual = safetensors.MAPPED_FROM_BYTES
    try:
        for number in range(seed, seed + count):
            rng = np.random.default_rng([17, number])
            what = "not written"
            (folder / "number").write_text(str(number))
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    what = write_mutated(rng, valid, path)
                    tally["loaded" if use(path, rng) else "refused"] += 1
            except Exception as error:
                faults.append(f"{number}: {what}: {type(error).__name__}: {error}")
                if out is not None:
                    print(faults[-1][:600], "".join(traceback.format_tb(error.__traceback__)[-3:]), file=out, flush=True)
            if out is not None and (number - seed + 1) % 500 == 0:
                print(f"{number - seed + 1} files: {dict(tally)}, {len(faults)} faults", file=out, flush=True)
    finally:
        safetensors.MAPPED_FROM_BYTES = usual
    return tally, faults


if __name__ == "__main__":
    faulthandler.enable()
    numbers = [*map(int, sys.argv[1:3]), 0]
    with tempfile.TemporaryDirectory() as folder:
        _, found = run(numbers[0], numbers[1], Path(folder), sys.stdout)
    sys.exit(bool(found))

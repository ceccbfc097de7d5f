"""Small models for the tests of saving: made, asked, written, written otherwise, refused."""

import numpy as np
import pytest
import safetensors.numpy

import fastcls
from fastcls import persistence
from fastcls._storage import safetensors as files
from fastcls._validation.errors import InputError


def rows(dtype="uint8", n=40, d=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 100, (n, d)).astype(dtype)


def fitted(name, dtype="uint8", labels=None, X=None, **params):
    X = rows(dtype) if X is None else X
    labels = np.arange(3) if labels is None else labels
    return persistence._class_of(name)(**params).fit(X, labels[np.arange(len(X)) % len(labels)])


def answers(model, Q):
    """Everything an estimator can say about queries, as bytes."""
    asked = {
        name: getattr(model, name)(Q)
        for name in ("predict", "predict_proba", "decision_function", "kneighbors")
        if hasattr(model, name)
    }
    assert asked
    return {
        name: [np.asarray(part).tobytes() for part in (value if isinstance(value, tuple) else (value,))]
        for name, value in asked.items()
    }


def saved(tmp_path, name="KNeighborsClassifier", **options):
    path = tmp_path / f"{name}.safetensors"
    fitted(name, **options).save(path)
    return path


def rewritten(path, header=None, arrays=None):
    """The file again with parts of its header or arrays replaced (None removes one), as if it had been written so."""
    old_header = files.read_header(path, "a model")
    old = dict(safetensors.numpy.load_file(path))
    new_header = {
        key: text
        for key, text in {**old_header, **(header or {})}.items()
        if text is not None and key not in ("digests", "checksum")
    }
    new = {key: array for key, array in {**old, **(arrays or {})}.items() if array is not None}
    files.write(path, new, new_header)
    return path


def refusal(path):
    """The one line with which a file is refused."""
    with pytest.raises(InputError) as caught:
        fastcls.load(path)
    line = str(caught.value)
    assert "\n" not in line
    assert line.isprintable()
    assert path.name in line
    return line

"""What a signal handler raises is not taken for an error of the data, and leaves no file behind.

`test_raising_signals.py` sends signals at random moments; here the handler is called at the worst ones.
"""

import ast
import json
import os
from pathlib import Path

import numpy as np
import pytest

from fastcls import datasets
from fastcls._storage.atomic import replacing
from fastcls._validation.errors import InputError, is_of_caller
from fastcls.datasets import _image, _npy


class Stop(Exception):
    pass


def handler(*given, **more):
    raise Stop


def raised_by(call):
    try:
        call()
    except Exception as error:
        return error


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (handler, True),
        (lambda: exec("raise ValueError", {"__name__": "__main__"}), True),
        (lambda: json.loads("{"), False),
        (lambda: ast.literal_eval("f(1)"), False),
        (lambda: np.zeros(3).reshape(2, 2), True),  # the frame below is of the caller
        (lambda: datasets.load("no such file"), False),
    ],
)
def test_the_last_frame_says_whose_an_error_is(call, expected):
    assert is_of_caller(raised_by(call)) == expected


def test_a_reader_does_not_take_it_for_a_damaged_header(monkeypatch, tmp_path):
    np.savez(tmp_path / "a.npz", X=np.ones((4, 2)), y=np.arange(4) % 2)
    monkeypatch.setattr(_npy, "_HEADER_READERS", dict.fromkeys(_npy._HEADER_READERS, handler))
    with pytest.raises(Stop):
        datasets.load(tmp_path / "a.npz")
    monkeypatch.setattr(_npy, "_HEADER_READERS", dict.fromkeys(_npy._HEADER_READERS, lambda file: ast.literal_eval("f(1)")))
    with pytest.raises(InputError, match="not a valid"):
        datasets.load(tmp_path / "a.npz")


def test_an_image_is_not_called_damaged(monkeypatch, tmp_path):
    image = pytest.importorskip("PIL.Image", reason="Pillow reads images")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        image.new("RGB", (8, 8)).save(tmp_path / name / "a.png")
    monkeypatch.setattr(_image, "_plain", handler)
    with pytest.raises(Stop):
        datasets.load(tmp_path)


def test_no_file_is_left_if_it_comes_as_soon_as_the_file_is_there(monkeypatch, tmp_path):
    opened = os.open

    def made(*given, **more):
        os.close(opened(*given, **more))
        raise Stop

    monkeypatch.setattr(os, "open", made)
    with pytest.raises(Stop), replacing(tmp_path / "model", "the model"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_no_file_is_left_if_it_comes_before_the_file_is_deleted(monkeypatch, tmp_path):
    unlink, calls = Path.unlink, []

    def interrupted(path, missing_ok=False):
        calls.append(path)
        if len(calls) == 1:
            raise Stop
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", interrupted)
    with pytest.raises(Stop), replacing(tmp_path / "model", "the model"):
        raise ValueError
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_the_same_hidden_name_is_not_deleted(monkeypatch, tmp_path):
    monkeypatch.setattr("secrets.token_hex", lambda n: "0000")
    (tmp_path / ".model.0000.partial").write_text("not ours")
    with pytest.raises(InputError, match="exists"), replacing(tmp_path / "model", "the model"):
        pass
    assert (tmp_path / ".model.0000.partial").read_text() == "not ours"

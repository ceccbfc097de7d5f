"""The library prints nothing: notes on data are lines of ``logging`` where it is set up, else warnings of Python."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from fastcls import datasets

Y = np.arange(30) % 3
COPY = np.column_stack([np.random.default_rng(0).standard_normal(30), Y])


def test_notes_are_warnings_of_python_unless_logging_shows_them(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = logging.getLogger("fastcls")
    datasets.load((COPY, Y))
    assert any("has one value in all rows of a class" in text for text in caplog.messages)
    monkeypatch.setattr(log, "propagate", False)
    capfd.readouterr()
    with pytest.warns(datasets.DataWarning, match="has one value in all rows of a class") as warned:
        found = datasets.load((COPY, Y))
    assert {one.filename for one in warned} == {__file__}
    assert any("has one value" in note for note in found.notes)
    assert not capfd.readouterr().err
    with pytest.warns(datasets.DataWarning, match="1 class with a single row stays"):
        datasets.train_test_split(datasets.load((COPY[:, :1], np.append(Y[:-1], 3))), random_state=0)
    assert not capfd.readouterr().err

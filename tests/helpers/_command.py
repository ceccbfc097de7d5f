"""The command line for tests: run in this process or in one of its own, and data to run it on."""

import copy
import functools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("typer", reason="the command line needs the extra 'run'")
pytest.importorskip("rich", reason="the command line needs the extra 'run'")
pytest.importorskip("matplotlib", reason="the command line needs the extra 'run'")
Image = pytest.importorskip("PIL.Image", reason="the command line needs the extra 'run'")

from sklearn.datasets import load_digits  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

import fastcls  # noqa: E402
from fastcls._scoring import intervals, numbers  # noqa: E402
from fastcls.cli import _linear, _run  # noqa: E402
from fastcls.cli._app import app  # noqa: E402
from fastcls.cli.report import _page  # noqa: E402

QUICK = ["--limit", "200", "--ks", "1,3", "--models", "knn"]


DIGITS = functools.cache(load_digits)  # unpacked and parsed once, not for each of hundreds of runs


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Every test works in its own empty folder, on a screen of 80 columns.

    Half of a small run's time is the estimate of its duration, and a part the gradient check, the report's drawings and the
    resamples of the test rows: the runs in a process of their own have all four as they are.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    page = '<meta name="generator" content="fastcls">'
    monkeypatch.setattr("sklearn.datasets.load_digits", lambda **options: copy.deepcopy(DIGITS(**options)))
    monkeypatch.setattr(_run, "estimate_seconds", lambda *_: 1.0)
    monkeypatch.setattr(_linear, "CHECK_WORK", 0)
    monkeypatch.setattr(numbers, "resamples", lambda n_rows, n=50: intervals.resamples(n_rows, min(n, 50)))
    monkeypatch.setattr(_page, "write_report", lambda outcome, path: path.write_text(page))
    return tmp_path


def cli(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def python(*words, **options):
    """Python in a process of its own, with this fastcls."""
    root = str(Path(fastcls.__file__).parents[1])
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), root]))
    return subprocess.run(
        [sys.executable, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": path},
        **options,
    )


def fresh(*words, **options):
    """The command in a process of its own, as a user starts it."""
    return python("-m", "fastcls.cli", *words, **options)


def refused(result, *fragments):
    """Exit code 2, one line on stderr that says all of ``fragments``, nothing on stdout, no file."""
    assert result.exit_code == 2, (result.stdout, result.stderr, result.exception)
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert "Traceback" not in result.stderr
    for fragment in fragments:
        assert fragment in result.stderr
    return True


def listing(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))


def write_embeddings(path, n=90, classes=3, width=6, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    np.savez(path, X=(rng.standard_normal((n, width)) + 3 * y[:, None]).astype(np.float32), y=y)
    return path


def write_images(folder, classes=("cat", "dog", "ship"), each=12):
    rng = np.random.default_rng(0)
    for code, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            size = (int(rng.integers(12, 40)), int(rng.integers(12, 40)))
            pixels = np.clip(rng.normal(60 + 60 * code, 20, (*size, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.jpg")
    return folder


def fail_with(error):
    def failing(*_, **__):
        raise error

    return failing

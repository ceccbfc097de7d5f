"""The sections about the data and the files of a run: facts, checksums, rows of each class, duplicates, links."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from fastcls._validation.types import name_of
from fastcls.cli._checks import MODELS
from fastcls.cli._outcome import Outcome
from fastcls.cli._words import counted, percent
from fastcls.display import style

SHOWN_CLASSES = 30  # rows of a table that is open from the start
MOST_CLASSES = 1000  # rows of any table of classes
LONGEST_NAME = 48

#: file -> what it has
FILES = {
    "results.json": "all numbers of this page, and more, for programs",
    "predictions.csv": "the prediction of each model for every test row",
    "errors.csv": "the wrong ones among them, for each model those with the highest probability or score first",
}


def data_facts(outcome: Outcome) -> list[tuple[str, str]]:
    """Return what is known about the data, as rows of name and value."""
    results, data = outcome.results, outcome.dataset
    found = (
        [("date of the run", str(results["date"]).replace("T", " ").replace("+00:00", " UTC"))] if "date" in results else []
    )
    found.append(("type of the values", name_of(data.X.dtype)))
    found.append(("values in a row", f"{data.X.shape[1]:,}"))
    found += [(f"SHA-256 of the {part} rows", value) for part, value in (results.get("checksums") or {}).items()]
    return found


def duplicates(outcome: Outcome) -> list[str]:
    """Return sentences about test rows that equal a training row; empty if they were not counted."""
    known = outcome.results.get("duplicates") or outcome.results.get("repeats")
    if not known:
        return []
    n, other, n_test = known["test_rows"], known["other_class"], outcome.results["n_test"]
    if not n:
        return [f"None of the {counted(n_test, 'test row')} equals a training row."]
    verb = "equals" if n == 1 else "equal"
    found = [
        f"{n:,} of {counted(n_test, 'test row')} ({percent(n / n_test)}) {verb} a training row. On these rows, accuracy "
        "measures memorisation, not generalisation."
    ]
    if other:
        verb = "equals" if other == 1 else "equal"
        found.append(f"{other:,} of them {verb} a training row of another class: one of the two labels is probably wrong.")
    return found


def class_table(outcome: Outcome) -> dict[str, Any] | None:
    """Return a sentence about the rows of the classes, and a table of them, largest class first."""
    data = outcome.dataset
    n = len(data.class_names)
    train = np.bincount(data.y, minlength=n)
    test = np.bincount(data.y_test, minlength=n) if data.y_test is not None else np.zeros(n, dtype=np.int64)
    order = np.lexsort((np.arange(n), -test, -train))
    most = max(1, int(train.max()))
    rows = [
        {
            "name": class_name(data, code, LONGEST_NAME),
            "train": f"{train[code]:,}",
            "test": f"{test[code]:,}",
            "share": f"{100 * train[code] / most:.1f}",
        }
        for code in order[:MOST_CLASSES]
    ]
    parts = [f"{name} rows of a class: {_between(counts)}" for counts, name in ((train, "Training"), (test, "Test"))]
    return {
        "sentence": f"{counted(n, 'class')}. {'. '.join(parts)}.",
        "rows": rows,
        "open": n <= SHOWN_CLASSES,
        "more": f"The other {counted(n - MOST_CLASSES, 'class')} are in results.json." if n > MOST_CLASSES else "",
    }


def class_name(data: Any, code: int, length: int = 32) -> str:
    """Return the name of a class, short enough for a table."""
    return style.shorten(data.class_names[code], length) or style.NAMELESS


def _between(counts: np.ndarray) -> str:
    low, high = int(counts.min()), int(counts.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def link_to(outcome: Outcome, name: str | int) -> str:
    """Return a link from the report to the file of a test row; empty if there is no such file."""
    if outcome.source is None or outcome.folder is None:
        return ""
    file = outcome.source / str(name)
    try:
        if not file.is_file():
            return ""
        return quote(os.fsencode(Path(os.path.relpath(file, outcome.folder)).as_posix()))
    except (OSError, ValueError):  # another drive; a name that no file can have
        return ""


def files_of(outcome: Outcome) -> list[dict[str, str]]:
    """Return the files of the run: link, size, what it has. The report is written before results.json, which has no size."""
    if outcome.folder is None:
        return []
    found = []
    for name, what in FILES.items():
        if name == "results.json" or (outcome.folder / name).exists():
            found.append({"name": name, "link": name, "size": _size(outcome.folder / name), "what": what})
    for name, title in MODELS.items():
        path = outcome.folder / "models" / f"{name}.safetensors"
        if path.exists():
            place = f"models/{path.name}"
            found.append(
                {"name": place, "link": place, "size": _size(path), "what": f"{title}, trained on all training rows"}
            )
    return found


def _size(path: Path) -> str:
    """Return the size of a file: ``1.3 MB``; empty if it does not exist yet."""
    try:
        size = float(path.stat().st_size)
    except OSError:
        return ""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f}\u00a0{unit}" if unit == "bytes" or size >= 100 else f"{size:.1f}\u00a0{unit}"
        size /= 1000
    return f"{size:.1f}\u00a0GB"

"""The training rows of a k-NN model in a file: written, read, and checked once before their first use."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._runtime import threads
from fastcls._search import plan
from fastcls._search.filter import stored
from fastcls._search.rows import Rows
from fastcls._search.run import Stored
from fastcls._storage import external_rows
from fastcls._storage.digest import digest
from fastcls._storage.once import Once
from fastcls._storage.safetensors import Arrays, Saved, expect
from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted
from fastcls._validation.rows import check_finite
from fastcls._validation.types import STORED_TYPES, name_of, type_of
from fastcls.metrics import METRICS

#: verify="auto" checks no more bytes than these: reading them takes seconds.
CHECKED_BYTES = 2_000_000_000

_PREFIX = "filter_"  # names of a filter's arrays
_OF_ROWS = ("codes", "errors", "starts")  # arrays with an entry for each row, which may stay on disk

#: An array in parts, and its saved checksum; None if the array was already compared.
Unread = tuple[Sequence[np.ndarray], str | None]


def described(rows: Rows, metric: str, folder: Path | None, codes: bool) -> tuple[Saved, dict[str, Any]]:
    """Arrays and values of the rows (with a folder: the names of their files in it), and of the filter of this metric."""
    if folder is None:
        arrays: dict[str, Any] = {"X": rows.chunks}
        values: dict[str, Any] = {}
    else:
        files = external_rows.described(rows.chunks, folder)
        arrays, values = {}, {"X": {"dtype": name_of(rows.dtype), "digest": digest(*rows.chunks), "files": files}}
    known = rows.stored_filters()
    key = next((key for kind in plan.KINDS.values() if (key := kind.key(METRICS[metric])) in known), None)
    if key is None:
        return arrays, values
    kept: Stored = known[key] or ({}, {"kind": "none"})
    if folder is not None or not codes or not stored.keeps_its_share(kept, rows):
        kept = stored.without_codes(kept)
    arrays |= {_PREFIX + key: array for key, array in kept[0].items()}
    decided = {"metric": metric, "learned_rows": int(rows.learned_rows.get(key, rows.n_rows))}
    return arrays, {**values, "filter": {"kind": kept[1]["kind"], **decided, **kept[1]}}


def opened(arrays: Arrays, values: dict[str, Any], metric: str) -> LoadedRows:
    """Rows of a file, with their filter in plain form.

    Raises
    ------
    RowsFileError
        For a file of external rows that is missing or has changed.
    KeyError, TypeError, ValueError
        For a damaged file.
    """
    described = values.get("filter", {"kind": "unknown"})
    unread: list[Unread] = []
    if "X" in values:
        given = values["X"]
        if given["dtype"] not in STORED_TYPES:
            raise ValueError(f"rows of {quoted(given['dtype'])}")
        folder = Path(os.path.realpath(arrays.path)).parent
        chunks = external_rows.opened(given["files"], type_of(given["dtype"]), folder)
        if len({chunk.shape[1] for chunk in chunks}) > 1:
            raise ValueError("rows of different widths")
        unread.append((chunks, str(given["digest"])))
    else:
        whole, to_compare = arrays.unread("X")
        whole = expect({"X": whole}, "X", (None, None), STORED_TYPES)
        ends = np.cumsum(stored.chunk_sizes(described, len(whole)))
        chunks = np.split(whole, ends[:-1])
        unread.append(([whole], to_compare))
    rows = Rows(chunks)
    unread += _read_filter(rows, arrays, described, metric)
    return LoadedRows(rows, metric, os.fspath(arrays.path), [(of, text) for of, text in unread if text is not None])


def _read_filter(rows: Rows, arrays: Arrays, described: dict[str, Any], metric: str) -> list[Unread]:
    """Give the rows the plain form of their filter; returns its unread arrays with their checksums."""
    kind = described["kind"]
    if kind == "unknown":
        return []
    if kind not in ("none", *plan.KINDS) or described["metric"] != metric:
        raise ValueError("unknown kind of filter, or a filter for another metric")
    name = metric if kind == "none" else plan.KINDS[kind].key(METRICS[metric])
    learned_rows = described["learned_rows"]
    if type(learned_rows) is not int or not 0 < learned_rows <= rows.n_rows:
        raise ValueError("a filter learned from an invalid number of rows")
    rows.learned_rows[name] = learned_rows
    kept: dict[str, np.ndarray] = {}
    unread: list[Unread] = []
    for key in arrays:
        if key.startswith(_PREFIX):
            short = key.removeprefix(_PREFIX)
            if short.partition("_")[0] in _OF_ROWS:
                kept[short], text = arrays.unread(key)
                unread.append(([kept[short]], text))
            else:
                kept[short] = arrays[key]
    rows.stored[name] = None if kind == "none" else (kept, described)
    return unread


class LoadedRows:
    """Rows of a model's file, whose large arrays have not been read yet.

    Parameters
    ----------
    rows : Rows
    metric : str
    path : str
        For errors.
    unread : list
        Arrays, in parts, and their saved checksums.
    """

    def __init__(self, rows: Rows, metric: str, path: str, unread: list[tuple[Sequence[np.ndarray], str]]) -> None:
        self.rows, self.metric, self.path, self.unread = rows, metric, path, unread
        self._once = Once()
        self._news: tuple[str, ...] = ()  # of `check_now`, for the first search
        self.skips = False  # whether to skip the check until the model is saved or extended

    @property
    def nbytes(self) -> int:
        """Bytes that the check reads."""
        return sum(part.nbytes for parts, _ in self.unread for part in parts)

    def check(self, *, force: bool = False) -> tuple[str, ...]:
        """Check the rows unless they have been checked; returns a note if this call checked them.

        Parameters
        ----------
        force : bool
            Check even if `load` was called with ``verify=False``.

        Raises
        ------
        InputError
            If rows or codes have changed since they were saved, or are invalid.
        """
        if self.rows.stored:
            self._restore()
        if self._news:
            news, self._news = self._news, ()
            return news
        if self.skips and not force:
            return ()
        return self._checked_once("before this search, once", every=False)

    def check_now(self) -> None:
        """Check the rows now, the codes of all rows too; the report of the first search gives the time."""
        if self.rows.stored:
            self._restore()
        self._news = self._checked_once("when it was loaded", every=True)

    def _checked_once(self, when: str, *, every: bool) -> tuple[str, ...]:
        """Check the rows unless they have been checked; returns a note if this call checked them.

        `every` computes the codes of all rows again, not only of a sample.
        """
        if self._once.is_set:
            return ()
        with self._once.unless_set() as mine:
            if not mine:
                return ()
            begun = time.perf_counter()
            self._check(every)
            seconds = time.perf_counter() - begun
        return (f"checked {self.nbytes:,} bytes of the model's file {when}: {seconds:.3g} s",)

    def _restore(self) -> None:
        try:
            plan.restore(self.rows)
        except InputError as error:
            raise InputError(f"the model file {quoted(self.path)} is damaged: {error}") from None

    def _check(self, every: bool) -> None:
        for parts, saved_digest in self.unread:
            if digest(*parts) != saved_digest:
                raise InputError(
                    f"the training data in {quoted(self.path)} is corrupt (checksum mismatch): save the model again or "
                    "restore the file"
                )
        self.check_values(every)

    def check_values(self, every: bool) -> None:
        """Refuse rows that a fit would refuse, and codes that do not match the rows."""
        start = 0
        try:
            for chunk in self.rows.chunks:
                largest = METRICS[self.metric].max_abs(chunk.shape[1]) if chunk.dtype == np.float64 else np.inf
                check_finite(chunk, "X", largest, start)
                start += len(chunk)
        except ValueError as error:
            raise InputError(
                f"the training data in {quoted(self.path)} cannot be used: {error}; then save the model again"
            ) from None
        try:
            for made in self.rows.filters.values():
                if made is not None:
                    made.check(self.rows, threads.effective(None), every=every)
        except ValueError as error:
            raise InputError(
                f"the filter in {quoted(self.path)} cannot be used: {error}; fit the model again and save it"
            ) from None

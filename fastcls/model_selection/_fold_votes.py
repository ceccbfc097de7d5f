"""Accuracy of every fold, k and vote rule from one search.

If every row is held out once and trains all other folds, the fold is the group that a query may not see, and the search
itself finds the right neighbours for each fold. If splits overlap or leave rows unused (repeated folds, random splits, rows
of weight 0), the search finds more neighbours among all rows than the votes need, and each split removes those that it does
not train on. The few queries left with too few neighbours are searched again within their split. In both cases the
neighbours are exactly those of refitting on each fold, because the order (S, training index) does not depend on which other
rows are present.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcls._runtime.pacing import Progress
from fastcls._scoring.accuracy import hits
from fastcls._scoring.votes import weights_of
from fastcls._search import plan
from fastcls._search.rows import Rows
from fastcls._validation.row_weights import LabelledRows, balanced, counted_rows, or_ones
from fastcls.metrics import METRICS

from ._folds import Folds

__all__ = ["FoldVotes", "VoteWeights"]

_MOST_SPARE = 4  # search at most this many times k neighbours; queries left with fewer than k are searched again


class VoteWeights:
    """Factors of the votes of training rows in each fold.

    Attributes
    ----------
    visible : ndarray of shape (n_rows,), bool
        Rows of weight above 0.
    """

    def __init__(
        self, folds: Folds, codes: np.ndarray, n_classes: int, labelled: LabelledRows | None = None, class_weight: Any = None
    ) -> None:
        self._folds, self._codes, n_rows = folds, codes, len(codes)
        self._weights = np.zeros(0) if labelled is None else labelled.weights
        visible = counted_rows(self._weights)
        self.visible = np.ones(n_rows, dtype=bool) if visible is None else visible
        self._balanced = isinstance(class_weight, str)
        if labelled is not None and self._balanced:
            self._given, self._each = labelled.given, or_ones(labelled.given, n_rows)
            self._count(n_classes)

    def _count(self, n_classes: int) -> None:
        """Set the class weights of each fold or, for leave-one-out, the sums over all rows that they follow from."""
        folds, codes, each = self._folds, self._codes, self._each
        if folds.alone:
            self._sums = np.bincount(codes, each, n_classes)
            self._counts = np.bincount(codes[self.visible], minlength=n_classes)
            return
        self._of_classes = np.empty((folds.n_folds, n_classes))
        for fold in range(folds.n_folds):
            train = folds.split(fold)[0]
            self._of_classes[fold] = balanced(np.bincount(codes[train], each[train], n_classes))

    def of(self, queries: np.ndarray, folds: np.ndarray, indices: np.ndarray) -> np.ndarray | None:
        """Factors of neighbours (n_queries, k) in the fold of each query; None if all are 1."""
        if not self._balanced:
            return self._weights[indices] if len(self._weights) else None
        labels = self._codes[indices]
        of_classes = self._balance(queries, indices) if self._folds.alone else self._of_classes[folds[:, None], labels]
        return self._given[indices] * of_classes if len(self._given) else of_classes

    def _balance(self, queries: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Balanced class weights, n / (n_classes * count), over all rows but the query, for leave-one-out."""
        own, labels = self._codes[queries], self._codes[indices]
        sums = self._sums[labels] - np.where(labels == own[:, None], self._each[queries][:, None], 0.0)
        sums = np.maximum(sums, self._each[indices])  # at least the neighbour's own weight: rounding must not go below it
        present = np.count_nonzero(self._counts) - (self._counts[own] == 1)
        whole = self._each.sum() - self._each[queries]
        return whole[:, None] / (present[:, None] * sums)


@dataclass(eq=False)
class FoldVotes:
    """Hits of every fold, k and vote rule.

    Parameters
    ----------
    rows : Rows
    folds : Folds
    codes : ndarray of shape (n_rows,), int64
    n_classes : int
    ks : ndarray of int64, ascending
    weights : VoteWeights
    rules : list of vote rules
    temperature, tie_break, topk : as for `hits`
    """

    rows: Rows
    folds: Folds
    codes: np.ndarray
    n_classes: int
    ks: np.ndarray
    weights: VoteWeights
    rules: list[Any]
    temperature: float
    tie_break: str
    topk: tuple[int, ...]
    n_threads: int
    algorithm: str = "auto"

    def accuracy(self, metric: str, progress: Progress | None = None) -> np.ndarray:
        """Accuracies (len(topk), n_rules, n_ks, n_folds); leave-one-out has one column, over all rows."""
        n_columns = 1 if self.folds.alone else self.folds.n_folds
        self._metric = metric
        self._hits = np.zeros((len(self.topk), len(self.rules), len(self.ks), n_columns), dtype=np.int64)
        if self.folds.of_row is not None and self.weights.visible.all():
            self._by_groups(self.folds.of_row, progress)
        else:
            self._by_removal(progress)
        return self._hits / (self.folds.n_counted if self.folds.alone else self.folds.held_out())

    def _by_groups(self, of_row: np.ndarray, progress: Progress | None) -> None:
        for chunk, S, indices in self._search(None, int(self.ks[-1]), of_row, of_row, progress):
            self._count_hits(np.arange(chunk.start, chunk.stop), of_row[chunk], S, indices)

    def _by_removal(self, progress: Progress | None) -> None:
        folds, k, hidden = self.folds, int(self.ks[-1]), (~self.weights.visible).astype(np.int64)
        trains = None if folds.of_row is not None else [folds.training_rows(fold) for fold in range(folds.n_folds)]
        short: list[tuple[np.ndarray, np.ndarray]] = []  # (queries, fold of each)

        groups = np.ones(folds.n_rows, dtype=np.int64)
        for chunk, S, indices in self._search(None, self._with_spare(k), groups, hidden, progress):
            if trains is None:
                assert folds.of_row is not None
                queries = np.arange(chunk.start, chunk.stop)
                if folds.counted is not None:  # rows of weight 0 are in no fold
                    some = folds.counted[chunk]
                    queries, S, indices = queries[some], S[some], indices[some]
                stays = folds.of_row[indices] != folds.of_row[queries][:, None]
                short.append(self._remove(queries, folds.of_row[queries], S, indices, stays))
                continue
            for fold, (_, test) in enumerate(folds.splits):
                first, last = np.searchsorted(test, [chunk.start, chunk.stop])
                some = test[first:last] - chunk.start
                stays = trains[fold][indices[some]]
                of_fold = np.full(len(some), fold, dtype=np.int64)
                short.append(self._remove(test[first:last], of_fold, S[some], indices[some], stays))
        queries, of_fold = (np.concatenate(parts) for parts in zip(*short, strict=True))
        for fold in np.unique(of_fold):
            self._search_again(queries[of_fold == fold], int(fold), k)

    def _with_spare(self, k: int) -> int:
        """How many neighbours to search among all rows, so that nearly every query keeps k in its fold."""
        n_visible = int(np.count_nonzero(self.weights.visible))
        kept = float(self.folds.trained_on(self.weights.visible).min()) / n_visible
        wanted = math.ceil((k + 4 * math.sqrt(k * (1 - kept))) / kept) + 1
        return min(wanted, _MOST_SPARE * k + 1, n_visible)

    def _remove(
        self, queries: np.ndarray, folds: np.ndarray, S: np.ndarray, indices: np.ndarray, stays: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Count the hits of queries that keep k neighbours; returns the other queries and their folds."""
        k = int(self.ks[-1])
        enough = np.count_nonzero(stays, axis=1) >= k
        order = np.argsort(~stays[enough], axis=1, kind="stable")[:, :k]
        kept = (np.take_along_axis(found[enough], order, axis=1) for found in (S, indices))
        self._count_hits(queries[enough], folds[enough], *kept)
        return queries[~enough], folds[~enough]

    def _search_again(self, queries: np.ndarray, fold: int, k: int) -> None:
        """Count the hits of these queries after a search among their fold's training rows only."""
        trains = self.folds.training_rows(fold) & self.weights.visible

        Q = Rows([np.ascontiguousarray(self.rows.chunks[0][queries])])
        for chunk, S, indices in self._search(Q, k, np.ones(len(queries), dtype=np.int64), (~trains).astype(np.int64)):
            some = queries[chunk]
            self._count_hits(some, np.full(len(some), fold, dtype=np.int64), S, indices)

    def _search(
        self,
        queries: Rows | None,
        k: int,
        query_groups: np.ndarray,
        row_groups: np.ndarray,
        progress: Progress | None = None,
    ) -> plan.Chunks:
        return plan.search_chunks(
            self.rows,
            queries,
            k,
            self._metric,
            n_threads=self.n_threads,
            algorithm=self.algorithm,
            query_groups=query_groups,
            row_groups=row_groups,
            progress=progress,
        )

    def _count_hits(self, queries: np.ndarray, folds: np.ndarray, S: np.ndarray, indices: np.ndarray) -> None:
        """Add the hits of some queries, each by its neighbours among its fold's training rows."""
        if not len(queries):
            return
        labels, of_rows = self.codes[indices], self.weights.of(queries, folds, indices)
        distances = METRICS[self._metric].to_distance(S)
        order = np.argsort(folds, kind="stable")
        starts = np.flatnonzero(np.diff(folds[order], prepend=-1))
        for number, rule in enumerate(self.rules):
            shares = None
            if callable(rule) or rule != "uniform":
                shares = weights_of(distances, rule, self.temperature, self._metric, int(self.ks[0]))
            if of_rows is not None:
                shares = of_rows if shares is None else shares * of_rows
            right = hits(
                labels,
                shares,
                self.codes[queries],
                self.ks,
                self.n_classes,
                topk=self.topk,
                tie_break=self.tie_break,
                n_threads=self.n_threads,
            )
            if self.folds.alone:
                self._hits[:, number, :, 0] += right.sum(axis=2)
            else:
                sums = np.add.reduceat(right[:, :, order].astype(np.int64), starts, axis=2)
                self._hits[:, number, :, folds[order][starts]] += np.moveaxis(sums, 2, 0)

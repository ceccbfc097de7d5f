"""What every fold's vote comes to, for every k and vote rule, from one search.

Where every row is held out once and trains all other folds, the fold is the group that a query may not see, and the search
itself finds the neighbours that each fold is left with. Where splits overlap or leave rows unused (repeated folds, random
splits, rows of weight 0), the search finds each row's neighbours among all, more than the votes need, and every split
strikes out those that it does not train on; the few rows that are then left with too few are searched for anew in that
split. Both are index for index what fitting every fold anew gives: the order (S, training index) does not depend on which
other rows are there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcls._scoring.accuracy import hits
from fastcls._scoring.votes import weights_of
from fastcls._search import plan
from fastcls._search.plan import Progress
from fastcls._search.rows import Rows
from fastcls._validation.linear import balanced
from fastcls._validation.row_weights import LabelledRows, counted_rows, or_ones
from fastcls.metrics import METRICS

from ._folds import Folds

__all__ = ["FoldVotes", "VoteWeights"]

_MOST_SPARE = 4  # times the neighbours that vote, at most; what a small training fold then lacks is searched for anew


class VoteWeights:
    """What the vote of a training row is multiplied by in every fold.

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
        """What the rows of every class weigh in each fold; left one out at a time, in all of them."""
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
        """Of neighbours (n_queries, k) in the fold of each query; None where all are 1."""
        if not self._balanced:
            return self._weights[indices] if len(self._weights) else None
        labels = self._codes[indices]
        of_classes = self._balance(queries, indices) if self._folds.alone else self._of_classes[folds[:, None], labels]
        return self._given[indices] * of_classes if len(self._given) else of_classes

    def _balance(self, queries: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """n / (n_classes * count) of all rows but the query, where each is left out once."""
        own, labels = self._codes[queries], self._codes[indices]
        sums = self._sums[labels] - np.where(labels == own[:, None], self._each[queries][:, None], 0.0)
        sums = np.maximum(sums, self._each[indices])  # the neighbour itself is one of them, whatever rounding says
        present = np.count_nonzero(self._counts) - (self._counts[own] == 1)
        whole = self._each.sum() - self._each[queries]
        return whole[:, None] / (present[:, None] * sums)


@dataclass
class FoldVotes:
    """One metric's right answers.

    Parameters
    ----------
    rows : Rows
    folds : Folds
    codes : ndarray of shape (n_rows,), int64
    n_classes : int
    ks : ndarray of int64, ascending
    weights : VoteWeights
    rules : list of vote rules
    temperature, tie_break, topk : as of `hits`
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
        """Shares of right answers: (len(topk), n_rules, n_ks, n_folds); one column of all rows where each is left out."""
        n_columns = 1 if self.folds.alone else self.folds.n_folds
        self._metric = metric
        self._right = np.zeros((len(self.topk), len(self.rules), len(self.ks), n_columns), dtype=np.int64)
        if self.folds.of_row is not None and self.weights.visible.all():
            self._by_groups(self.folds.of_row, progress)
        else:
            self._by_striking_out(progress)
        return self._right / (self.folds.n_counted if self.folds.alone else self.folds.held_out())

    def _by_groups(self, of_row: np.ndarray, progress: Progress | None) -> None:
        for part, S, indices in self._search(None, int(self.ks[-1]), of_row, of_row, progress):
            self._judge(np.arange(part.start, part.stop), of_row[part], S, indices)

    def _by_striking_out(self, progress: Progress | None) -> None:
        folds, k, hidden = self.folds, int(self.ks[-1]), (~self.weights.visible).astype(np.int64)
        trains = None if folds.of_row is not None else [folds.training_rows(fold) for fold in range(folds.n_folds)]
        short: list[tuple[np.ndarray, np.ndarray]] = []  # (queries, fold of each)

        groups = np.ones(folds.n_rows, dtype=np.int64)
        for part, S, indices in self._search(None, self._with_spare(k), groups, hidden, progress):
            if trains is None:
                assert folds.of_row is not None
                queries = np.arange(part.start, part.stop)
                if folds.counted is not None:  # the others are in no fold
                    some = folds.counted[part]
                    queries, S, indices = queries[some], S[some], indices[some]
                stays = folds.of_row[indices] != folds.of_row[queries][:, None]
                short.append(self._strike_out(queries, folds.of_row[queries], S, indices, stays))
                continue
            for fold, (_, test) in enumerate(folds.splits):
                first, last = np.searchsorted(test, [part.start, part.stop])
                some = test[first:last] - part.start
                stays = trains[fold][indices[some]]
                of_fold = np.full(len(some), fold, dtype=np.int64)
                short.append(self._strike_out(test[first:last], of_fold, S[some], indices[some], stays))
        queries, of_fold = (np.concatenate(parts) for parts in zip(*short, strict=True))
        for fold in np.unique(of_fold):
            self._search_anew(queries[of_fold == fold], int(fold), k)

    def _with_spare(self, k: int) -> int:
        """Neighbours to look for among all rows, so that nearly every query has k left in its fold."""
        n_visible = int(np.count_nonzero(self.weights.visible))
        kept = float(self.folds.trained_on(self.weights.visible).min()) / n_visible
        wanted = math.ceil((k + 4 * math.sqrt(k * (1 - kept))) / kept) + 1
        return min(wanted, _MOST_SPARE * k + 1, n_visible)

    def _strike_out(
        self, queries: np.ndarray, folds: np.ndarray, S: np.ndarray, indices: np.ndarray, stays: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Judge the queries that have enough neighbours that stay; returns the others, and their folds."""
        k = int(self.ks[-1])
        enough = np.count_nonzero(stays, axis=1) >= k
        order = np.argsort(~stays[enough], axis=1, kind="stable")[:, :k]
        kept = (np.take_along_axis(found[enough], order, axis=1) for found in (S, indices))
        self._judge(queries[enough], folds[enough], *kept)
        return queries[~enough], folds[~enough]

    def _search_anew(self, queries: np.ndarray, fold: int, k: int) -> None:
        """Judge these queries by a search of their own, among the rows that their fold trains on."""
        trains = self.folds.training_rows(fold) & self.weights.visible

        Q = Rows([np.ascontiguousarray(self.rows.chunks[0][queries])])
        for part, S, indices in self._search(Q, k, np.ones(len(queries), dtype=np.int64), (~trains).astype(np.int64)):
            some = queries[part]
            self._judge(some, np.full(len(some), fold, dtype=np.int64), S, indices)

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

    def _judge(self, queries: np.ndarray, folds: np.ndarray, S: np.ndarray, indices: np.ndarray) -> None:
        """Count the right answers of some queries, each by the neighbours that its fold trains on."""
        if not len(queries):
            return
        labels, of_rows = self.codes[indices], self.weights.of(queries, folds, indices)
        distances = METRICS[self._metric].to_distance(S)
        order = np.argsort(folds, kind="stable")
        starts = np.flatnonzero(np.diff(folds[order], prepend=-1))
        for number, rule in enumerate(self.rules):
            shares = None
            if callable(rule) or rule != "uniform":
                shares = weights_of(distances, rule, self.temperature, self._metric)
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
                self._right[:, number, :, 0] += right.sum(axis=2)
            else:
                sums = np.add.reduceat(right[:, :, order].astype(np.int64), starts, axis=2)
                self._right[:, number, :, folds[order][starts]] += np.moveaxis(sums, 2, 0)

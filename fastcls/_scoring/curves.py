"""Average precision of resampled test rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from .intervals import mean_of_known


@dataclass(frozen=True, eq=False)
class Ranking:
    """What one class, or one label, ranks: rows with their scores.

    Attributes
    ----------
    rows : int array (n,)
        Test rows; a row may occur several times.
    scores : float array (n,)
    are_positive : bool array (n,)
    unscored : int array
        Positive rows without a score; they come last.
    """

    rows: np.ndarray
    scores: np.ndarray
    are_positive: np.ndarray
    unscored: np.ndarray


class Curves:
    """The precision-recall curves of some rankings of the same test rows: for average precision of any resample.

    A curve's area grows only where positives are found. So the rows of a ranking, ordered by falling score, are cut into
    segments that end where a run of equal scores with a positive ends; rows without a score form the last one. Two sparse
    matrices sum the counts of all rows, and of positives, over the segments of all rankings.
    """

    def __init__(self, rankings: Sequence[Ranking], n_rows: int) -> None:
        self.ends, n_segments = [], 0
        totals: list[tuple[np.ndarray, np.ndarray]] = []
        rights: list[tuple[np.ndarray, np.ndarray]] = []
        for one in rankings:
            order = np.argsort(-one.scores, kind="stable")
            rows, values, wins = one.rows[order], one.scores[order], one.are_positive[order]
            run = np.cumsum(np.append(False, values[1:] != values[:-1])) if len(rows) else rows
            with_wins = np.unique(run[wins])
            # the segment of each row: how many runs with a positive lie wholly before its own run
            segment = n_segments + np.searchsorted(with_wins, run)
            inside = segment < n_segments + len(with_wins)  # later rows add no area
            totals.append((segment[inside], rows[inside]))
            rights.append((segment[wins], rows[wins]))
            rights.append((np.full(len(one.unscored), n_segments + len(with_wins)), one.unscored))
            n_segments += len(with_wins) + 1  # and the last one, of all rows
            self.ends.append(n_segments)
        self.total, self.right = (
            sparse.csr_array(
                (np.ones(sum(len(at) for at, _ in parts)), tuple(np.concatenate(some) for some in zip(*parts, strict=True))),
                shape=(n_segments, n_rows),
            )
            for parts in (totals, rights)
        )

    def precision(self, counts: np.ndarray) -> np.ndarray:
        """Mean over the rankings of average precision, for every resample; a ranking without positives is left out."""
        totals, rights, n_rows = self.total @ counts, self.right @ counts, counts.sum(axis=0)
        found, first = [], 0
        for end in self.ends:
            total, gained = np.cumsum(totals[first:end], axis=0), rights[first:end]
            total[-1] = n_rows
            right = np.cumsum(gained, axis=0)
            with np.errstate(invalid="ignore", divide="ignore"):
                share = np.where(total > 0, right / total, 0.0)
                found.append((gained * share).sum(axis=0) / right[-1])  # NaN: no positives
            first = end
        return mean_of_known(np.stack(found))

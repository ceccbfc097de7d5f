"""Rows held out of a training, stratified: once (never the last row of a class), or fold by fold."""

from __future__ import annotations

import numpy as np

from fastcls._validation.errors import InputError


def hold_out(
    codes: np.ndarray, n_held: int, random_state: np.random.RandomState, what: str
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers (training, held out), ascending: each class gives its share and keeps at least one training row.

    Parameters
    ----------
    codes : ndarray of shape (n_rows,), int64
        Class codes; some codes may have no rows.
    n_held : int
        Rows to hold out.
    random_state : RandomState
    what : str
        What requests the rows, for the error message.

    Raises
    ------
    InputError
        If this many rows cannot be held out.
    """
    n_rows, counts = len(codes), np.bincount(codes)
    mixed = random_state.permutation(n_rows)
    spare = np.maximum(counts - 1, 0)
    if n_held > spare.sum():
        raise InputError(
            f"{what} would hold out {n_held:,} of {n_rows:,} rows, which leaves a class without a training row: give more "
            f"rows, or hold out at most {spare.sum():,}"
        )
    share = counts * (n_held / n_rows)
    taken = np.minimum(np.floor(share).astype(np.int64), spare)
    order = random_state.permutation(len(counts))  # equal remainders fall to classes at random
    while (missing := n_held - int(taken.sum())) > 0:
        open_classes = order[taken[order] < spare[order]]
        by_remainder = open_classes[np.argsort(-(share - taken)[open_classes], kind="stable")]
        taken[by_remainder[:missing]] += 1
    by_class = mixed[np.argsort(codes[mixed], kind="stable")]
    place = np.arange(n_rows) - np.repeat(np.cumsum(counts) - counts, counts)  # number of each row within its class
    is_held = place < np.repeat(taken, counts)
    return np.sort(by_class[~is_held]), np.sort(by_class[is_held])


def fold_of_rows(codes: np.ndarray, n_folds: int, random_state: np.random.RandomState) -> np.ndarray:
    """A fold for every row: the shuffled rows, sorted by class, are assigned to the folds in turn."""
    mixed = random_state.permutation(len(codes))
    of_row = np.empty(len(codes), dtype=np.int64)
    of_row[mixed[np.argsort(codes[mixed], kind="stable")]] = np.arange(len(codes)) % n_folds
    return of_row

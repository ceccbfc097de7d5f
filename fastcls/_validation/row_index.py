"""Indices of pandas: whether two containers have the same rows in the same order."""

from __future__ import annotations

import itertools
import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any

from .errors import InputError
from .messages import counted, shown


def compare_indices(first: Any, other: Any, first_name: str, other_name: str) -> str | None:
    """Compare the indices of two data frames or series of pandas, and return what is to be noted, if anything.

    Nothing is compared if one of them has no index, or one that only counts its rows, or if they are not of the same number
    of rows.

    Parameters
    ----------
    first, other : object
        Containers of any kind.
    first_name, other_name : str
        How messages call them.

    Returns
    -------
    str or None
        A sentence, if some values are in one index only.

    Raises
    ------
    InputError
        If both have the same values in another order.
    """
    own, its = _index_of(first), _index_of(other)
    if own is None or its is None or len(own) != len(its) or own.equals(its):
        return None
    here, there = own.tolist(), its.tolist()
    try:
        n_shared = (Counter(here) & Counter(there)).total()
    except TypeError:  # lists and the like in an index of objects
        return None
    if here == there:
        return None
    if n_shared == len(here):
        row = next(row for row, (one, another) in enumerate(zip(here, there, strict=True)) if one != another)
        raise InputError(
            f"{first_name} and {other_name} have the same index in another order: row {row} is {shown(here[row], 40)} in "
            f"{first_name} and {shown(there[row], 40)} in {other_name}; order one by the index of the other (.loc), or, if "
            f"the rows are in the same order, give {other_name} without its index (.to_numpy())"
        )
    shared = f"{counted(n_shared, 'value')} of {len(here):,}" if n_shared else "no value"
    return (
        f"the indices of {first_name} and {other_name} share {shared}, so whether both have the same rows in the same order "
        "is not checked"
    )


def warn_of_indices(*groups: Mapping[str, Any], stacklevel: int = 2) -> None:
    """Compare the indices within each group of containers by their names, and warn of the first that share few values.

    Raises
    ------
    InputError
        As `compare_indices`.
    """
    notes = [
        compare_indices(one, another, name, other)
        for group in groups
        for (name, one), (other, another) in itertools.combinations(group.items(), 2)
    ]
    if text := next((text for text in notes if text is not None), None):
        warnings.warn(text, UserWarning, stacklevel=stacklevel + 1)


def _index_of(container: Any) -> Any:
    """The index of a data frame or a series of pandas; None if there is none that says more than the numbers of the rows."""
    if not hasattr(type(container), "iloc") or not hasattr(getattr(container, "index", None), "equals"):
        return None
    index = container.index
    return None if index.tolist() == list(range(len(index))) else index

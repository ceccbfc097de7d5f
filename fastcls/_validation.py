"""Every check of user input, and every sentence that refuses one.

Public functions and estimators call these before any work; what lies below trusts its caller. A refusal is one line: what
came, what was wanted, what to do. Checks that are knowledge of one file format stand in that format's loader in
``datasets/``; they raise the same ``InputError``.
"""

from __future__ import annotations

import logging
import numbers
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils import check_random_state as random_state_of
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from ._containers import STORED_TYPES, read_labels, read_rows, warn_look_alikes
from ._errors import InputError
from ._shown import counted, meant

logger = logging.getLogger("fastcls")

_STORED = frozenset(map(np.dtype, STORED_TYPES))
_FINITE_BLOCK_BYTES = 1 << 22


@dataclass(frozen=True)
class CheckedRows:
    """Rows that the kernels can read, and what it took to make them so.

    Attributes
    ----------
    rows : ndarray of shape (n_rows, n_features)
        C-contiguous uint8, int8, float16, float32 or float64; the user's own memory where that already was so.
    copied_bytes : int
        Bytes copied to make it so; 0 where nothing was.
    notes : tuple of str
    """

    rows: np.ndarray
    copied_bytes: int
    notes: tuple[str, ...]


def one_of(name: str, value: Any, good: Iterable[str], *, also: str = "") -> Any:
    """`value`, if it is one of `good`; otherwise an error that lists them, and `also` what is no name."""
    names = list(good)
    if not isinstance(value, str) or value not in names:
        close = meant(value, names)
        hint = f"did you mean {close!r}? It is" if close else "choose"
        raise InputError(f"{name}={value!r} is unknown; {hint} one of: {', '.join(names)}{also}")
    return value


def check_isa(name: str, isa: Any, available: list[str], built: list[str]) -> str:
    """The name of an instruction set that can run here; `auto` means the best of them."""
    if isinstance(isa, str) and isa in built and isa not in available:
        good = ", ".join([*available, "auto"])
        raise InputError(f"{name}={isa!r} was built, but this processor cannot run it; choose one of: {good}")
    one_of(name, isa, [*available, "auto"])
    return available[-1] if isa == "auto" else isa


def check_number(name: str, value: Any, *, minimum: float, strict: bool = False, whole: bool = False) -> Any:
    """`value`, if it is a finite number in range (and whole, where asked)."""
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    relation = "above" if strict else "at least"
    wanted = f"{'a whole number' if whole else 'a finite number'} {relation} {minimum:g}"
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise InputError(f"{name}={value!r}; wanted {wanted}")
    if isinstance(value, int) and abs(value) >= 2**63:  # no count is so large, and NumPy knows no such integers
        raise InputError(f"{name} is {'-' * (value < 0)}2^{value.bit_length() - 1} or beyond; wanted {wanted}, below 2^63")
    if not np.isfinite(value):
        raise InputError(f"{name}={value!r}; wanted {wanted}")
    if value < minimum or (strict and value == minimum):
        raise InputError(f"{name}={value!r}; wanted {wanted}")
    return value


def refuse_masked(given: Any, name: str) -> None:
    """Refuse masked entries, also in a list of arrays: what lies under a mask is no value."""
    parts = given if isinstance(given, (list, tuple)) else [given]
    if any(isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part) for part in parts):
        raise InputError(f"{name} is a masked array with masked entries; fill them first ({name}.filled(value)), or leave "
                         "their rows out")


def _is_missing(value: Any) -> bool:
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas' NA is neither equal nor unequal
        return True
    except ValueError:
        return False


def refuse_missing(values: np.ndarray, name: str) -> None:
    """Refuse None, NaN, NaT and pandas' NA among values of one dimension."""
    if values.dtype.kind == "O":
        bad = np.fromiter(map(_is_missing, values), dtype=bool, count=len(values))
    elif values.dtype.kind in "mM":
        bad = np.isnat(values)
    else:
        return
    if bad.any():
        row = int(bad.argmax())
        raise InputError(f"{name} has a missing value ({values[row]}) at row {row}; fill such values first, or leave their "
                         "rows out")


def _largest_magnitude(block: np.ndarray) -> float:
    """The largest absolute value; infinity or NaN where there is one."""
    if block.dtype == np.float16:  # without their sign, halves are ordered as their bits are; NumPy compares them one by one
        return float((block.view(np.uint16) & 0x7FFF).max().view(np.float16))
    return max(-float(block.min()), float(block.max()))  # NaN goes through both


def check_finite(rows: np.ndarray, name: str = "X", max_abs: float = np.inf, first: int = 0) -> None:
    """Refuse NaN, infinity, and values whose sums could overflow; the first offender's row and column are named.

    `first` is the number of the first row, where these are part of more.
    """
    if rows.dtype.kind != "f":
        return
    step = max(1, _FINITE_BLOCK_BYTES // max(1, rows.shape[1] * rows.itemsize))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        if np.isfinite(largest := _largest_magnitude(block)) and largest <= max_abs:
            continue
        bad = ~np.isfinite(block)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            what = "NaN" if np.isnan(block[row, column]) else "infinity"
            raise InputError(
                f"{name} contains {what}, first at row {first + start + row}, column {column}; wanted finite numbers: "
                "remove or fill such values first"
            )
        row, column = np.argwhere(np.abs(block) > max_abs)[0]
        raise InputError(
            f"{name} has {block[row, column]:g} at row {first + start + row}, column {column}; above {max_abs:.3g} the sum "
            f"of {rows.shape[1]} terms could overflow float64: scale the data down first"
        )


def _is_plain(X: Any, estimator: Any, reset: bool) -> bool:
    """Whether X is an array as the kernels read it, of the estimator's width: all that is left to check are its values.

    What the general way asks of it takes 0.2 ms, as long as one query's search.
    """
    if type(X) is not np.ndarray or X.ndim != 2 or not X.size or X.dtype not in _STORED or not X.flags.c_contiguous:
        return False
    if estimator is None:
        return True
    same = X.shape[1] == getattr(estimator, "n_features_in_", -1)
    return not reset and same and not hasattr(estimator, "feature_names_in_")


def check_rows(X: Any, name: str = "X", *, estimator: Any = None, reset: bool = False, copy: bool = False) -> CheckedRows:
    """Rows that the kernels can read: 2-D, dense, of a stored type, finite, C-contiguous.

    Parameters
    ----------
    X : array-like of shape (n_rows, n_features)
        uint8, int8, float16, float32 and float64 are kept, and referenced where C-contiguous; other integer types and
        what is no number yet become float64.
    name : str
        What to call it in a message.
    estimator : estimator, optional
        Its number and names of features are remembered (`reset`) or compared.
    copy : bool
        Whether to copy in any case.

    Raises
    ------
    InputError
        Where it cannot be used; the message says what to do.
    """
    if not copy and _is_plain(X, estimator, reset):
        check_finite(X, name)
        return CheckedRows(X, 0, ())
    array, notes = read_rows(X, name)
    if estimator is not None:
        validate_data(estimator, X if hasattr(X, "columns") else array, reset=reset, skip_check_array=True)
    rows = check_array(
        array, dtype=list(STORED_TYPES), order="C", copy=False, ensure_all_finite=False, input_name=name,
        estimator=estimator,
    )  # fmt: skip
    for note in notes:
        logger.info(note)
    rows = np.asarray(rows) if type(rows) is not np.memmap else rows
    shared = isinstance(X, np.ndarray) and np.may_share_memory(rows, X)
    if shared and copy:
        rows, shared = rows.copy(), False
    check_finite(rows, name)
    return CheckedRows(rows, 0 if shared else rows.nbytes, notes)


def _named(X: Any) -> Any:
    """What scikit-learn reads number and names of features from."""
    return X if hasattr(X, "shape") or isinstance(X, (list, tuple)) else read_rows(X, "X")[0]


def remember_features(estimator: Any, X: Any) -> None:
    """Let an estimator remember the number and the names of the features it was fitted on, and forget an earlier model's."""
    if hasattr(estimator, "metadata_"):  # how images were prepared, and names of classes, for what was loaded
        del estimator.metadata_
    validate_data(estimator, _named(X), reset=True, skip_check_array=True)


def check_more_rows(estimator: Any, X: Any, rows: np.ndarray, dtype: np.dtype) -> None:
    """Refuse rows that cannot stand behind those an estimator has: of another width, type, or other names of features."""
    name, wanted = type(estimator).__name__, estimator.n_features_in_
    if rows.shape[1] != wanted:
        raise InputError(
            f"X has {rows.shape[1]} features, but {name} is expecting {wanted} features as input, as the rows it has; give "
            "the same features, or fit anew"
        )
    if rows.dtype != dtype:
        raise InputError(
            f"X is {rows.dtype}, but the rows that {name} has are {dtype}; convert it first (X.astype({dtype.name!r}), if "
            "that loses nothing), or fit all rows anew in one type"
        )
    validate_data(estimator, _named(X), reset=False, skip_check_array=True)


def check_same_width(queries: np.ndarray, rows: np.ndarray) -> None:
    """Refuse queries of another number of features than the rows."""
    if queries.shape[1] != rows.shape[1]:
        raise InputError(f"Q has {counted(queries.shape[1], 'feature')} and X has {rows.shape[1]}; give both the same "
                         "features")


def check_present(y: Any) -> None:
    """Refuse labels that were not given, in words that scikit-learn's users know."""
    if y is None:
        raise InputError("y is None: this estimator requires y to be passed, but the target y is None; pass labels")


def check_labels(y: Any, n_rows: int, name: str = "y") -> tuple[np.ndarray, np.ndarray]:
    """Classes and codes of the labels: (classes sorted, codes int64 of shape (n_rows,))."""
    check_present(y)
    refuse_masked(y, name)
    y = read_labels(y, name)
    check_characters(y, name)
    if len(y) != n_rows:
        raise InputError(
            f"{name} has {counted(len(y), 'label')} for {counted(n_rows, 'row')} of X; inconsistent numbers of samples: "
            "pass one label a row"
        )
    if y.dtype.kind == "f":
        bad = ~np.isfinite(y)
        if bad.any():
            raise InputError(f"{name} contains NaN or infinity, first at row {int(np.argmax(bad))}; labels must be classes")
    try:
        check_classification_targets(y)
        classes, codes = np.unique(y, return_inverse=True)
    except TypeError:
        kinds = ", ".join(sorted({type(value).__name__ for value in y}))
        raise InputError(f"{name} mixes labels that have no common order ({kinds}); make them all of one type") from None
    except ValueError as error:  # scikit-learn's word on what is no class
        raise InputError(f"{name} holds no classes: {error}") from None
    warn_look_alikes(classes.tolist(), name, stacklevel=4)
    return classes, codes.astype(np.int64).reshape(-1)


_LAST_CHARACTER = 0x10FFFF


def check_characters(labels: np.ndarray, name: str) -> None:
    """Refuse strings of NumPy's with numbers that are no characters: Python cannot make strings of them."""
    if labels.dtype.kind != "U" or not labels.size or not labels.itemsize:
        return
    numbers = np.ascontiguousarray(labels, dtype=labels.dtype.newbyteorder("=")).reshape(-1).view(np.uint32)
    if numbers.max() > _LAST_CHARACTER:
        row = int(np.argmax(numbers > _LAST_CHARACTER)) // (labels.itemsize // 4)
        raise InputError(
            f"{name} holds a string with number {int(numbers.max()):#x}, which is no character (0x10ffff is the last), "
            f"first at {row}; its bytes are damaged or of another type: make the labels again"
        )


def check_classes(classes: Any, labels: np.ndarray, known: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """All classes of a partial_fit, sorted, and the place among them of every label of its y.

    Parameters
    ----------
    classes : array-like or None
        As the caller named them; in a first call None means the labels.
    labels : ndarray
        The different labels of this call.
    known : ndarray or None
        The classes of the calls before; None in the first.
    """
    if classes is not None:
        named, _ = check_labels(classes, np.size(classes), "classes")
        if known is not None and named.tolist() != known.tolist():
            raise InputError(
                f"classes={named[:10].tolist()} are not those of the first call, {known[:10].tolist()}; leave them out, or "
                "fit anew"
            )
        known = named if known is None else known
    known = labels if known is None else known
    place = {label: number for number, label in enumerate(known.tolist())}
    strange = [label for label in labels.tolist() if label not in place]
    if strange:
        raise InputError(
            f"y holds the label {strange[0]!r}, which is not among the classes {known[:10].tolist()}; name all classes in "
            "the first call of partial_fit, or fit all rows anew"
        )
    return known, np.array([place[label] for label in labels.tolist()], dtype=np.int64)


_TREE_WARNING = "algorithm={!r} means 'auto' here: fastcls chooses its way by itself, and its search is exact on any of them"
_METRIC_PARAMS = "metric_params={!r} is not used by any metric of fastcls; leave it out"


def check_metric(metric: Any, p: Any = 2, metric_params: Any = None) -> str:
    """The registered name of a metric; `minkowski` with p 1 or 2 is l1 or l2."""
    from .metrics import ALIASES, METRICS

    if metric_params:
        raise InputError(_METRIC_PARAMS.format(metric_params))
    if isinstance(metric, str) and metric == "minkowski":
        if not isinstance(p, (int, float, np.integer, np.floating)) or p not in (1, 2):
            raise InputError(f"p={p!r}: of the Minkowski metrics fastcls has p=1 (l1) and p=2 (l2)")
        return "l1" if p == 1 else "l2"
    known = ALIASES.get(metric, metric) if isinstance(metric, str) else metric
    found = one_of("metric", known, [*METRICS, *ALIASES, "minkowski"])
    if p not in (None, 2) and (found, p) != ("l1", 1):  # scikit-learn's default is minkowski, and p=1 there another metric
        raise InputError(f"p={p!r} with metric={metric!r}: p is of metric='minkowski' alone; for p=1 give metric='l1'")
    return found


def check_algorithm(algorithm: Any, *, warn: bool = True) -> str:
    """`auto`, `brute` or `filter`; the names of scikit-learn's trees mean `auto`, with one warning."""
    if isinstance(algorithm, str) and algorithm in ("ball_tree", "kd_tree"):
        if warn:
            warnings.warn(_TREE_WARNING.format(algorithm), UserWarning, stacklevel=4)
        return "auto"
    return one_of("algorithm", algorithm, ["auto", "brute", "filter"])


def check_n_neighbors(k: Any, n_visible: int, name: str = "n_neighbors", excluded: bool = False) -> int:
    """k, if it is a whole number from 1 to the number of rows that a query may see."""
    k = int(check_number(name, k, minimum=1, whole=True))
    if k > n_visible:
        others = ", not counting the query's own" if excluded else ""
        what = f"ask for at most {n_visible}" if n_visible else "fit more rows"
        raise InputError(f"{name}={k}, but there are only {counted(n_visible, 'training row')}{others}; {what}")
    return k


def listed(given: Any) -> list[Any]:
    """Several values, or one as a list of one: a word is one value, and so is what cannot be iterated over."""
    if getattr(given, "ndim", None) == 0 and hasattr(given, "item"):
        return [given.item()]
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        return [given]
    return list(given)


def check_metrics(metrics: Any) -> tuple[str, ...]:
    """Registered names of one metric or several, each once."""
    from .metrics import METRICS

    names = tuple(dict.fromkeys(check_metric(metric) for metric in listed(metrics)))
    if not names:
        raise InputError(f"metrics is empty; choose from: {', '.join(METRICS)}")
    return names


def check_folds(folds: Any, codes: np.ndarray, name: str = "folds") -> int:
    """The number of folds, if every fold can have a row of some class."""
    n_folds = int(check_number(name, folds, minimum=2, whole=True))
    largest = int(np.bincount(codes).max(initial=0))
    if n_folds <= largest:
        return n_folds
    rows = counted(len(codes), "row")
    why = f"there are only {rows}" if n_folds > len(codes) else f"no class has more than {counted(largest, 'row')}"
    if largest < 2:
        raise InputError(f"{name}={n_folds}, but none of the {rows} has another of its class: no cross-validation is "
                         "possible; give two rows or more of some class")
    raise InputError(f"{name}={n_folds}, but {why}; ask for at most {counted(largest, 'fold')}")


def check_ks(ks: Any, n_rows: int, of: str = "the smallest training fold has {} rows") -> list[int]:
    """Numbers of neighbours, ascending, each once; at least one must fit the rows, which `of` names."""
    wanted = sorted({int(check_number("ks", k, minimum=1, whole=True)) for k in listed(ks)})
    if not wanted:
        raise InputError("ks is empty; give at least one number of neighbours, such as ks=[1, 5, 10]")
    if wanted[0] > n_rows:
        raise InputError(f"ks={wanted}: {of.format(n_rows)}; give a k of at most that")
    return wanted


def check_vote_weights(weights: Any, shape: tuple[int, ...]) -> np.ndarray:
    """What a user's function made of the distances: a finite weight of at least 0 for each."""
    refuse_masked(weights, "what the function weights gave")
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != shape:
        raise InputError(f"weights gave shape {weights.shape} for distances of shape {shape}; give one each")
    if not (np.isfinite(weights) & (weights >= 0)).all():
        bad = weights[~(np.isfinite(weights) & (weights >= 0))][0]
        raise InputError(f"weights gave {bad:g}; wanted finite weights of at least 0 for every distance, 0 included")
    return weights


def check_votes(n_bad: int, n_classes: int) -> None:
    """Refuse votes of neighbours whose labels are no classes: they come from arrays or files that changed since."""
    if n_bad:
        raise InputError(
            f"the neighbours of {n_bad} queries have labels beyond the {n_classes} classes: the model's labels, or the file "
            "they lie in, were changed after fit or load; fit or load the model again"
        )


def check_found(S: np.ndarray, k: int) -> None:
    """Refuse neighbours (n_queries, k), nearest first, where a query has fewer than k rows at a distance that is a number.

    Rows are checked when they come, but they are referenced: what is written into them later shows here.
    """
    short = ~(S[:, -1] < np.inf)
    if short.any():
        raise InputError(
            f"a query has fewer than {k} training rows at a finite distance: rows given earlier hold NaN, infinity or too "
            "large values now; they are not copied, so leave them as they are, or use fit(..., copy=True)"
        )


def check_random_state(random_state: Any) -> np.random.RandomState:
    """The generator that a `random_state` stands for."""
    try:
        found: np.random.RandomState = random_state_of(random_state)
    except (TypeError, ValueError):
        raise InputError(
            f"random_state={random_state!r}; wanted None, a whole number from 0 to 2^32 - 1, or a numpy.random.RandomState"
        ) from None
    return found


def check_n_jobs(n_jobs: Any) -> None:
    """Refuse what is no number of threads."""
    if n_jobs is not None and (isinstance(n_jobs, bool) or not isinstance(n_jobs, numbers.Integral) or n_jobs == 0):
        raise InputError(f"n_jobs={n_jobs!r}: wanted None, a positive number of threads, or -1 for all of them")


def check_magnitude(rows: np.ndarray, name: str, metric_name: str, first: int = 0) -> None:
    """Refuse float64 rows so large that a sum of this metric could overflow, or so small that their norm is lost."""
    from .metrics import METRICS

    if rows.dtype == np.float64:
        check_finite(rows, name, METRICS[metric_name].max_abs(rows.shape[1]), first)
        if METRICS[metric_name].needs_norms:
            _check_norms(rows, name, metric_name, first)


_LEAST_FOR_NORM = 1e-154  # smaller values have squares below float64's normal numbers


def _check_norms(rows: np.ndarray, name: str, metric_name: str, first: int) -> None:
    """Refuse rows, not of zeros, whose squares underflow: they would be taken for rows of zeros, without a direction."""
    step = max(1, _FINITE_BLOCK_BYTES // max(1, rows.shape[1] * rows.itemsize))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        largest = np.maximum(block.max(axis=1), -block.min(axis=1))
        small = (largest > 0) & (largest < _LEAST_FOR_NORM)
        if small.any():
            row = int(small.argmax())
            raise InputError(f"{name} has no value above {largest[row]:.3g} in row {first + start + row}, and its "
                             f"square underflows, so that metric={metric_name!r} would take it for a row of zeros: scale "
                             "the data up first")

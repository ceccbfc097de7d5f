"""Representations evaluated by the same protocols, on the same rows, with the same draws."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from fastcls._runtime.pacing import Progress
from fastcls._scoring.numbers import Answers, measure
from fastcls._scoring.repeats import MEMORISED, count_repeats
from fastcls._scoring.table import note_on_majority, note_on_unknown
from fastcls._storage.digest import digest
from fastcls._validation.base import RandomState, check_n_jobs, check_run, seed_of
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, quoted
from fastcls._validation.row_index import warn_of_indices
from fastcls._version import __version__
from fastcls.metrics import check_magnitude
from fastcls.model_selection import advice_at_end, check_folds, check_test, make_folds

from ..datasets import Dataset, announce_evaluation, count_evaluation, split_rows
from ._comparison import Comparison, Line, compared, summarized
from ._evaluated import Evaluated
from ._few_shot import evaluate_few_shot, notes_on_sizes
from ._folds import pooled
from ._knn import evaluate_neighbors
from ._logistic import Fits
from ._names import DEFAULT_PROTOCOLS, N_PER_CLASS, N_TRIES, PROTOCOLS, check_protocols
from ._parts import Found, PartsFolder
from ._presets import KNN_PRESETS, PROBE_PRESETS
from ._probe import evaluate_probe
from ._representations import check_labels_of, check_names, check_representation, check_test_rows, of_datasets
from ._validation import check_per_class, check_preset_ks, check_tries

#: share of the rows to hold out; not published: that of scikit-learn's examples and of `datasets.train_test_split`
TEST_SIZE = 0.2


def compare(
    representations: Mapping[str, Any],
    y: Any = None,
    test: Mapping[str, Any] | None = None,
    y_test: Any = None,
    *,
    presets: str | Sequence[str] = DEFAULT_PROTOCOLS,
    n_per_class: Any = N_PER_CLASS,
    n_tries: int = N_TRIES,
    test_size: float | int | None = None,
    cv: int | None = None,
    random_state: RandomState = 0,
    cache: Any = None,
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare representations of the same rows by published protocols: numbers, paired tests, agreement.

    All representations see the same training and test rows, the same validation rows and the same draws.

    Parameters
    ----------
    representations : mapping of str to array-like of shape (n_rows, n_features)
        At least two, each with one row for every label. Arrays and memory maps are not copied if `test` is given. A
        `datasets.Dataset` has the rows, and the labels and the test rows too, where these are not given.
    y : array-like of shape (n_rows,), optional
    test : mapping of str to array-like of shape (n_test, n_features), optional
        Test rows of each representation. Without them, a stratified part of the rows is held out (`test_size`), or every
        row is tested once (`cv`).
    y_test : array-like of shape (n_test,), optional
        A label that does not occur in y counts as an error, and a note says so.
    presets : str or sequence of str
        ``"dino"`` and the other presets of `knn_eval`; ``"clip-probe"``, ``"dinov2-probe"`` and so on, those of
        `linear_probe`; ``"uni-few-shot"``, ``"dinov2-few-shot"``, ``"dinov3-few-shot"``, ``"dinov3-few-shot-linear"`` and
        ``"mteb-few-shot"``, those of `few_shot`.
    n_per_class, n_tries : as for `few_shot`
        Of the few-shot protocols.
    test_size : float or int, optional
        Share or number of the rows to hold out, without `test` and `cv`. Default: 0.2. A class never loses its last training
        row if there are enough rows.
    cv : int, optional
        Number of stratified folds instead of a hold-out: each fold is tested on models of the other folds, and the answers
        of all folds are measured together.
    random_state : int, RandomState or None
        Seeds the hold-out or the folds, and the draws of presets without a published seed.
    cache : path, optional
        Folder for finished parts, which is created. A later call with the same data and settings takes them from there.
    n_jobs : int, optional
    progress : callable, optional
        ``progress(done, total)``, counted in parts: a part is one representation under one protocol.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        For fewer than two representations, other numbers of rows than labels, an unknown preset, or rows, labels or options
        that a protocol refuses.

    Notes
    -----
    Pairs are compared at one setting of each protocol, which does not depend on any result: with the most training rows,
    at k = 20 or the k nearest to it, and under the first metric (never at "better", which is chosen on the test rows).
    Paired tests treat the test rows as independent; that another sample of training rows would give other models is not in
    them. Notes say how many test rows equal a training row, which representations equal each other, and which are not
    better than the majority class, if any.

    Examples
    --------
    >>> from fastcls import datasets
    >>> data = datasets.load_digits()
    >>> coarse = data.X.reshape(-1, 4, 2, 4, 2).sum(axis=(2, 4)).reshape(-1, 16)
    >>> found = compare({"pixels": data.X, "coarse": coarse}, data.y, presets="torchgeo-bench")
    >>> [(row["representation"], round(row["top1"], 2)) for row in found.table]
    [('pixels', 0.98), ('coarse', 0.93)]
    """
    check_run(n_jobs, progress)
    given = representations.values() if isinstance(representations, Mapping) and test is None else ()
    tested = [one for one in given if isinstance(one, Dataset) and one.X_test is not None]
    representations, y, test, y_test = of_datasets(representations, y, test, y_test)
    announce_evaluation(tested, 2)
    for each, name, labels in ((representations, "y", y), (test, "y_test", y_test)):
        if isinstance(each, Mapping):
            warn_of_indices({name: labels} | {str(one): rows for one, rows in each.items()})
    plan = Plan(
        representations,
        y,
        test,
        y_test,
        presets=presets,
        n_per_class=n_per_class,
        n_tries=n_tries,
        test_size=test_size,
        cv=cv,
        random_state=random_state,
        cache=cache,
        n_jobs=n_jobs,
    )
    for done, part in enumerate(plan.parts, 1):
        plan.evaluate(part)
        if progress is not None:
            progress(done, len(plan.parts))
    count_evaluation(tested, "compare")
    return plan.comparison()


@dataclass(frozen=True)
class Part:
    """One representation under one protocol; `key` is a checksum of all that decides its result."""

    representation: str
    protocol: str
    key: str


class Plan:
    """A comparison with checked input: `evaluate` every part, then ask for the `comparison`. Parameters as for `compare`.

    `names` has the names of arguments in messages, where these are not those of `compare`.

    Attributes
    ----------
    parts : list of Part
        In order: all protocols of the first representation first.
    classes : ndarray
        Labels of the training rows.
    truth : int64 array (n_test,)
        Class codes of the test rows; negative for a label without training rows.
    unknown : dict of int to label
        The label of each negative code.
    test_rows : int64 array (n_test,)
        Their numbers in the user's data.
    reused : list of (representation, protocol)
        What the cache had.
    """

    def __init__(
        self,
        representations: Mapping[str, Any],
        y: Any,
        test: Mapping[str, Any] | None = None,
        y_test: Any = None,
        *,
        presets: Any,
        n_per_class: Any,
        n_tries: int,
        test_size: Any = None,
        cv: int | None = None,
        random_state: RandomState = 0,
        cache: Any = None,
        n_jobs: int | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self.protocols = check_protocols(presets)
        check_n_jobs(n_jobs)
        self._names = names or {}
        self.n_per_class, self.n_tries = check_per_class(n_per_class), check_tries(n_tries, self._named("n_tries"))
        for other, given in (("test", test), ("cv", cv)):
            if test_size is not None and given is not None:
                raise InputError(f"test_size and {self._named(other)} are both given: leave one of them out")
        self.seed, self.n_jobs = seed_of(random_state), n_jobs
        own = check_names(representations)
        self.labels, codes = check_labels_of(y)
        checked = {
            name: check_representation(representations[name], f"representations[{name!r}]", len(codes)) for name in own
        }
        self._rows = {name: one.rows for name, one in checked.items()}
        for name, rows in self._rows.items():
            self._check_magnitude(rows, f"representations[{name!r}]")
        if test is None:
            if y_test is not None:
                raise InputError("y_test is given without test: give the test rows of each representation too")
            self.how, self._splits = self._divided(codes, test_size, cv)
            self._test: dict[str, np.ndarray] | None = None
            y, y_test = self.labels[codes], self.labels[codes]
        else:
            if cv is not None:
                raise InputError(f"{self._named('cv')} and test are both given: leave one of them out")
            self._test = check_test_rows(test, y_test, checked)
            for name, rows in self._test.items():
                self._check_magnitude(rows, f"test[{name!r}]")
            n_test = len(next(iter(self._test.values())))
            self.how, self._splits = "test rows as given", [(np.arange(len(codes)), np.arange(n_test))]
        self.y, self.y_test = self.labels[codes], y_test if self._test is not None else self.labels[codes]
        self.test_rows = np.concatenate([held for _, held in self._splits])
        first = next(iter(self._test.values())) if self._test else next(iter(self._rows.values()))
        train = np.unique(np.concatenate([kept for kept, _ in self._splits]))
        self.classes = np.unique(self.y[train])
        _, truth, self.unknown = check_test(first, self.y_test, self.classes, "l2")
        self.truth = truth[self.test_rows]
        if (self.truth < 0).all():  # given test rows were checked
            raise InputError(
                f"no class of y has both training rows and test rows ({self.how}): give at least two rows of a class"
            )
        if len(self.classes) < 2:
            raise InputError(
                f"all training rows have the class {quoted(self.classes[0])}: give rows of at least two classes"
            )
        self.n_train = min(len(kept) for kept, _ in self._splits)
        for name in self.protocols:
            if (chosen := PROTOCOLS[name]).kind == "knn" and chosen.preset.n_draws is None:
                check_preset_ks(
                    chosen.preset.ks[:1], self.n_train, name, chosen.preset.clamped
                )  # refuses too few rows before any work
        self.n_folds = len(self._splits)
        self.parts = self._parts()
        self.reused: list[tuple[str, str]] = []
        self._folder = None if cache is None else PartsFolder(cache)
        self._found: dict[Part, Found] = {}
        for part in self.parts:
            known = None if self._folder is None else self._folder.read(part.key, len(self.truth))
            if known is not None:
                self._found[part] = known
                self.reused.append((part.representation, part.protocol))

    def _named(self, argument: str) -> str:
        """An argument as the caller calls it."""
        return self._names.get(argument, argument)

    def _check_magnitude(self, rows: np.ndarray, name: str) -> None:
        """Refuse rows that a protocol would refuse later, after work for others."""
        for metric in sorted({metric for protocol in self.protocols for metric in PROTOCOLS[protocol].metrics}):
            check_magnitude(rows, name, metric)

    def _divided(self, codes: np.ndarray, test_size: Any, cv: int | None) -> tuple[str, list[tuple[np.ndarray, np.ndarray]]]:
        if cv is None:
            test_size = TEST_SIZE if test_size is None else test_size
            return (
                f"a stratified hold-out, test_size={test_size}, random_state={self.seed}",
                [split_rows(codes, test_size, random_state=self.seed, name="test_size")],
            )
        n_folds, counts = check_folds(cv, codes, self._named("cv")), np.bincount(codes)
        if counts.min() < n_folds:
            few, n = quoted(self.labels[counts.argmin()]), counted(int(counts.min()), "row")
            raise InputError(
                f"{self._named('cv')}={n_folds}, but the class {few} has only {n}: give fewer folds, or leave the class out"
            )
        folds = make_folds(n_folds, codes, codes, random_state=self.seed)
        splits = [folds.split(at) for at in range(folds.n_folds)]
        return f"{n_folds} stratified folds, random_state={self.seed}", [(train, held) for train, held in splits]

    def _parts(self) -> list[Part]:
        """The parts, with their keys."""
        self._digests: dict[str, str] = {}
        rows = digest(np.concatenate([np.concatenate([[len(kept), -1], kept, [-1], held]) for kept, held in self._splits]))
        labels = digest(np.unique(self.y, return_inverse=True)[1]) + digest(self.truth)
        found = []
        for name, X in self._rows.items():
            data = digest(X) + ("" if self._test is None else digest(self._test[name]))
            self._digests[name] = data
            for protocol in self.protocols:
                chosen = PROTOCOLS[protocol]
                setting: list[Any] = [__version__, protocol, sorted(asdict(chosen.preset).items()), self.seed]
                if chosen.kind == "few_shot":
                    setting += [self.n_per_class, self.n_tries]
                text = repr([data, labels, rows, setting]).encode()
                found.append(Part(name, protocol, digest(np.frombuffer(text, np.uint8))))
        return found

    def facts(self, name: str) -> dict[str, Any]:
        """Width and size of a representation."""
        X = self._rows[name]
        return {"n_features": X.shape[1], "bytes_per_row": X.shape[1] * X.itemsize}

    def source(self, protocol: str) -> str:
        """Where the constants of a protocol are published."""
        chosen = PROTOCOLS[protocol]
        if chosen.kind == "probe" or chosen.classifier == "linear":
            return PROBE_PRESETS[chosen.preset_name].source
        return KNN_PRESETS[chosen.preset_name].source

    def training_rows(self, part: Part) -> tuple[np.ndarray, np.ndarray]:
        """Training rows and labels of a part, in the first fold."""
        kept = self._splits[0][0]
        return _some(self._rows[part.representation], kept), self.y[kept]

    def compared_line(self, part: Part) -> Line:
        """The setting of an evaluated part that is compared in pairs."""
        lines = self._found[part].lines
        return lines[compared([line.setting for line in lines])]

    def is_done(self, part: Part) -> bool:
        """Whether a part has been evaluated, or was in the cache."""
        return part in self._found

    def evaluate(self, part: Part, progress: Progress | None = None) -> None:
        """Evaluate a part, unless it is done, and store it in the cache."""
        if self.is_done(part):
            return
        started = time.perf_counter()
        folds = []
        for kept, held in self._splits:
            folds.append(self._answers(part, kept, held, progress))
        lines = self._measured(pooled(folds), folds[0].names)
        fits = [fold.fits for fold in folds if fold.fits is not None]
        note = Fits(fits[0].max_iter, [end for one in fits for end in one.ends]).note() if fits else None
        self._found[part] = Found(lines, time.perf_counter() - started, note)
        if self._folder is not None:
            self._folder.write(part.key, self._found[part])

    def _data(self, part: Part, kept: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Training rows and test rows with their labels."""
        X = self._rows[part.representation]
        Q = X if self._test is None else self._test[part.representation]
        return _some(X, kept), self.y[kept], _some(Q, held), np.asarray(self.y_test)[held]

    def one_try(self, part: Part) -> int:
        """One try of a protocol on a few rows of each class, to see how long it takes; returns the number of all tries."""
        chosen = PROTOCOLS[part.protocol]
        sizes = self.n_per_class
        n = sizes[len(sizes) // 2] if chosen.kind == "few_shot" else chosen.preset.per_class
        classifier = {"knn": "knn", "probe": "linear"}.get(chosen.kind, chosen.classifier)
        options: dict[str, Any] = {"classifier": classifier, "n_per_class": n, "n_tries": 1, "random_state": 0}
        if chosen.kind == "few_shot":
            options["preset"] = chosen.preset_name
        evaluate_few_shot(*self._data(part, *self._splits[0]), **options, n_jobs=self.n_jobs).table()
        return self.n_tries * len(sizes) if chosen.kind == "few_shot" else int(chosen.preset.n_draws)

    def _answers(self, part: Part, kept: np.ndarray, held: np.ndarray, progress: Progress | None = None) -> Evaluated:
        """The answers of a part for the test rows `held` after training on the rows `kept`."""
        chosen, data = PROTOCOLS[part.protocol], self._data(part, kept, held)
        seed = None if getattr(chosen.preset, "seed", None) is not None else self.seed  # the published one
        options: dict[str, Any] = {"random_state": seed, "n_jobs": self.n_jobs, "progress": progress}
        if chosen.kind == "knn":
            return evaluate_neighbors(*data, preset=chosen.preset_name, **options)
        if chosen.kind == "probe":
            return evaluate_probe(*data, preset=chosen.preset_name, **options)
        options |= {"n_per_class": self.n_per_class, "n_tries": self.n_tries, "classifier": chosen.classifier}
        return evaluate_few_shot(*data, preset=chosen.preset_name, **options)

    def _measured(self, lines: list[tuple[dict[str, Any], list[Answers]]], names: Sequence[str] | None) -> list[Line]:
        numbers = measure(self.truth, [tries for _, tries in lines], len(self.classes), names=names)
        return [
            Line(setting, of_line, np.stack([one.predicted for one in tries]).astype(np.int32))
            for (setting, tries), of_line in zip(lines, numbers, strict=True)
        ]

    def comparison(self) -> Comparison:
        """Put all parts together."""
        found: dict[str, dict[str, tuple[list[Line], float]]] = {name: {} for name in self.protocols}
        for part in self.parts:
            found[part.protocol][part.representation] = self._found[part][:2]
        title = (
            f"comparison: {counted(self.n_train, 'training row')}, {counted(len(self.truth), 'test row')} ({self.how}), "
            f"{counted(len(self.classes), 'class')}"
        )
        facts = {name: self.facts(name) for name in self._rows}
        notes = self.notes()
        settings = {**self.settings(), **({"note": "; ".join(notes)} if notes else {})}
        labels = (self.classes, self.unknown)
        return summarized(found, facts, self.truth, *labels, self.test_rows, settings, title, tuple(self.reused))

    def notes(self) -> list[str]:
        """What to know of the rows, and of the parts: a probe that chose an end of its grid, classes of few rows."""
        about_rows = (note_on_unknown(self.truth, self.unknown), self._repeats_note, self._same_note())
        found = [note for note in about_rows if note is not None]
        for part in filter(self.is_done, self.parts):
            if (on_majority := self._majority_note(part)) is not None:
                found.append(f"{part.protocol}, {part.representation}: {on_majority}")
            if (on_fits := self._found[part].note) is not None:
                found.append(f"{part.protocol}, {part.representation}: {on_fits}")
            chosen, line = PROTOCOLS[part.protocol], self.compared_line(part)
            name = next((one for one in ("C", "weight_decay") if one in line.setting), None)
            if chosen.kind != "probe" or name is None or not chosen.preset.exponents:
                continue
            grid = [10.0**exponent for exponent in chosen.preset.exponents]
            values = line.setting[name] if isinstance(line.setting[name], list) else [line.setting[name]]
            accuracy = line.numbers.values["top1"][0]
            advice = (advice_at_end(name, one, grid, accuracy, grid="those that the protocol tries") for one in values)
            found += [f"{part.protocol}, {part.representation}: {one}" for one in dict.fromkeys(advice) if one is not None]
        sizes = [np.unique(self.y[kept], return_counts=True)[1] for kept, _ in self._splits]
        for protocol in (one for one in self.protocols if PROTOCOLS[one].kind == "few_shot"):
            said = [notes for counts in sizes if (notes := notes_on_sizes(self.n_per_class, counts))]
            found += [f"{protocol}: {one}" for one in said[0]] if said else []
        return found

    def _majority_note(self, part: Part) -> str | None:
        """A note on a part that is trained on all rows and is not better than naming the majority class."""
        chosen = PROTOCOLS[part.protocol]
        if chosen.kind == "few_shot" or chosen.preset.per_class is not None:
            return None
        return note_on_majority(*self.compared_line(part).numbers.values["top1"][:2], self._majority)

    @cached_property
    def _majority(self) -> float:
        """Accuracy of always naming the class that most training rows of the fold have."""
        n_hits = 0
        for kept, held in self._splits:
            labels, counts = np.unique(self.y[kept], return_counts=True)
            n_hits += int(np.count_nonzero(np.asarray(self.y_test)[held] == labels[counts.argmax()]))
        return n_hits / len(self.truth)

    def _same_note(self) -> str | None:
        """A note on representations with the same rows; None if there are none."""
        by_data: dict[str, list[str]] = {}
        for name, data in self._digests.items():
            by_data.setdefault(data, []).append(name)
        same = [" and ".join(map(quoted, names)) for names in by_data.values() if len(names) > 1]
        return f"these representations have the same rows: {'; '.join(same)}" if same else None

    @cached_property
    def _repeats_note(self) -> str | None:
        """A note on test rows that equal a training row, by representation; None if there are none."""
        counts = {}
        for name, X in self._rows.items():
            Q = X if self._test is None else self._test[name]
            equal = (
                count_repeats(_some(X, kept), np.zeros(len(kept)), _some(Q, held), np.zeros(len(held)))["test_rows"]
                for kept, held in self._splits
            )
            if n := sum(equal):
                counts[name] = n
        if not counts:
            return None
        rows = ", ".join(f"{n:,} of {quoted(name)}" for name, n in counts.items())
        return f"of {counted(len(self.truth), 'test row')}, these equal a training row: {rows}; {MEMORISED}"

    def settings(self) -> dict[str, Any]:
        """What decided the results of all representations."""
        labels = digest(np.unique(self.y, return_inverse=True)[1], *([] if self._test is None else [self.truth]))
        return {
            "rows": self.how,
            "n_train": self.n_train,
            "n_test": len(self.truth),
            "seed": self.seed,
            "labels": labels,
        }


def _some(rows: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Rows with these numbers; the array itself if they are all of it, in order."""
    return rows if len(wanted) == len(rows) and np.array_equal(wanted, np.arange(len(rows))) else rows[wanted]

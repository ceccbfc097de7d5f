"""``fastcls compare A B ...``: read, say how long it takes, evaluate part by part, write, print.

With --out, every finished part is on disk at once, so Ctrl-C loses only the part that is running, and a second run with the
same folder skips what is there.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._sampling.proportion import wilson_interval
from fastcls._scoring.table import ResultTable, check_csv
from fastcls._storage.atomic import read_small, write_text
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, printable, quoted, quoted_list
from fastcls._validation.types import name_of
from fastcls.protocols import ENDING, Comparison, Part, Plan

from . import _results
from ._checksum import Portion, checksums
from ._compare_inputs import Representations, labels_of, named_paths, read_representations
from ._compare_options import CompareOptions
from ._estimate_compare import Remaining, Seconds, estimate_parts, in_words
from ._failures import described
from ._folder import is_inside_data
from ._progress import Progress
from ._text import about, as_options

#: increased when a field is removed or changes its meaning, but not for new fields
SCHEMA = 1
_MOST_ROWS = 10_000  # row numbers of one list in results.json
_MOST_RESULTS = 1 << 28
PARTS = "parts"


def compare(options: CompareOptions, progress: Progress) -> tuple[dict[str, Any], ResultTable]:
    """Do the whole job but --csv; return the contents of results.json, and the table for --csv."""
    check_folder(options)
    if options.csv is not None:
        check_csv(options.csv)
    with progress.library_as_notes():
        with progress.step("loading the data") as report:
            data = read_representations(options, report)
        plan, remaining = prepare(options, data, progress)
        try:
            evaluate(plan, remaining, progress)
        except KeyboardInterrupt:
            n_done, n_parts = sum(map(plan.is_done, plan.parts)), counted(len(plan.parts), "part")
            there = (
                f"{n_done} of {n_parts} {'is' if n_done == 1 else 'are'} in {options.out}: repeat the command to continue"
            )
            kept = there if options.out is not None else "nothing was kept: with --out DIR, a second run would continue"
            raise KeyboardInterrupt(f"interrupted; {kept}") from None
        for note in plan.notes():
            progress.note(note)
        comparison = plan.comparison()
        with progress.step("computing the checksums of the data") as report:
            sums = {name: checksums(portions(name, options, data, plan), report) for name in data.rows}
    results: dict[str, Any] = _results.as_plain(results_of(options, data, plan, comparison, sums, progress.notes))
    if options.out is not None:
        from .report._comparison import write_comparison

        earlier = earlier_command(options.out)
        if earlier is not None and earlier != options.command:
            progress.line(f"note: {options.out} had the results of another comparison, which are replaced: {earlier}")
        elif earlier is not None and (changed := _changed(options.out, results)):
            progress.line(
                f"note: {options.out} had the results of the same command on other rows or labels of "
                f"{quoted_list(changed)}, which are replaced"
            )
        with progress.step("drawing the report"):
            write_comparison(results, options.out / "report.html")
        write_text(_results.as_json(results), options.out / "results.json", "the results")
    return results, comparison.table


def check_folder(options: CompareOptions) -> None:
    """Refuse a folder that holds anything else, or that is inside the data; files of an earlier comparison are continued."""
    folder = options.out
    if folder is None:
        return
    for path in named_paths(options.data).values():
        if is_inside_data(folder, path):
            raise InputError(f"cannot write to {quoted(folder)}: it is in the folder of the data, {quoted(path)}")
    if not folder.resolve().parent.is_dir():
        raise InputError(f"cannot write to {quoted(folder)}: its parent folder does not exist; create it first")
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder} exists and is not a folder: choose another with --out")
    own = {"results.json", "report.html", PARTS}
    if any(folder.iterdir()) and not (folder / PARTS).is_dir():
        raise InputError(f"the folder {folder} is not one of fastcls compare: choose another with --out")
    command = earlier_command(folder)
    if command is not None and not command.startswith("fastcls compare "):
        own.discard("results.json")
    for entry in [*sorted(folder.iterdir()), *sorted((folder / PARTS).glob("*"))]:
        is_part = entry.parent.name == PARTS and entry.name.endswith((ENDING, ".partial"))
        if entry.name not in own and not is_part:
            raise InputError(
                f"the folder {folder} contains {printable(entry.name)}, which fastcls compare did not write: choose another "
                "with --out"
            )
    if not options.force:
        refuse_losing(folder, {"representation": named_paths(options.data), "protocol": options.presets})


def refuse_losing(folder: Path, wanted: Mapping[str, Collection[str]]) -> None:
    """Refuse to replace results that have a representation or protocol which is not wanted now."""
    table = _earlier(folder).get("table")
    rows = [row for row in table if isinstance(row, dict)] if isinstance(table, list) else []
    for what, own in wanted.items():
        lost = [str(name) for name in dict.fromkeys(row.get(what) for row in rows) if name is not None and name not in own]
        if lost:
            raise InputError(
                f"the folder {folder} has a comparison with the {what} {quoted_list(lost, 3)}, which this one has not: add "
                f"{'it' if len(lost) == 1 else 'them'} to the command, choose another folder with --out, or replace the "
                "results with --force"
            )


def earlier_command(folder: Path) -> str | None:
    """Return the command whose results a folder has; None if it has none."""
    found = _earlier(folder).get("command")
    return None if found is None else str(found)


def _earlier(folder: Path) -> dict[str, Any]:
    """Return the results in a folder; empty if it has none."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        found = json.loads(read_small(folder / "results.json", _MOST_RESULTS))
        return found if isinstance(found, dict) else {}
    return {}


def _changed(folder: Path, results: dict[str, Any]) -> list[str]:
    """Return the representations whose rows or labels are not those of the results in a folder; checksums cover both."""
    known = _earlier(folder).get("representations")
    known = known if isinstance(known, dict) else {}
    sums = {name: one.get("checksums") for name, one in known.items() if isinstance(one, dict)}
    return [name for name, one in results["representations"].items() if name in sums and sums[name] != one["checksums"]]


def prepare(options: CompareOptions, data: Representations, progress: Progress) -> tuple[Plan, dict[Part, Seconds]]:
    """Check everything, say what is to be done and how long it takes; return the parts to evaluate, in order."""
    is_new = options.out is not None and not options.out.exists()
    if options.out is not None:
        try:
            options.out.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write to {quoted(options.out)}: {error.strerror}; choose another with --out") from None
    try:
        plan = plan_of(options, data, options.out)
    except BaseException:
        if is_new and options.out is not None:
            for folder in (options.out / PARTS, options.out):
                with contextlib.suppress(OSError):  # it is not empty, or was not made
                    folder.rmdir()
        raise
    for name in data.rows:
        facts = plan.facts(name)
        progress.line(
            f"{name}: {counted(facts['n_features'], 'feature')} of type {name_of(data.rows[name].dtype)}, "
            f"{facts['bytes_per_row']:,} bytes a row"
        )
    progress.line(
        f"{counted(plan.n_train, 'training row')}, {counted(len(plan.truth), 'test row')} ({division(plan)}), "
        f"{counted(len(plan.classes), 'class')}, labels of {sources(data)}"
    )
    for protocol in plan.protocols:
        names = [name for name, of in plan.reused if of == protocol]
        if names:
            progress.line(f"{protocol}: skipped {', '.join(names)}, done in an earlier run")
    wanted = [part for part in plan.parts if not plan.is_done(part)]
    seconds = dict.fromkeys(wanted, Seconds(0.0, 0.0))
    if wanted:
        try:
            with progress.step("estimating the time"):
                seconds = estimate_parts(plan, wanted)
        except Exception as error:  # the parts themselves may still succeed
            progress.note(f"the duration could not be estimated: {described(error)}")
        else:
            for line in in_words(seconds):
                progress.line(line)
    return plan, seconds


def sources(data: Representations) -> str:
    """Return what the labels were read from, quoted."""
    names = [data.labels, *([] if data.test_labels in (None, data.labels) else [data.test_labels])]
    return " and ".join(map(quoted, names))


def division(plan: Plan) -> str:
    """Return how the rows were divided, in the words of the command line."""
    return as_options(re.sub(r", test_size=(0\.\d+)", lambda size: f" of {100 * float(size[1]):g} %", plan.how))


def baseline(options: CompareOptions, data: Representations, plan: Plan) -> dict[str, Any]:
    """Return the accuracy of always predicting the majority class of the training rows."""
    is_held_out = data.test is None and options.folds is None
    code = int(np.bincount(np.delete(data.y, plan.test_rows) if is_held_out else data.y).argmax())
    place = plan.classes.tolist().index(labels_of(data.class_names, np.array([code])).item())
    n_hits, n = int(np.count_nonzero(plan.truth == place)), len(plan.truth)
    return {
        "class_name": data.class_names[code],
        "test_accuracy": n_hits / n,
        "test_errors": n - n_hits,
        "test_accuracy_interval": list(wilson_interval(n_hits, n)),
    }


def plan_of(options: CompareOptions, data: Representations, folder: Path | None) -> Plan:
    """Return the plan of a comparison; parts in the folder of an earlier one are done."""
    return Plan(
        data.rows,
        labels_of(data.class_names, data.y),  # not the codes, so that messages name the classes
        data.test,
        None if data.y_test is None else labels_of(data.class_names, data.y_test),
        presets=options.presets,
        n_per_class=options.n_per_class,
        n_tries=options.tries,
        cv=options.folds,
        random_state=options.seed,
        cache=None if folder is None else folder / PARTS,
        names={"cv": "--folds", "n_tries": "--tries", "test": "--test"},
    )


def evaluate(plan: Plan, estimates: dict[Part, Seconds], progress: Progress) -> None:
    """Evaluate the parts; after each, print its accuracy and what is left, corrected by the parts so far."""
    remaining = Remaining(estimates)
    for number, part in enumerate(estimates, 1):
        begun = time.perf_counter()
        with progress.step(f"{part.protocol}: {part.representation}") as report:
            plan.evaluate(part, report)
        left = remaining.finished(part, time.perf_counter() - begun)
        then = f"; {about(left)} left" if number < len(estimates) and left >= 1 else ""
        progress.line(f"{part.protocol}, {part.representation}: {headline(plan, part)}{then}")


def headline(plan: Plan, part: Part) -> str:
    """The accuracy at the compared setting."""
    line = plan.compared_line(part)
    return f"{100 * line.numbers.values['top1'][0]:.2f} %"


def portions(name: str, options: CompareOptions, data: Representations, plan: Plan) -> dict[str, Portion]:
    """The training and the test rows of a representation; all rows as training rows, if each is a test row of a fold."""
    X, y = data.rows[name], data.y
    if data.test is not None and data.y_test is not None:
        return {"training": (X, y, None), "test": (data.test[name], data.y_test, None)}
    if options.folds is not None:
        return {"training": (X, y, None)}
    return {"training": (X, y, np.setdiff1d(np.arange(len(y)), plan.test_rows)), "test": (X, y, plan.test_rows)}


def results_of(
    options: CompareOptions,
    data: Representations,
    plan: Plan,
    comparison: Comparison,
    sums: dict[str, dict[str, str]],
    notes: list[str],
) -> dict[str, Any]:
    """Return the contents of results.json."""
    paths = named_paths(options.data)
    numbers = data.numbers if data.test is None else data.test_numbers

    def rows_of(found: np.ndarray) -> dict[str, Any]:
        return {"count": len(found), "rows": np.sort(numbers[found])[:_MOST_ROWS].tolist()}

    per_class = [
        [{"class": str(label), "accuracy": value, "interval": [low, high]} for label, (value, low, high) in of.items()]
        for of in comparison.table.per_class
    ]
    n_rows = {
        "n_train": plan.n_train,
        "n_test": len(plan.truth),
        "n_classes": len(plan.classes),
        "class_names": data.class_names,
        "class_counts": {
            name: int(n)
            for name, n in zip(data.class_names, np.bincount(data.y, minlength=len(data.class_names)), strict=True)
        },
    }
    return {
        "schema": SCHEMA,
        "command": options.command,
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        **n_rows,
        "rows": division(plan),
        "labels": {"rows": data.labels, "test_rows": data.test_labels or data.labels},
        "baseline": baseline(options, data, plan),
        "limit": options.limit,
        "seed": options.seed,
        "representations": {
            name: {"path": paths[name], **plan.facts(name), "dtype": name_of(X.dtype), "checksums": sums[name]}
            for name, X in data.rows.items()
        },
        "protocols": {name: plan.source(name) for name in plan.protocols},
        "table": [{**row, "per_class": of} for row, of in zip(comparison.table, per_class, strict=True)],
        "pairs": list(comparison.pairs),
        "wrong_alone": _nested(comparison.wrong_alone, rows_of),
        "right_alone": _nested(comparison.right_alone, rows_of),
        "skipped": [list(pair) for pair in comparison.reused],
        "notes": list(notes),
        "versions": _results.versions(),
        "environment": _results.environment(),
    }


def _nested(found: Any, convert: Callable[[np.ndarray], Any]) -> dict[str, dict[str, Any]]:
    return {protocol: {name: convert(rows) for name, rows in of.items()} for protocol, of in found.items()}


def closing_lines(results: dict[str, Any], folder: Path | None) -> list[str]:
    """Return the last lines: where the report is, or how to get one."""
    if folder is None:
        return ["For a report, results.json and a run that can be continued: --out DIR"]
    return [f"Report: {printable(folder / 'report.html')}", f"Results: {printable(folder / 'results.json')}"]

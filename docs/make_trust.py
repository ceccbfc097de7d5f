"""Make docs/trust.md, the table of promises: ``python docs/make_trust.py [--run [WORD ...] | --report FILE]``.

Each promise names its tests, which run with every change, and its long runs, whose outcomes are in bench/results/trust.json
(``python tests/helpers/_long_runs.py`` writes them). ``--run`` runs the tests of promises and notes their outcomes there,
``--report`` takes those of a run of the whole suite.
``tests/project/test_trust.py`` compares the page with this script, and fails if a test that is named here does not exist.
"""

from __future__ import annotations

import argparse
import ast
import datetime
import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
PAGE, RESULTS = ROOT / "docs" / "trust.md", ROOT / "bench" / "results" / "trust.json"
MUTANTS = RESULTS.with_name("mutation.json")


class Promise(NamedTuple):
    """What is promised, the tests of it (files, or one test of a file, below tests/), and long runs (keys of trust.json)."""

    text: str
    tests: tuple[str, ...]
    runs: tuple[str, ...] = ()


#: Formats that `tests/helpers/_fuzz.py` mutates, but models. A blind run does not watch which lines are reached.
DATA = (
    *("npy", "npz", "idx", "idx-gz", "pickle", "cifar-bin", "tar", "safetensors", "csv", "parquet", "feather", "hdf5"),
    *("zarr", "images", "checkpoint-sgd", "checkpoint-lbfgs"),
)

#: Runs with failures inside libraries that are open -> what they are. A run with failures that is not here fails the tests.
KNOWN = {
    "fuzz hdf5, blind": (
        "2: libhdf5, as h5py ships it, ends with signal 11 when a damaged chunk is read, and goes round in a damaged group "
        "without end"
    ),
}

PROMISES: dict[str, tuple[Promise, ...]] = {
    "Exact answers": (
        Promise(
            "Neighbours, their order and their distances are those of the plain definition, byte for byte: every metric, "
            "type, width and number of rows, hostile floats included",
            (
                "search/test_search.py",
                "search/test_low_dimensional.py",
                "search/test_tree.py",
                "search/test_filter_hostile.py",
            ),
        ),
        Promise(
            "No bound rules out a neighbour: the bounds of packed rows, of the filter's levels and of the tree",
            ("search/test_bounds.py", "search/test_filter_bounds.py", "search/test_degenerate_rows.py"),
        ),
        Promise(
            "Every kernel of every instruction set equals its plain loop, at every tail",
            ("kernels/test_isas.py", "kernels/test_selftest.py", "kernels/test_linear_selftest.py"),
            ("kernels", "kernels of aarch64"),
        ),
        Promise(
            "Shards, chunks, ranges, batches and growing rows give the answer of one search",
            ("search/test_merge.py", "search/test_growth.py", "search/test_filter_ranges.py"),
        ),
        Promise(
            "Votes, ties and weights are those of the definition; scikit-learn's own tests of neighbours pass, or fail for "
            "a reason that is listed",
            ("neighbors/test_votes.py", "neighbors/test_multilabel.py", "neighbors/test_scikit_learns_own.py"),
        ),
        Promise(
            "Every compiled loss and gradient equals its twin in NumPy and the numerical gradient",
            ("linear/test_losses.py", "linear/test_linear_problem.py", "linear/test_gradcheck.py"),
        ),
    ),
    "Files of strangers": (
        Promise(
            "Whatever the bytes of a model file are, it is refused in one line or gives right answers, and nothing outside "
            "its arrays is read or written",
            ("persistence/test_mutated_models.py", "persistence/test_persistence.py", "persistence/test_saved_filters.py"),
            ("mutated models", "fuzz model", "fuzz model, blind"),
        ),
        Promise(
            "Mutated data sets and checkpoints raise InputError, OSError or MemoryError and nothing else, and take little "
            "more memory than their contents",
            ("datasets/test_corpus.py", "linear/test_checkpoint_refusals.py"),
            tuple(f"fuzz {name}{how}" for how in ("", ", blind") for name in DATA),
        ),
        Promise(
            "A small file that claims or expands to a lot is refused before memory is allocated; pipes never block",
            ("datasets/test_bombs.py",),
        ),
        Promise(
            "No pickle, archive or group runs code, and none leads out of its folder",
            (
                "datasets/test_datasets_cifar.py::test_an_archive_with_paths_or_links_is_refused_and_writes_nothing",
                "datasets/test_datasets_cifar.py::test_a_refused_name_is_shown_escaped",
                "persistence/test_persistence.py::test_a_file_can_name_no_code_to_run",
                "datasets/test_zarr.py",
                "datasets/test_hdf5.py",
            ),
        ),
        Promise(
            "Names from data are escaped in pages, pictures, tables and on the terminal",
            (
                "cli/test_report.py::test_names_from_data_are_escaped_everywhere",
                "cli/test_cli_predict.py::test_names_from_data_are_escaped_wherever_they_are_shown",
                "cli/test_cli_images.py::test_no_cell_of_the_csv_is_a_formula",
                "protocols/test_to_csv.py::test_names_are_no_formulas_and_no_control_characters",
                "display/test_display.py::test_any_class_name_can_be_drawn",
            ),
        ),
        Promise(
            "Whatever is posted to a demo, the answer is right or one line, and the server goes on",
            ("demo/test_demo_command.py::test_what_is_no_question_of_the_page_is_refused",),
            ("fuzz demo", "fuzz demo, blind"),
        ),
        Promise(
            "Loading uses no network; the server of the demos listens on this machine only, and answers its own pages only",
            (
                "datasets/test_datasets_fetch.py::test_loading_needs_no_network_and_no_pooch",
                "demo/test_demo_command.py::test_the_page_is_served_while_the_browser_still_opens_until_an_interrupt",
                "demo/test_demo_command.py::test_it_answers_under_its_own_names_only_and_computes_for_its_own_pages_only",
            ),
        ),
    ),
    "Whole files": (
        Promise(
            "A save that is killed leaves the old model or the new one, and nothing partial under its name",
            ("persistence/test_kill_saves.py",),
            ("killed saves",),
        ),
        Promise(
            "A training that is killed or interrupted resumes, and ends with the same bits",
            ("linear/test_checkpoint.py",),
            ("killed trainings",),
        ),
        Promise("Devices, pipes, links and inputs are never replaced", ("persistence/test_files.py",)),
    ),
    "Threads, processes, signals": (
        Promise(
            "Every kind of fork, process, pool and thread gives the same answer after a parallel call",
            ("search/test_processes.py", "search/test_fork.py", "search/test_filter_processes.py"),
            ("processes",),
        ),
        Promise(
            "A handler that raises at any moment leaves estimators and files as they were",
            ("search/test_raising_signals.py", "search/test_interrupt.py"),
            ("signals",),
        ),
        Promise(
            "Threads that use one estimator while it is fitted again each get an answer of one fit",
            ("neighbors/test_concurrent_fits.py",),
        ),
        Promise(
            "Limits of threads and memory, and a mistaken environment, are noted and change no answer",
            ("search/test_threads.py",),
        ),
        Promise(
            "Memory stays small, also for rows larger than the memory",
            ("search/test_memory.py", "search/test_out_of_core.py"),
        ),
    ),
    "The tests themselves": (
        Promise(
            "Mutants made by rules are killed (the score of each area: `bench/results/mutation.md`)",
            ("project/test_mutants.py",),
            ("mutants",),
        ),
        Promise(
            "Faults that were planted by hand are caught",
            ("project/test_tests.py::test_every_seeded_fault_is_in_the_code_and_there_are_enough",),
            ("seeded faults",),
        ),
        Promise(
            "Kernels, compiled modules and the tests of search, votes, folds and models run without an error under "
            "AddressSanitizer and UndefinedBehaviorSanitizer",
            ("kernels/test_selftest.py::test_every_kernel_that_runs_here_equals_plain_loops_also_under_sanitizers",),
            ("sanitizers",),
        ),
    ),
}

HEAD = """# What is promised, and how it is tested

Each line is a promise, the tests that run with every change, their cases and failures, and the cases and failures of its
long runs. These are listed below, with their date and machine. `python docs/make_trust.py` makes the tables from
`bench/results/trust.json`, where only runs write.

`SECURITY.md` says what counts as a vulnerability, and how to report one. [bounds.md](bounds.md) and
[filter.md](filter.md) prove the bounds; `bench/TESTS.md` is the log of the tests' own changes.
"""


def results() -> dict[str, Any]:
    """The recorded numbers."""
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return {"tests": {}, **found, "runs": {**found.get("runs", {}), **_mutants()}}


def _mutants() -> dict[str, Any]:
    """The run of the mutants, from its own results."""
    if not MUTANTS.exists():
        return {}
    kept = json.loads(MUTANTS.read_text(encoding="utf-8"))
    outcomes = [row["outcome"] for row in kept["mutants"].values() if row["outcome"] != "invalid"]
    row: dict[str, Any] = {"cases": len(outcomes), "failures": len(outcomes) - outcomes.count("killed")}
    row |= {"command": "python tests/helpers/_mutation.py", "date": kept["date"], "machine": kept["machine"]}
    return {"mutants": row}


def missing() -> list[str]:
    """Named tests that do not exist."""
    return [test for parts in PROMISES.values() for promise in parts for test in promise.tests if not _exists(test)]


def _exists(test: str) -> bool:
    file, _, name = test.partition("::")
    path = ROOT / "tests" / file
    if not path.is_file():
        return False
    functions = [node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)]
    return name in functions if name else any(one.startswith("test_") for one in functions)


def page() -> str:
    """The text of docs/trust.md."""
    kept = results()
    lines = [HEAD, "| promise | tests | cases | failures | long runs | failures |", "|---|---|---|---|---|---|"]
    for part, promises in PROMISES.items():
        lines.append(f"| **{part}** | | | | | |")
        lines += [_row(promise, kept) for promise in promises]
    where = sorted({f"{row['date']}, {row['machine']}" for row in kept["tests"].values()})
    lines += ["", f"The tests ran on {'; '.join(where)}. Cases that a machine cannot run are not counted."] if where else []
    lines += ["", "## Long runs", "", "| run | command | cases | failures | when, where |", "|---|---|---|---|---|"]
    known = [run for promises in PROMISES.values() for promise in promises for run in promise.runs]
    for name in dict.fromkeys(known):
        row = kept["runs"].get(name)
        if row is None:
            lines.append(f"| {name} | | not yet | | |")
            continue
        counts = f"{row['cases']:,} | {row['failures']:,}"
        note = f"; {row['note']}" if row.get("note") else ""
        lines.append(f"| {name} | `{row['command']}` | {counts} | {row['date']}, {row['machine']}{note} |")
    lines += ["", "Mutants that survived are failures here; the table of mutants gives the reason or the lines of each."]
    lines += ["", "Other failures are inside libraries, and open:", ""]
    lines += [*(f"- {name}: {what}." for name, what in KNOWN.items()), ""]
    return "\n".join(lines)


def _row(promise: Promise, kept: dict[str, Any]) -> str:
    """One line of the table."""
    named: dict[str, list[str]] = {}
    for test in promise.tests:
        file, _, name = test.partition("::")
        named.setdefault(file, []).extend([f"`{name}`"] if name else [])
    shown = ", ".join(f"`{file}`" + (f" ({', '.join(names)})" if names else "") for file, names in named.items())
    ran = [kept["tests"][test] for test in promise.tests if test in kept["tests"]]
    cells = _counts(ran if len(ran) == len(promise.tests) else [])
    long = [kept["runs"][run] for run in promise.runs if run in kept["runs"]]
    return f"| {promise.text} | {shown} | {cells} | {_counts(long) if promise.runs else ' | '} |"


def _counts(rows: list[dict[str, Any]]) -> str:
    """Two cells: cases and failures."""
    return f"{sum(row['cases'] for row in rows):,} | {sum(row['failures'] for row in rows):,}" if rows else "not yet | "


def outcomes(report: Path) -> dict[str, dict[str, int]]:
    """Cases that ran, and failures, of each named test, from a report in JUnit's format."""
    found = {test: {"cases": 0, "failures": 0} for part in PROMISES.values() for promise in part for test in promise.tests}
    for case in ElementTree.parse(report).iter("testcase"):
        file = case.get("classname", "").removeprefix("tests.").replace(".", "/") + ".py"
        if case.find("skipped") is None:
            for test in {file, f"{file}::{case.get('name', '').split('[')[0]}"} & set(found):
                found[test]["cases"] += 1
                found[test]["failures"] += case.find("failure") is not None or case.find("error") is not None
    return found


def run_tests(words: list[str]) -> Path:
    """Run the named tests whose names hold one of the words, or all; where the report is."""
    report = ROOT / "build" / "trust.xml"
    named = sorted({f"tests/{test}" for part in PROMISES.values() for promise in part for test in promise.tests})
    chosen = [test for test in named if not words or any(word in test for word in words)]
    subprocess.run([sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *chosen], cwd=ROOT)
    return report


def machine() -> str:
    """Processor, processors, Python: where it ran."""
    sys.path.append(str(ROOT / "tests" / "helpers"))
    return str(importlib.import_module("_mutation").machine())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", nargs="*", metavar="WORD", help="run the named tests, or those whose names hold a word")
    parser.add_argument("--report", type=Path, metavar="FILE", help="take their outcomes from a run with --junitxml=FILE")
    args = parser.parse_args()
    if missing():
        sys.exit(f"tests that do not exist: {missing()}")
    report = args.report if args.run is None else run_tests(args.run)
    if report is not None:
        when = {"date": datetime.date.today().isoformat(), "machine": machine()}
        new = {test: {**counted, **when} for test, counted in outcomes(report).items() if counted["cases"]}
        known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        known["tests"] = {**known.get("tests", {}), **new}
        RESULTS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")

"""The speed tables: ``python -m bench.table brute`` or ``filter`` prints and writes bench/results/<name>.json and .md.

Measured rows replace those of the results file; the others stay, each with its own date and versions. The rivals' figures
are also in rivals.json, for --keep-rivals.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from fastcls._storage.atomic import write_text

from . import rivals
from .child import DISTURBED
from .data import NotHereError
from .measure import FULL_SECONDS, Bench, brief, machine
from .work import TABLES, Work

RESULTS = Path(__file__).with_name("results")


def _amount(kind: str, value: float) -> str:
    """A value or a target in the unit of its kind."""
    if kind in ("limit", "bandwidth", "isa"):
        return f"{value:.0%}"
    if kind == "memory":
        return f"{value / 1e6:.0f} MB"
    if kind == "seconds":
        return f"{value * 1e3:.1f} ms"
    return f"{value:.2f} x"


def _title(work: dict[str, Any]) -> str:
    words = {
        "own": "against our brute force",
        "latency": "one query at a time, against our brute force",
        "bandwidth": "one query, share of memory bandwidth",
        "limit": "share of the machine's limit",
        "isa": f"{work['against']} against the best",
        "memory": "extra peak memory",
        "doubling": "growth as the rows double",
    }
    what = f"{work['data'].split()[0]} {work['metric']} k={work['k']}"
    if work.get("threads"):
        what += f", {work['threads']} thread" + "s" * (work["threads"] > 1)
    return f"{what}, {words[work['kind']]}" if work["kind"] in words else what


def _other(row: dict[str, Any]) -> str:
    if "limit" in row:
        return f"limit {row['limit']:.0f} G/s (ours {row['rate']:.0f})"
    if "growth" in row:
        return "growth " + ", ".join(f"{g:.2f}" for g in row["growth"])
    if "other" not in row:
        return ""
    found = row["others"][row["other"]]
    name = found["version"].split(",")[0]
    return f"{name}: {brief(found)}"


def markdown(name: str, rows: list[dict[str, Any]]) -> str:
    """The table of these rows."""
    lines = [f"# `python -m bench.table {name}`", ""]
    for facts in dict.fromkeys(tuple(row["machine"].items()) for row in rows):
        lines.append(", ".join(f"{key} {value}" for key, value in facts))
    algorithm, threads = rows[0]["algorithm"], next((row["threads"] for row in rows if not row["work"].get("threads")), 1)
    on = f"every engine on {threads} threads unless a row says otherwise"
    how = f'fastcls with `algorithm="{algorithm}"`, {on}; fit included; medians.'
    lines += ["", how, "", "| row | work | ours | against | value | target | met | date |", "|" + "---|" * 8]
    for row in rows:
        work, kind = row["work"], row["work"]["kind"]
        target = "" if work["target"] is None else _amount(kind, work["target"])
        met = {None: "", True: "yes", False: "**no**"}[row["met"]]
        if row.get("disturbed", 0) > DISTURBED:  # such a row decides nothing
            met = f"(disturbed: {row['disturbed']:.0%})"
        cells = [
            work["name"],
            _title(work),
            brief(row["ours"]),
            _other(row),
            _amount(kind, row["value"]),
            target,
            met,
            row["date"],
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "Rivals (slower ones on some of the queries, scaled):", ""]
    for row in rows:
        if row["work"]["kind"] == "rivals":
            figures = "; ".join(f"{found['version']}: {brief(found)}" for found in row["others"].values())
            lines.append(f"* {row['work']['name']}: {figures}")
    versions = sorted({row["ours"]["version"] for row in rows})
    return "\n".join([*lines, "", f"Ours: {', '.join(versions)}.", ""])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(name: str, only: list[str], n_threads: int, keep_rivals: bool, results: Path, **options: Any) -> str:
    """Measure rows of a table, merge them into its results file, and return the table as Markdown.

    The options are `names`, the rivals to measure, and `seconds`, both as of `measure.Bench`.
    """
    algorithm, works = TABLES[name]
    options = {"names": rivals.NAMES, **options}
    absent = [one for one in rivals.absent() if one in options["names"]]
    if absent:
        _say(f"not installed, so not measured: {', '.join(absent)}")
    file, of_rivals = results / f"{name}.json", results / "rivals.json"
    measured, known = _stored(file), _stored(of_rivals)
    unknown = set(only) - {work.name for work in works}
    if unknown:
        raise SystemExit(f"no row {', '.join(sorted(unknown))} in {name}; its rows are: {', '.join(w.name for w in works)}")
    here = machine()["processor"]
    sound = {
        key: found
        for key, found in known.items()
        if found.get("disturbed", 0) <= DISTURBED and found.get("processor") == here
    }
    bench = Bench(algorithm, n_threads, sound if keep_rivals else {}, _say, **options)
    for work in works:
        if not only or work.name in only:
            _measure_row(bench, work, measured)
            for path, what in ((file, measured), (of_rivals, {**known, **bench.known})):
                write_text(json.dumps(what, indent=1, sort_keys=path == of_rivals) + "\n", path, "the figures")
    rows = [measured[work.name] for work in works if work.name in measured]
    text = markdown(name, rows)
    write_text(text, file.with_suffix(".md"), "the table")
    return text


def _stored(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text()) if file.is_file() else {}


def _measure_row(bench: Bench, work: Work, rows: dict[str, Any]) -> None:
    try:
        rows[work.name] = bench.row(work)
    except NotHereError as lack:
        _say(f"{work.name}: not measured: {lack}")


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.table", description=__doc__)
    parser.add_argument("name", choices=TABLES)
    parser.add_argument("--only", action="append", default=[], metavar="ROW", help="measure only this row; may be repeated")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--keep-rivals",
        action="store_true",
        help="use the undisturbed figures of rivals on this kind of processor in bench/results/rivals.json",
    )
    parser.add_argument(
        "--rivals",
        nargs="+",
        choices=rivals.NAMES[1:],
        default=rivals.NAMES,
        metavar="NAME",
        help="measure only these rivals",
    )
    parser.add_argument("--seconds", type=float, default=FULL_SECONDS, help="for all rounds of one measurement")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    chosen = arguments.name, arguments.only, arguments.threads, arguments.keep_rivals, arguments.results
    print(run(*chosen, names=arguments.rivals, seconds=arguments.seconds))


if __name__ == "__main__":
    main()

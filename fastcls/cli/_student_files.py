"""``fastcls check``: the files of learners, checked against the course's assignment."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from fastcls._validation.base import check_number
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, printable

from ..course import (
    ASLEEP,
    LAST_YEAR_OF_SVM,
    SIGNATURES,
    CourseReport,
    check_file,
    check_year,
    functions_in,
    misspelt_in,
    names_of_year,
)
from ._streams import say
from ._text import markup, one_line

SCHEMA = 1
_WIDTH = 80
#: Widths of the columns of files and functions: what is left of 80 columns is for words.
_FILE_WIDTH, _FUNCTION_WIDTH = 24, max(map(len, SIGNATURES))


@dataclass
class _File:
    """What is known of a learner's file."""

    functions: dict[str, str] = field(default_factory=dict)  # name -> class, as `functions_in` returns them
    error: str | None = None  # why it cannot be checked
    hints: list[str] = field(default_factory=list)  # names that are nearly those of the assignment
    reports: dict[str, CourseReport] = field(default_factory=dict)


def check_files(files: list[str], *, year: int | None, timeout: int, memory: int, as_json: bool) -> bool:
    """Check all files, print the table or JSON, and return whether all functions are right."""
    check_year(year)
    check_number("--timeout", timeout, minimum=1, whole=True)
    check_number("--memory", memory, minimum=1024, whole=True)
    known = names_of_year(year)
    wanted = f"wanted one of {', '.join(known)}"
    found: dict[str, _File] = {}
    left_out: set[str] = set()  # functions of other years
    for file in dict.fromkeys(files):
        found[file] = one = _File()
        try:
            there = functions_in(Path(file))
        except InputError as error:
            if len(set(files)) == 1:
                raise
            one.error = one_line(error)
        else:
            one.functions = {name: owner for name, owner in there.items() if name in known}
            one.hints = [
                f"line {line}: {name}; did you mean {meant}?"
                for name, (meant, line) in misspelt_in(Path(file), known).items()
            ]
            left_out |= there.keys() - one.functions.keys()
    if left_out:
        names = ", ".join(name for name in SIGNATURES if name in left_out)
        say(
            f"fastcls: not checked: {names} (not in the assignment of {year}; give a year up to {LAST_YEAR_OF_SVM}, or none)"
        )
    n_files = sum(bool(one.functions) for one in found.values())
    if not n_files and len(found) == 1:
        (one,) = found.values()
        hints = "".join(f" ({hint})" for hint in map(printable, one.hints))
        raise InputError(f"the file defines no function of the assignment{hints}: {wanted}")
    if n_files:
        say(
            f"fastcls: running the code of {counted(n_files, 'file')}, each in a process of its own "
            f"(at most {timeout} s of processor time per function, {ASLEEP:.0f} times as long in all, and {memory:,} MB); "
            "this stops accidents, not malicious code"
        )
    else:
        say(f"fastcls: none of the {len(found)} files can be checked: {wanted}")
    for file, one in found.items():
        if one.error is None:
            one.reports = check_file(Path(file), one.functions, year, timeout=timeout, memory=memory)
    if as_json:
        print(json.dumps(_as_json(found, year), indent=1))
    else:
        _print(found, sys.stdout)
    return all(one.reports and all(report.passed for report in one.reports.values()) for one in found.values())


def _as_json(found: dict[str, _File], year: int | None) -> dict[str, Any]:
    files = [
        {
            "file": file,
            "error": one.error,
            "hints": one.hints,
            "functions": {name: report.to_dict() for name, report in one.reports.items()},
        }
        for file, one in found.items()
    ]
    return {"schema": SCHEMA, "year": year, "files": files}


def _print(found: dict[str, _File], stream: TextIO) -> None:
    """Print a row for each file and function, and below the table the mistakes of each file."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(file=stream, highlight=False)
    console.width = max(console.width, _WIDTH)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    short = _short_names(list(found))
    table.add_column("file", overflow="fold", max_width=_FILE_WIDTH + console.width - _WIDTH)
    table.add_column("function", no_wrap=True, min_width=_FUNCTION_WIDTH)
    table.add_column("result")
    for file, one in found.items():
        name = markup(short[file], stream)
        rows = [(function, _result(report)) for function, report in one.reports.items()] or [("-", "not checked")]
        for at, row in enumerate(rows):
            table.add_row("" if at else name, *row, end_section=at + 1 == len(rows) and len(found) > 1)
    if any(one.reports for one in found.values()):
        console.print(table)
    for file, one in found.items():
        lines = [line for report in one.reports.values() for line in _lines(report)]
        if one.error is not None:
            lines = [one.error]
        elif not one.reports:
            lines = ["no function of the assignment"]
        lines += one.hints
        if lines:
            print("\n".join([f"\n{printable(file)}", *(f"  {printable(line)}" for line in lines)]), file=stream)


def _lines(report: CourseReport) -> list[str]:
    """What is said about a function below the table: nothing if it is right and there is no note."""
    if report.mistakes:
        return str(report).splitlines()
    return [report.headline, *(f"  note: {note}" for note in report.notes)] if report.notes else []


def _short_names(files: list[str]) -> dict[str, str]:
    """File -> its name without the folder that all files share; the lines below the table have the whole name."""
    folders = {Path(file).parent for file in files}
    common = os.path.commonpath(folders) if len({folder.is_absolute() for folder in folders}) == 1 else ""
    return {file: os.path.relpath(file, common) if common else file for file in files}


def _result(report: CourseReport) -> str:
    return "right" if report.passed else ", ".join(dict.fromkeys(one.name for one in report.mistakes))

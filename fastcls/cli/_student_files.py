"""``fastcls check``: the files of learners, checked against the course's assignment."""

from __future__ import annotations

import json
import os
import sys
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
_FILE_WIDTH = 14  # least width of the column of files
_MOST_NAMED = 4  # functions whose names, and whose mistakes, have room in the table


def check_files(files: list[str], *, year: int | None, timeout: int, memory: int, as_json: bool) -> bool:
    """Check all files, print the table or JSON, and return whether all functions are right."""
    check_year(year)
    check_number("--timeout", timeout, minimum=1, whole=True)
    check_number("--memory", memory, minimum=1024, whole=True)
    known = names_of_year(year)
    found: dict[str, dict[str, str]] = {}
    misspelt: dict[str, dict[str, str]] = {}
    broken: dict[str, str] = {}
    left_out: set[str] = set()  # functions of other years
    for file in dict.fromkeys(files):
        try:
            there, misspelt[file] = functions_in(Path(file)), misspelt_in(Path(file))
        except InputError as error:
            if len(set(files)) == 1:
                raise
            broken[file] = one_line(error)
        else:
            found[file] = {name: owner for name, owner in there.items() if name in known}
            left_out |= there.keys() - found[file].keys()
    if left_out:
        names = ", ".join(name for name in SIGNATURES if name in left_out)
        say(
            f"fastcls: not checked: {names} (not in the assignment of {year}; give a year up to {LAST_YEAR_OF_SVM}, or none)"
        )
    if len(set(files)) == 1 and not any(found.values()):
        near = misspelt[files[0]]
        hint = f"did you mean {' and '.join(near.values())}? Or " if near else ""
        raise InputError(f"the file defines no function of the assignment: {hint}wanted one of {', '.join(known)}")
    if any(found.values()):
        say(
            f"fastcls: running the code of {counted(sum(map(bool, found.values())), 'file')}, each in a process of its own "
            f"(at most {timeout} s of processor time per function, {ASLEEP:.0f} times as long in all, and {memory:,} MB); "
            "this stops accidents, not malicious code"
        )
    reports = {file: check_file(Path(file), names, year, timeout=timeout, memory=memory) for file, names in found.items()}
    if as_json:
        print(json.dumps(_as_json(reports, broken, year), indent=1))
    else:
        _print(reports, misspelt, broken, sys.stdout)
    return not broken and all(found.values()) and all(one.passed for of_file in reports.values() for one in of_file.values())


def _as_json(reports: dict[str, dict[str, CourseReport]], broken: dict[str, str], year: int | None) -> dict[str, Any]:
    files = [
        {"file": file, "error": None, "functions": {name: one.to_dict() for name, one in of_file.items()}}
        for file, of_file in reports.items()
    ]
    return {
        "schema": SCHEMA,
        "year": year,
        "files": files + [{"file": file, "error": error, "functions": {}} for file, error in broken.items()],
    }


def _print(
    reports: dict[str, dict[str, CourseReport]], misspelt: dict[str, dict[str, str]], broken: dict[str, str], stream: TextIO
) -> None:
    """Print the table of files and functions, and below it the mistakes of each file."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(file=stream, highlight=False)
    console.width = max(console.width, _WIDTH)
    columns = [name for name in SIGNATURES if any(name in of_file for of_file in reports.values())]
    are_many = len(columns) > _MOST_NAMED
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    short = _short_names([*reports, *broken])
    table.add_column("file", overflow="fold", min_width=min(_FILE_WIDTH, max(map(len, short.values()))))
    for number, name in enumerate(columns, 1):
        table.add_column(str(number) if are_many else _heading(name), overflow="fold")
    for file, of_file in reports.items():
        table.add_row(markup(short[file], stream), *(_cell(of_file.get(name), are_many) for name in columns))
    for file in broken:
        table.add_row(markup(short[file], stream), *("?" for _ in columns))
    if columns:
        console.print(table)
    if are_many:
        numbered = ", ".join(f"{number}\u00a0{name}" for number, name in enumerate(columns, 1))
        console.print(f"{numbered}. A cell has the number of mistakes, which are below.")
    for file, of_file in reports.items():
        wrong = [one for one in of_file.values() if one.mistakes or one.notes]
        near = misspelt.get(file, {})
        if wrong or near or not of_file:
            print(f"\n{printable(file)}", file=stream)
        if not of_file:
            print("  no function of the assignment", file=stream)
        for given, name in near.items():
            print(f"  not checked: {printable(given)}: did you mean {name}?", file=stream)
        for one in wrong:
            lines = str(one).splitlines() if one.mistakes else [one.headline, *(f"  note: {note}" for note in one.notes)]
            print("\n".join(f"  {printable(line)}" for line in lines), file=stream)
    for file, error in broken.items():
        print(f"\n{printable(file)}\n  {error}", file=stream)


def _heading(name: str) -> str:
    """The name of a function in lines of at most nine letters."""
    for long, short in (("compute_distances_", "dists_"), ("_loss_", "_"), ("vectorized", "vector.")):
        name = name.replace(long, short)
    return name.replace("_", "\n")


def _short_names(files: list[str]) -> dict[str, str]:
    """File -> its name without the folder that all files share; the lines below the table have the whole name."""
    folders = {Path(file).parent for file in files}
    common = os.path.commonpath(folders) if len({folder.is_absolute() for folder in folders}) == 1 else ""
    return {file: os.path.relpath(file, common) if common else file for file in files}


def _cell(report: CourseReport | None, is_narrow: bool) -> str:
    if report is None:
        return "-"
    if report.passed:
        return "ok" if is_narrow else "right"
    names = dict.fromkeys(one.name for one in report.mistakes)
    return str(len(names)) if is_narrow else ", ".join(names)

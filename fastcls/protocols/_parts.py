"""Finished parts of a comparison on disk: one safetensors file each, named by the checksum of data and settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from fastcls._scoring.numbers import Numbers
from fastcls._storage.atomic import replacing
from fastcls._storage.safetensors import Arrays, read_header, write
from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted, reason
from fastcls._validation.paths import check_path

from ._comparison import Line

ENDING = ".part.safetensors"
_FORMAT = "fastcls comparison 4"


class Found(NamedTuple):
    """What a part found: its settings, how long it took, and a note on fits that did not converge."""

    lines: list[Line]
    seconds: float
    note: str | None = None


class PartsFolder:
    """The folder; it is created if its parent exists."""

    def __init__(self, path: Any) -> None:
        check_path(path, "a folder for finished parts", "cache")
        self.path = Path(path)
        try:
            self.path.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f"cache: cannot write to {quoted(path)}: {reason(error)}; give another folder") from None

    def file(self, key: str) -> Path:
        """The file of a part."""
        return self.path / f"{key}{ENDING}"

    def write(self, key: str, found: Found) -> None:
        """Store a part, whole or not at all."""
        described = [
            {
                "setting": line.setting,
                "values": line.numbers.values,
                "per_class": list(line.numbers.per_class.items()),
                "std": line.numbers.std,
            }
            for line in found.lines
        ]
        header = {
            "format": _FORMAT,
            "lines": json.dumps(described),
            "seconds": repr(found.seconds),
            "note": found.note or "",
        }
        arrays = {f"predicted.{at}": line.predicted for at, line in enumerate(found.lines)}
        arrays |= {f"hits.{at}": line.numbers.hits for at, line in enumerate(found.lines)}
        with replacing(self.file(key), "a part of the comparison") as new_file:
            write(new_file, arrays, header)

    def read(self, key: str, n_test: int) -> Found | None:
        """A stored part; None if there is none, or if it is damaged, and must be evaluated again."""
        path = self.file(key)
        if not path.is_file():
            return None
        try:
            header = read_header(path, "a part of a comparison")
            arrays = Arrays(path, header)
            if header["format"] != _FORMAT:
                return None
            lines = []
            described = json.loads(header["lines"])
            if not isinstance(described, list) or not described:
                return None
            for at, of_line in enumerate(described):
                if not _is_setting(of_line["setting"]):
                    return None
                predicted, hits = arrays[f"predicted.{at}"], arrays[f"hits.{at}"]
                if predicted.dtype.kind != "i" or predicted.ndim != 2 or predicted.shape[1:] != (n_test,):
                    return None
                if hits.dtype.kind != "f" or hits.shape != (n_test,):
                    return None
                values = {str(name): tuple(map(float, value)) for name, value in of_line["values"].items()}
                per_class = {int(code): tuple(map(float, value)) for code, value in of_line["per_class"]}
                if "top1" not in values or any(len(found) != 3 for found in [*values.values(), *per_class.values()]):
                    return None
                std = None if of_line["std"] is None else float(of_line["std"])
                numbers = Numbers(values, per_class, hits, std)  # type: ignore[arg-type]
                lines.append(Line(of_line["setting"], numbers, predicted))
            return Found(lines, float(header["seconds"]), header.get("note") or None)
        except (InputError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None


def _is_setting(found: Any) -> bool:
    """Whether a setting is one that can be compared: `n_rows` a whole number, and k one, or one of each fold."""
    if not isinstance(found, dict) or type(found.get("n_rows", 0)) is not int:
        return False
    ks = found.get("k", 0)
    return type(ks) is int or (isinstance(ks, list) and bool(ks) and all(type(k) is int for k in ks))

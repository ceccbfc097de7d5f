"""What to do with a path whose layout nobody knows: the common cases by name, for the rest where the layouts are listed."""

from __future__ import annotations

import os
from pathlib import Path

from fastcls._shown import shown, shown_list
from fastcls.datasets._common import entries
from fastcls.datasets._image import SUFFIXES

#: where all layouts are listed; the command line says it in its own words
LISTED = "help(fastcls.datasets.load) lists what is read"

_TABLES = (".csv", ".tsv", ".txt", ".parquet", ".feather", ".arff", ".xlsx", ".xls", ".json", ".jsonl")
_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")


def why_unknown(path: Path) -> str:
    """One line: what stands at `path`, and what to do with it."""
    if path.is_dir():
        return _of_folder(path)
    ending = path.suffix.lower()
    if not path.is_file():
        return f"{shown(path)} is neither a file nor a folder; {LISTED}"
    if ending in SUFFIXES:
        return (f"{shown(path)} is one image; wanted a folder of images by class, <class>/<file>. A trained model names it: "
                "fastcls predict MODEL IMAGE")
    if ending in _TABLES:
        return (f"{shown(path)} is a table; wanted arrays: read it (with pandas, say), and keep them with "
                "np.savez('data.npz', X=numbers, y=labels)")
    if ending in _ARCHIVES:
        return f"{shown(path)} is an archive; unpack it, and give its folder (only CIFAR's own .tar.gz is read packed)"
    return f"{shown(path)} is a file of no known layout; {LISTED}"


def _of_folder(path: Path) -> str:
    found = [entry for entry in entries(path) if not entry.name.startswith(".")]
    if not found:
        return f"{shown(path)} is an empty folder; put images into it by class, <class>/<file>, or give another"
    images = sum(os.path.splitext(entry.name)[1].lower() in SUFFIXES for entry in found)
    if images:
        return (f"{shown(path)} has {images:,} images but no class folders; move them into one folder a class, "
                "<class>/<file>")
    folders = [entry.path for entry in found if entry.is_dir()]
    if len(folders) == len(found) and not any(os.listdir(folder) for folder in folders if os.access(folder, os.R_OK)):
        return f"{shown(path)} has {len(found)} folders without anything in them; put images into them, <class>/<file>"
    names = shown_list([entry.name + "/" * entry.is_dir() for entry in found], 3)
    return f"{shown(path)} is a folder of no known layout, with {names}; {LISTED}"

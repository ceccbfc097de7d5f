"""docs/models.md tells the truth: its blocks run one after the other, in an empty folder, and print what they say."""

import contextlib
import importlib.util
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def needs(code):
    """The optional packages that a block imports."""
    return [name for name in ("skops", "onnxruntime", "zarr") if re.search(rf"^import {name}\b", code, re.MULTILINE)]


def test_blocks_run_and_print_what_they_say(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shared, missing = {"__name__": "__main__"}, set()
    assert len(BLOCKS) >= 6
    for code in BLOCKS:
        absent = [name for name in needs(code) if importlib.util.find_spec(name) is None]
        missing.update(absent)
        if absent:
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "docs/models.md", "exec"), shared)
        promised = re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)
        assert promised
        assert printed.getvalue().splitlines() == promised
    if missing:
        pytest.skip(f"{' and '.join(sorted(missing))} is not installed: the other blocks of docs/models.md ran")


def test_every_file_and_command_named_is_there():
    for name in re.findall(r"`python ([^\s`]+)", TEXT):
        path = Path(*name.split(".")).with_suffix(".py") if name == "-m" else Path(name)
        assert name == "-m" or (ROOT / path).is_file(), name
    for module in re.findall(r"`python -m ([\w.]+)", TEXT):
        assert (ROOT / Path(*module.split("."))).with_suffix(".py").is_file(), module

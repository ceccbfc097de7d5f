"""``fastcls demo``: serve or export a demo of `fastcls.demo`."""

from __future__ import annotations

import os
from pathlib import Path

from fastcls import demo
from fastcls._storage.atomic import is_special
from fastcls._validation.errors import InputError
from fastcls._validation.messages import printable

from ._streams import say


def show(name: str, state: str | None, port: int, browser: bool, export: Path | None = None, force: bool = False) -> None:
    """Serve a demo until Ctrl-C, or write it as one page to `export`."""
    if export is None:
        demo.serve(name, state, port, browser)
        return
    if os.path.lexists(export) and not is_special(export) and not force:
        raise InputError(f"{export} exists: choose another file, or replace it with --force")
    demo.export(name, state, export)
    say(f"fastcls: wrote the page {printable(export)}")

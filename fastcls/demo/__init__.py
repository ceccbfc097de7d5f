"""The lecture's two interactive demos, `knn` and `linear`: pages that work offline, in a browser or in one file.

::

    _assemble       the page of a state as one text, from the HTML, style sheet and scripts of ``page/``
    _serve          a server for this machine only, which computes with the compiled core; `Shown` for notebooks
      _knn, _linear       the states as text, and what the core computes from them       _plane   what both share
        _text             fields of a text

    page/           page.html.in, page.css and the scripts, in the order of ``_assemble``:
      config, state, draw            what Python wrote; states as text; points and weights from a seed
      knn, linear, engines           the arithmetic of a page without a server; the choice between the two
      elements, plane, chart, frame  parts of a page
      knn_model, knn_view            state and page of the k-NN demo
      linear_model, linear_table, linear_view        of the linear demo
      start                          the page begins
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ._serve import Shown

__all__ = ["knn", "linear"]


def knn(state: str | None = None, *, height: int = 900) -> Shown:
    """Show the k-NN demo in a notebook cell.

    Parameters
    ----------
    state : str, optional
        The text after ``--state`` in the command that the page's 'Copy as command' button gives.
    height : int
        Height of the cell's output in pixels.

    Returns
    -------
    Shown
        With `url` and `stop()`. The server listens on 127.0.0.1 of the machine that runs Python.

    Raises
    ------
    InputError
        If `state` is not valid.
    """
    from ._serve import Shown

    return Shown("knn", state, height)


def linear(state: str | None = None, *, height: int = 1200) -> Shown:
    """Show the demo of linear classifiers in a notebook cell.

    Parameters
    ----------
    state : str, optional
        The text after ``--state`` in the command that the page's 'Copy as command' button gives.
    height : int
        Height of the cell's output in pixels.

    Returns
    -------
    Shown
        With `url` and `stop()`, as for `knn`.

    Raises
    ------
    InputError
        If `state` is not valid.
    """
    from ._serve import Shown

    return Shown("linear", state, height)


# For other packages of fastcls; they import late, since most uses of fastcls need no demo:


def serve(name: str, state: str | None, port: int, browser: bool) -> None:
    """Show a demo until Ctrl-C."""
    from ._serve import serve

    serve(name, state, port, browser)


def check(name: str, state: str) -> None:
    """Refuse a text that is no state of a demo."""
    from ._serve import read_state

    read_state(name, state)


def export(name: str, state: str | None, path: str | Path) -> None:
    """Write a demo as one page, which computes by itself."""
    from fastcls._storage.atomic import write_text

    from ._assemble import page
    from ._serve import read_state

    write_text(page(read_state(name, state), "local"), path, "the page")

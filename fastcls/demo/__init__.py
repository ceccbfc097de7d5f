"""The lecture's two interactive demos, `knn` and `linear`, in a browser and offline. Needs the extra ``demo`` (Bokeh).

::

    _serve          a server for this machine only; `Shown` for notebooks        _export   a snapshot in one page
      _knn_view, _linear_view      the pages, with little logic       _page   what both pages share
        _knn_state, _linear_state  states, changes and computations: plain Python, tested without a browser
          _moved                   points moved by hand, by their number
          _knn_regions             the class of every pixel       _latest   only the newest drag       _text   `--state`
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from fastcls._validation.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from ._serve import Shown

__all__ = ["knn", "linear"]


def require_bokeh() -> None:
    """Refuse to continue without Bokeh, and say what to install."""
    if find_spec("bokeh") is None:
        raise InputError('the demos need the package bokeh: install with: pip install "fastcls[demo]"')


def knn(state: str | None = None, *, height: int = 1050) -> Shown:
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
        If Bokeh is not installed, or `state` is not valid.
    """
    require_bokeh()
    from ._serve import Shown

    return Shown("knn", state, height)


def linear(state: str | None = None, *, height: int = 1150) -> Shown:
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
        If Bokeh is not installed, or `state` is not valid.
    """
    require_bokeh()
    from ._serve import Shown

    return Shown("linear", state, height)


# For other packages of fastcls; these need Bokeh:


def serve(name: str, state: str | None, port: int, browser: bool) -> None:
    """Show a demo until Ctrl-C."""
    from ._serve import serve

    serve(name, state, port, browser)


def export(name: str, state: str | None, path: Path) -> None:
    """Write a snapshot of a demo, as one page."""
    from ._export import export
    from ._serve import read_state

    export(read_state(name, state), path)

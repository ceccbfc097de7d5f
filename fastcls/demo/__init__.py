"""The lecture's two interactive demos, in a browser, offline: `knn` and `linear`. Needs the extra ``demo`` (Bokeh).

::

    serve           a server for this machine only; `Shown` in a notebook        export    a snapshot, one page
      _knn_view, _linear_view      thin pages       _page   what both pages share
        _knn_state, _linear_state  state, changes and all that is computed: plain Python, tested without a browser
          _moved                   points moved by hand, by their number
          _knn_regions             the class of every pixel       _latest   only the newest drag       _text   `--state`
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from fastcls._validation.errors import InputError

if TYPE_CHECKING:
    from .serve import Shown

__all__ = ["knn", "linear"]


def require_bokeh() -> None:
    """One line that says what to install, if Bokeh is not here."""
    if find_spec("bokeh") is None:
        raise InputError('the demos need the package bokeh: install with: pip install "fastcls[demo]"')


def knn(state: str | None = None, *, height: int = 1050) -> Shown:
    """Show the k-NN demo in a notebook's cell.

    Parameters
    ----------
    state : str, optional
        As 'copy as command' gives it behind ``--state``.
    height : int
        Of the cell's output, in pixels.

    Returns
    -------
    Shown
        With `url` and `stop()`. The server is on 127.0.0.1, of the machine that runs Python.

    Raises
    ------
    InputError
        Without Bokeh, or for a text that is no state.
    """
    require_bokeh()
    from .serve import Shown

    return Shown("knn", state, height)


def linear(state: str | None = None, *, height: int = 1150) -> Shown:
    """Show the linear classifier's demo in a notebook's cell: parameters and result as for `knn`."""
    require_bokeh()
    from .serve import Shown

    return Shown("linear", state, height)

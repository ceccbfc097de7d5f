"""The ``fastcls`` command. Needs the extra ``run``; without it, one line says what to install.

::

    _app            the commands and their options, one-line errors; __main__   python -m fastcls.cli
      _run          the main job, one plain function a step        _predict, _gradcheck, _demo     the other commands
      _preset       run --preset: published protocols              _course     the assignment of the course
        _checks     which options are possible                     _data       the user's data, read and checked
        _estimate   how long it will take                          _inputs, _answers   rows and answers of predict
        _folder     the result folder, never half-written          _progress   progress and notes on stderr
        _split      training, validation and test rows             _text       names from data made safe to show
        _linear     random search, gradient check, sweep           _words      numbers and lists in sentences
        _judge      the test set, evaluated once                   _repeats    test rows that equal a training row
        _failures   a step that fails, in one line                 _predictions   predictions.csv, and the wrong rows
        _streams    stdout and stderr that are closed, broken, or of another encoding
        _results    results.json      _table     the screen        _csv        cells that are no formulas
        _outcome    everything that the report draws               report/     report.html
"""

from __future__ import annotations

import signal
import sys
from importlib.util import find_spec

from ._streams import open_streams, say, swallow

#: modules of the extra, imported late; the command needs all of them, and says so before any work
_NEEDED = ("typer", "rich", "matplotlib", "jinja2", "PIL")


def main() -> None:
    """Entry point of the ``fastcls`` command."""
    open_streams()
    try:
        try:
            _require_extra()
            _end_tidily()
            from ._app import app

            app(prog_name="fastcls")
        finally:
            sys.stdout.flush()  # here, where an error can still be answered
    except KeyboardInterrupt:  # while modules were still being imported; the commands answer it themselves
        say("fastcls: interrupted")
        raise SystemExit(130) from None
    except OSError as error:
        swallow(sys.stdout)
        if not isinstance(error, BrokenPipeError):  # `fastcls predict ... | head` ends quietly
            say(f"fastcls: cannot write to stdout: {error.strerror}")
        raise SystemExit(1) from None


def _require_extra() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        what = "s" if len(missing) > 1 else ""
        say(
            f"fastcls: the command line needs the package{what} {', '.join(missing)}: "
            'install with: pip install "fastcls[run]"'
        )
        raise SystemExit(2)


def _end_tidily() -> None:
    """Ended from outside (a time limit, a shutdown, a closed terminal): the unfinished folder goes first."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # nohup has said to ignore it
            signal.signal(number, lambda number, frame: sys.exit(128 + number))

"""The ``fastcls`` command. Needs the extra ``run``; without it, one line says what to install.

::

    _app            the commands and their options                 __main__    python -m fastcls.cli
    _lecture_commands  those of demo and race
    _commands       what all commands share: errors in one line, plain help, numbers
      _run          fastcls run, one plain function per step       _predict, _gradcheck, _demo     the other commands
      _preset       run --preset, --probe: published protocols     _protocol_answers   their predictions and models
      _compare      fastcls compare (_compare_options: its options; _compare_inputs: representations and labels;
                    _estimate_compare: how long it takes; _compare_table: what it prints)
      _student_files  fastcls check: learners' code for the course's assignment
      _race         fastcls race (_race_data: its rows; _race_lanes: ways to do the work)
        _checks     checks of the options                          _data       reads and checks the user's data
        _estimate   how long a run will take                       _inputs, _answers   rows and predictions of predict
        _folder     the results folder, complete or absent         _progress   progress and notes on stderr
        _split      training, validation and test rows             _text       names from data, made safe to print
        _linear     random search, gradient check, choice of alpha _words      numbers and lists in sentences
        _test_set   the test set, evaluated once per model         _repeats    test rows that equal a training row
        _significance  which differences of models count           _predictions   predictions.csv, wrong predictions
        _failures   a failed step, in one line                     _table      what a run prints at its end
        _streams    writing to stdout and stderr in any state      _signals    SIGTERM acts as Ctrl-C
        _results    results.json                                   _outcome    everything that the report draws
        _checksum   checksums of training and test rows            _writing    models, report and results of a run
        report/     report.html
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

from ._signals import acting_as_interrupts, exit_status
from ._streams import open_streams, say, swallow

#: modules of the extra, imported late; all commands need all of them, so a missing one is reported before any work
_NEEDED = ("typer", "rich", "matplotlib", "jinja2", "PIL")


def main() -> None:
    """Run the ``fastcls`` command."""
    with acting_as_interrupts():
        try:
            open_streams()
            try:
                _require_extra()
                from ._app import app

                app(prog_name="fastcls")
            finally:
                sys.stdout.flush()  # here, where an error can still be reported
        except KeyboardInterrupt:  # during the imports; the commands handle it themselves
            say("fastcls: interrupted")
            raise SystemExit(exit_status()) from None
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

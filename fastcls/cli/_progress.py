"""What the command says on stderr while it works.

A step that is over within two seconds says nothing. A longer one has a bar on a terminal (rich). Elsewhere (a file, a
pipe, a job's log) it is plain lines: after two seconds, then at most once in five (a long one less often). Either leaves
one line at its end.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from typing import Any, TextIO

from ._streams import say
from ._text import markup, printable

#: what a step reports with: report(done, total)
Report = Callable[[int, int], None]

#: a step that is over sooner says nothing
QUIET_SECONDS = 2.0
#: at most one plain line in this time
PLAIN_SECONDS = 5.0


class Progress:
    """Steps of a job, shown on ``stream`` (stderr unless given)."""

    def __init__(self, stream: TextIO | None = None):
        self.stream = stream or sys.stderr or StringIO()  # a program without a console has no stderr
        self.notes: list[str] = []
        self._console: Any = None
        if self.stream.isatty():
            from rich.console import Console

            self._console = Console(file=self.stream, highlight=False)
            if not self._console.is_terminal or self._console.is_dumb_terminal:
                self._console = None

    def line(self, text: str) -> None:
        """Say one line. Everything in it is shown as it is: no markup, no control characters."""
        if self._console is None:
            say(printable(text), self.stream)
        else:
            with suppress(OSError):  # a terminal that has gone: no reason to lose the work
                self._console.print(markup(text), soft_wrap=True)

    def note(self, text: str) -> None:
        """Say one line and keep it for the results: something the reader of the figures must know."""
        if text not in self.notes:
            self.notes.append(text)
            self.line(f"note: {text}")

    @contextmanager
    def step(self, title: str) -> Iterator[Report]:
        """A named step; yields the function to report with. Reporting is optional: time alone is shown without it."""
        shown = self._plain_step(title) if self._console is None else self._rich_step(title)
        with shown as report:
            yield report

    @contextmanager
    def library_as_notes(self) -> Iterator[None]:
        """What the library warns of or logs becomes notes: a reader gets a sentence, not a line of source code."""

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, UserWarning):
                self.note(" ".join(str(message).split()))

        logger, handler = logging.getLogger("fastcls"), _NoteHandler(self)
        level, propagate = logger.level, logger.propagate
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("default", UserWarning)
                # scikit-learn's doubt about labels, which is none here: they are classes, however many
                warnings.filterwarnings("ignore", message="The number of unique classes is greater than 50%")
                warnings.showwarning = show
                yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate

    @contextmanager
    def _rich_step(self, title: str) -> Iterator[Report]:
        from rich.progress import BarColumn, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        begun = time.perf_counter()
        columns = (
            SpinnerColumn("line"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        bars = Bars(*columns, console=self._console, transient=True)
        task = bars.add_task(markup(title), total=None)
        late = threading.Timer(QUIET_SECONDS, bars.start)
        late.daemon = True
        late.start()
        try:
            yield lambda done, total: bars.update(task, completed=done, total=total)
        finally:
            late.cancel()
            late.join()  # it may be starting the bar just now
            spoke = bars.live.is_started
            if spoke:
                bars.stop()
        if spoke:
            self._console.print(f"  {markup(title)} [dim]{time.perf_counter() - begun:.1f} s[/dim]", soft_wrap=True)

    @contextmanager
    def _plain_step(self, title: str) -> Iterator[Report]:
        begun = time.perf_counter()
        state: dict[str, Any] = {"share": None, "spoke": False}
        over = threading.Event()

        def report(done: int, total: int) -> None:
            state["share"] = done / total if total else None

        def speak() -> None:
            wait = QUIET_SECONDS
            while not over.wait(wait):
                wait = max(PLAIN_SECONDS, (time.perf_counter() - begun) / 10)  # a long step fills no log
                state["spoke"] = True
                share = "" if state["share"] is None else f" {100 * state['share']:.0f} %,"
                self.line(f"{title}:{share} {time.perf_counter() - begun:.0f} s")

        # a thread, not the reports themselves: a step that cannot report (one long fit) must not look dead
        speaker = threading.Thread(target=speak, daemon=True)
        with contextlib.suppress(RuntimeError):  # where no thread can be made the step is only silent
            speaker.start()
        try:
            yield report
        finally:
            over.set()
            if speaker.ident is not None:
                speaker.join()
        if state["spoke"]:
            self.line(f"{title}: done in {time.perf_counter() - begun:.0f} s")


class _NoteHandler(logging.Handler):
    """Hands the library's log lines to `Progress.note`."""

    def __init__(self, progress: Progress):
        super().__init__(logging.INFO)
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.note(" ".join(record.getMessage().split()))

"""Progress and notes on stderr.

A step that ends within two seconds prints nothing. A longer one shows a bar on a terminal (rich); elsewhere (a file, a
pipe, the log of a job) it prints plain lines, after two seconds and then every five seconds, or less often if it is very
long. Both print one line at the end.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from typing import Any, TextIO

from fastcls._runtime.pacing import Progress as Report
from fastcls._validation.messages import printable

from ._streams import say
from ._text import as_options, markup

#: a step that ends sooner prints nothing
QUIET_SECONDS = 2.0
#: shortest time between two plain lines
PLAIN_SECONDS = 5.0


class Progress:
    """Steps of a job, shown on ``stream`` (default: stderr).

    Attributes
    ----------
    notes : list of str
        What `note` has printed, for the results.
    console : rich.console.Console or None
        None if the stream is no terminal.
    """

    def __init__(self, stream: TextIO | None = None):
        self.stream = stream or sys.stderr or StringIO()  # a program without a console has no stderr
        self.notes: list[str] = []
        self.console: Any = None
        if self.stream.isatty():
            from rich.console import Console

            console = Console(file=self.stream, highlight=False)
            if console.is_terminal and not console.is_dumb_terminal:
                self.console = console

    def line(self, text: str) -> None:
        """Print one line, without interpreting markup or control characters in it."""
        if self.console is None:
            say(printable(text), self.stream)
        else:
            with suppress(OSError):  # the terminal was closed; the work continues
                self.console.print(markup(text), soft_wrap=True)

    def note(self, text: str) -> None:
        """Print one line that also belongs to the results, because it affects how to read them; each line once."""
        text = as_options(text)
        if text not in self.notes:
            self.notes.append(text)
            self.line(f"note: {text}")

    @contextmanager
    def step(self, title: str) -> Iterator[Report]:
        """Run a step; yield the function that reports progress. A step that does not report shows only its time."""
        started = time.perf_counter()
        state: dict[str, Any] = {"share": None, "shown": False}
        over = threading.Event()
        bar = None if self.console is None else _bar(self.console, title)

        def report(done: int, total: int) -> None:
            state["share"] = done / total if total else None
            if bar is not None:
                bar.update(bar.task_ids[0], completed=done, total=total)

        def show() -> None:
            wait = QUIET_SECONDS
            while not over.wait(wait):
                state["shown"] = True
                if bar is not None:
                    return bar.start()  # it refreshes itself
                seconds = time.perf_counter() - started
                wait = max(PLAIN_SECONDS, seconds / 10)  # few lines in the log of a long step
                share = "" if state["share"] is None else f" {100 * state['share']:.0f} % done,"
                self.line(f"{title}:{share} {seconds:.0f} s")

        # a thread, because a step that cannot report (one long fit) must show its time too
        watcher = threading.Thread(target=show, daemon=True)
        with suppress(RuntimeError):  # no thread can be started: the step shows nothing
            watcher.start()
        try:
            yield report
        finally:
            over.set()
            if watcher.ident is not None:
                watcher.join()
            if bar is not None and state["shown"]:
                bar.stop()
        if state["shown"]:
            self.line(f"{title}: done in {time.perf_counter() - started:.0f} s")

    @contextmanager
    def library_as_notes(self) -> Iterator[None]:
        """Turn the library's warnings and log lines into notes, without the line of source code of a warning."""

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
                # scikit-learn suspects a regression target, but the labels are classes, however many
                warnings.filterwarnings("ignore", message="The number of unique classes is greater than 50%")
                warnings.showwarning = show
                yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


def _bar(console: Any, title: str) -> Any:
    """Return a progress bar with one task, not yet started."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

    bar = Progress(
        SpinnerColumn("line"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    bar.add_task(markup(title), total=None)
    return bar


class _NoteHandler(logging.Handler):
    """Passes the library's log lines to `Progress.note`."""

    def __init__(self, progress: Progress):
        super().__init__(logging.INFO)
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.note(" ".join(record.getMessage().split()))

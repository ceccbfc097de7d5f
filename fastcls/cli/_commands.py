"""What all commands share: errors in one line, plain help, the parsing of numbers and paths, and some options."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, quoted
from fastcls._validation.paths import refuse_archive

from ._signals import exit_status
from ._streams import say
from ._text import one_line

BAD_INPUT = 2
SOME_UNREADABLE = 3  # images that cannot be read


def refuse(message: str) -> None:
    """Print one line on stderr."""
    say(f"fastcls: {message}")


def exit_unreadable(n: int) -> None:
    """Exit with the status for images that cannot be read; each was listed before."""
    refuse(
        f"{counted(n, 'image')} cannot be read and {'were' if n > 1 else 'was'} left out: repair or remove "
        f"{'them' if n > 1 else 'it'}"
    )
    raise typer.Exit(SOME_UNREADABLE)


def path_of(out: str | None, option: str = "--out") -> Path | None:
    """Return the path of --out. An empty one is refused: it would mean the current folder, which is hardly intended."""
    if out == "":
        raise InputError(f"{option} is empty: give a path, or omit {option}")
    return None if out is None else Path(out)


def refuse_archives(data: Iterable[str]) -> None:
    """Refuse archives before anything is imported for the command: that takes seconds."""
    for word in data:
        refuse_archive(word if os.path.exists(word) else word.partition("=")[2])  # NAME=PATH of compare


def _usage_of(error: Exception) -> str:
    """Return the command that a usage error is about: ``fastcls run``."""
    path = getattr(getattr(error, "ctx", None), "command_path", "")
    return " ".join(["fastcls", *path.split()[1:]])


@contextmanager
def _interrupts_told() -> Iterator[None]:
    """Report an interrupt before a command has begun: typer would end without a word, with the exit status of Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        refuse("interrupted")
        raise typer.Exit(exit_status()) from None


class OneLineGroup(TyperGroup):
    """A group of commands whose usage errors (a missing argument, an unknown option) take one line, like all errors."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        with _interrupts_told():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        with _interrupts_told():
            return super().invoke(ctx)

    def main(self, *args: Any, **options: Any) -> Any:
        standalone = options.get("standalone_mode", True)
        try:
            status = super().main(*args, **{**options, "standalone_mode": False})
        except Exception as error:
            # only usage errors have this method; typer may bundle its own click, so there is no class to test for
            if not standalone or not hasattr(error, "format_message"):
                raise
            refuse(f"{' '.join(error.format_message().split())} (see: {_usage_of(error)} --help)")
            sys.exit(getattr(error, "exit_code", BAD_INPUT))
        if not standalone:
            return status
        sys.exit(status if isinstance(status, int) else 0)


# The entries of the registries, for the help. They are imported when a help is shown: that takes a second.


def _layouts() -> str:
    from fastcls.datasets import LAYOUTS

    return "; ".join(layout.description for layout in LAYOUTS.values())


def _losses() -> str:
    from fastcls.losses import LOSSES

    return ", ".join(LOSSES)


def _metrics() -> str:
    from fastcls.metrics import METRICS

    return ",".join(METRICS)


_LISTED: dict[str, Callable[[], str]] = {"{layouts}": _layouts, "{losses}": _losses, "{metrics}": _metrics}


class PlainCommand(TyperCommand):
    """A command whose help shows its arguments by name (DATA, without braces and Python types), and what registries have."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        for param in self.params:
            for placeholder, listed in _LISTED.items():
                if placeholder in (getattr(param, "help", None) or ""):
                    vars(param)["help"] = vars(param)["help"].replace(placeholder, listed())
        super().format_help(ctx, formatter)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]

    def get_params(self, ctx: Any) -> list[Any]:
        params: list[Any] = super().get_params(ctx)
        for param in params:
            if param.param_type_name == "argument":
                vars(param)["display_type_rich"] = lambda ctx: ""
        return params


def one_line_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Report errors in one line.

    Exit status: 2 for bad input, 130 for Ctrl-C, 143 for SIGTERM, 1 for a failed check or full memory.
    """

    @functools.wraps(command)
    def wrapped(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
        except KeyboardInterrupt as error:
            refuse(one_line(error) if error.args else "interrupted")
            raise typer.Exit(exit_status()) from None
        except BrokenPipeError:  # `fastcls predict ... | head`: typer ends quietly
            raise
        except MemoryError as error:
            refuse(f"not enough memory ({one_line(error)}): use fewer rows with --limit")
            raise typer.Exit(1) from None
        except ArithmeticError as error:
            refuse(one_line(error))
            raise typer.Exit(1) from None
        except FileNotFoundError as error:
            refuse(one_line(error) if error.filename else "the current folder no longer exists: change to another")
            raise typer.Exit(BAD_INPUT) from None
        except (ValueError, OSError) as error:  # InputError is a ValueError, and so are scikit-learn's errors about data
            refuse(one_line(error))
            raise typer.Exit(BAD_INPUT) from None

    return wrapped


class NotAWholeNumber(typer.BadParameter):
    """The value of an option that is not a whole number."""

    def format_message(self) -> str:
        names = getattr(self.param, "opts", None) or ["the value"]
        return f"{names[0]} {self.message}"


def whole_number(text: str | int) -> int:
    """Return the number that an option has; the default of an option is one already."""
    try:
        return int(text)
    except ValueError:
        raise NotAWholeNumber(f"{quoted(text, 40)}: wanted a whole number") from None


def port_number(text: str | int) -> int:
    """Return the number of a port."""
    if not 0 <= (port := whole_number(text)) <= 65535:
        raise NotAWholeNumber(f"{quoted(text, 40)}: wanted 0 to 65535")
    return port


#: options of several commands
Labels = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|NAME",
        help="File with the labels (.npy, .npz, .csv, .parquet, .h5, .safetensors or .txt; FILE:COLUMN for one of several "
        "columns or arrays), or the name of the array or column of DATA that has them.",
    ),
]
Drop = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,...",
        help="Columns of a table to leave out: text that is no label, or all but one of several columns of lists.",
    ),
]
Seed = Annotated[int, typer.Option(metavar="N", parser=whole_number, help="Seed of all random choices.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")]

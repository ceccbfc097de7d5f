"""Parsing of the command line, and nothing else: each command hands over to a plain function."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted

from ._streams import say
from ._text import one_line, printable

BAD_INPUT = 2
SOME_LEFT_OUT = 3  # images that cannot be read
INTERRUPTED = 130


def refuse(message: str) -> None:
    """One line on stderr."""
    say(f"fastcls: {message}")


def say_left_out(n: int) -> None:
    """End with the exit status that says that some images could not be read; each was said before."""
    refuse(
        f"{counted(n, 'image')} cannot be read and {'were' if n > 1 else 'was'} left out; repair or remove "
        f"{'them' if n > 1 else 'it'}"
    )
    raise typer.Exit(SOME_LEFT_OUT)


def place_of(out: str | None) -> Path | None:
    """What --out names; an empty name would be the current folder, which nobody means by it."""
    if out == "":
        raise InputError("--out is empty: name a place, or leave --out away")
    return None if out is None else Path(out)


def _usage_of(error: Exception) -> str:
    """The command a usage error is about, as typed: ``fastcls run``."""
    path = getattr(getattr(error, "ctx", None), "command_path", "")
    return " ".join(["fastcls", *path.split()[1:]])


class OneLineGroup(TyperGroup):
    """A group whose usage errors (a missing argument, an unknown option) are one line, like every other refusal."""

    def main(self, *args: Any, **options: Any) -> Any:
        standalone = options.get("standalone_mode", True)
        try:
            status = super().main(*args, **{**options, "standalone_mode": False})
        except Exception as error:
            # usage errors alone have this method; typer may carry its own copy of click, so no class is named
            if not standalone or not hasattr(error, "format_message"):
                raise
            refuse(f"{' '.join(error.format_message().split())} (see: {_usage_of(error)} --help)")
            sys.exit(getattr(error, "exit_code", BAD_INPUT))
        if not standalone:
            return status
        sys.exit(status if isinstance(status, int) else 0)


def one_line_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Bad input is one line and exit code 2; Ctrl-C one line and 130; a failed check or full memory one line and 1."""

    @functools.wraps(command)
    def wrapped(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
        except KeyboardInterrupt as error:
            refuse(one_line(error) if error.args else "interrupted")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # `fastcls predict ... | head`: typer ends quietly
            raise
        except MemoryError as error:
            refuse(f"not enough memory ({one_line(error)}): take fewer rows with --limit")
            raise typer.Exit(1) from None
        except ArithmeticError as error:
            refuse(one_line(error))
            raise typer.Exit(1) from None
        except FileNotFoundError as error:
            refuse(one_line(error) if error.filename else "the current folder is gone: change to one that is there")
            raise typer.Exit(BAD_INPUT) from None
        except (ValueError, OSError) as error:  # InputError is a ValueError; so are scikit-learn's refusals of data
            refuse(one_line(error))
            raise typer.Exit(BAD_INPUT) from None

    return wrapped


app = typer.Typer(
    cls=OneLineGroup,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Exact k-nearest-neighbour and linear image classifiers.",
)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Exact k-nearest-neighbour and linear image classifiers."""
    if version:
        from ._results import versions

        print(f"fastcls {versions()['fastcls']}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit


Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="digits, or a path: a folder of images by class (<class>/<file>, "
        "or train/<class>/<file> and test/<class>/<file>), of MNIST's IDX files, or of "
        "CIFAR-10's or CIFAR-100's files (or their .tar.gz); an .npz of X and y, an .npy with "
        "--labels, a folder of X.npy and y.npy, or a zarr group.",
    ),
]
Labels = Annotated[Path | None, typer.Option(metavar="FILE", help="Labels of the rows of an .npy or .npz, as an .npy.")]
Seed = Annotated[int, typer.Option(help="Seed of every random choice.")]
Ks = Annotated[str | None, typer.Option(metavar="1,3,5-9", help="Values of k (default: 1 to 20, 25, 30, 50, 100).")]
Models = Annotated[str | None, typer.Option(metavar="NAMES", help="Of knn,random_search,svm,softmax (default: all).")]
ImageSize = Annotated[
    int | None,
    typer.Option(
        metavar="PIXELS", help="Height and width of a folder's images (default: their common size up to 256, else 32)."
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Refuse the data if an image of it cannot be read, before any work; "
        "otherwise it is left out and listed, and the exit status is 3.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON alone on stdout.")]


@app.command()
@one_line_errors
def run(
    data: Data,
    out: Annotated[str | None, typer.Option(metavar="DIR", help="Where to write (default: fastcls-<name>).")] = None,
    ks: Ks = None,
    metrics: Annotated[str | None, typer.Option(metavar="l1,l2", help="Metrics of k-NN.")] = None,
    models: Models = None,
    folds: Annotated[
        int | None, typer.Option(help="Folds of the cross-validation of k (default: 5, fewer where classes are small).")
    ] = None,
    cv: Annotated[
        str | None,
        typer.Option(metavar="loo", help="Judge k by leaving out each training row once, or by a number of folds."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="At most this many training and test rows.")] = None,
    seed: Seed = 0,
    labels: Labels = None,
    image_size: ImageSize = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Judge DATA by a published protocol instead: dino, "
            "dinov2, moco, lightly, vissl, solo-learn, uni, mteb (k-NN), clip-probe or "
            "clip, dinov2-probe, uni-probe (linear), or course (CS231n's assignment, "
            "for CIFAR-10).",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier result.")] = False,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Train k-NN, an SVM and a softmax classifier on DATA, judge each once, write a report."""
    from ._checks import parse_options

    options = parse_options(
        data,
        ks=ks,
        metrics=metrics,
        models=models,
        folds=folds,
        cv=cv,
        limit=limit,
        seed=seed,
        out=place_of(out),
        labels=labels,
        image_size=image_size,
        force=force,
        preset=preset,
        strict=strict,
    )
    from ._progress import Progress
    from ._results import as_json as to_json
    from ._run import run as run_all
    from ._table import closing_lines, print_protocol, print_table, protocol_lines

    show, close = (print_table, closing_lines) if preset is None else (print_protocol, protocol_lines)
    if preset is None:
        finished = run_all(options, Progress())
    else:
        from ._preset import work

        finished = run_all(options, Progress(), work)
    if as_json:
        sys.stdout.write(to_json(finished.results))
    else:
        show(finished.results, sys.stdout)
    for line in close(finished.results, finished.folder, data):
        say(line) if as_json else print(line)
    if finished.results["failures"]:
        raise typer.Exit(1)
    if unreadable := finished.results["unreadable"]:
        for image in unreadable:
            say(f"cannot be read: {printable(image['path'])}: {printable(image['error'])}")
        say_left_out(len(unreadable))


@app.command()
@one_line_errors
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model saved by fastcls run or by save().")],
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA",
            help="Images, folders of images, .npy or .npz files, or "
            "data sets as for run (their test rows are predicted), in any number.",
        ),
    ],
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write there instead of stdout; a file of that name is replaced.")
    ] = None,
    top: Annotated[int, typer.Option(metavar="K", help="The K best classes of each row.")] = 1,
    every: Annotated[bool, typer.Option("--all", help="The probability (SVM: score) of every class, too.")] = False,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Name the class of images with a saved model: CSV of path, label and probability (SVM: score).

    Where the data has labels, the accuracy is said at the end. An image that cannot be read gets an error in place of a
    label, and the exit status is 3. A name that begins with =, +, - or @ gets an apostrophe in the CSV, so that no
    spreadsheet takes it for a formula; JSON has it as it is.
    """
    from ._predict import predict as predict_all

    if n_broken := predict_all(model, data, out=place_of(out), as_json=as_json, top=top, every=every, strict=strict):
        say_left_out(n_broken)


@app.command()
@one_line_errors
def gradcheck(
    data: Data,
    loss: Annotated[
        str, typer.Option(metavar="LOSS", help="hinge, softmax, squared_hinge, crammer_singer or one_vs_all.")
    ] = "softmax",
    seed: Seed = 0,
    labels: Labels = None,
) -> None:
    """Compare the compiled gradient with the numerical one, number by number, on rows of DATA."""
    from ._gradcheck import gradcheck as check

    if not check(data, loss, seed=seed, labels=labels):
        raise typer.Exit(1)


demos = typer.Typer(cls=OneLineGroup, rich_markup_mode=None)
app.add_typer(demos, name="demo")
State = Annotated[str | None, typer.Option(metavar="TEXT", help="Where to begin, as 'copy as command' gives it.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Of 127.0.0.1; 0 for any that is free.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Print the address and open nothing.")]


@demos.callback(invoke_without_command=True)
def demo(context: typer.Context) -> None:
    """The lecture's interactive demos, in the browser, offline."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit


@demos.command("knn")
@one_line_errors
def demo_knn(
    state: State = None,
    port: Port = 5006,
    no_browser: NoBrowser = False,
    export: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a snapshot page, and show nothing.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Let --export write over a file.")] = False,
) -> None:
    """k nearest neighbours: drag points, and the regions follow; ties are white."""
    from ._demo import show

    show("knn", state, port, not no_browser, export, force)


@demos.command("linear")
@one_line_errors
def demo_linear(state: State = None, port: Port = 5006, no_browser: NoBrowser = False) -> None:
    """Linear classifiers: W, b and their gradient, four losses, step by step."""
    from ._demo import show

    show("linear", state, port, not no_browser)


@app.command()
@one_line_errors
def info() -> None:
    """Show how fastcls was built and what it runs on."""
    from fastcls._config import show_config

    show_config()

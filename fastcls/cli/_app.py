"""The commands and their options. Each command calls a plain function of another module."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, quoted

from ._streams import say
from ._text import one_line, printable

BAD_INPUT = 2
SOME_UNREADABLE = 3  # images that cannot be read
INTERRUPTED = 130


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


def path_of(out: str | None) -> Path | None:
    """Return the path of --out. An empty one is refused: it would mean the current folder, which is hardly intended."""
    if out == "":
        raise InputError("--out is empty: give a path, or omit --out")
    return None if out is None else Path(out)


def _usage_of(error: Exception) -> str:
    """Return the command that a usage error is about: ``fastcls run``."""
    path = getattr(getattr(error, "ctx", None), "command_path", "")
    return " ".join(["fastcls", *path.split()[1:]])


class OneLineGroup(TyperGroup):
    """A group of commands whose usage errors (a missing argument, an unknown option) take one line, like all errors."""

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
    """Report errors in one line. Exit status: 2 for bad input, 130 for Ctrl-C, 1 for a failed check or full memory."""

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


app = typer.Typer(
    cls=OneLineGroup,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Exact k-nearest-neighbour and linear image classifiers.

    To start: fastcls run digits
    """
    if version:
        from ._results import versions

        print(f"fastcls {versions()['fastcls']}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit


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


Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="digits (scikit-learn's images), or a path: {layouts}.",
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(metavar="FILE|NAME", help="File (.npy) with the labels, or the name of the array of DATA that has them."),
]
Seed = Annotated[int, typer.Option(metavar="N", parser=whole_number, help="Seed of all random choices.")]
Ks = Annotated[
    str | None, typer.Option(metavar="1,3,5-9", help="Values of k to try (default: 1 to 20, 25, 30, 50 and 100).")
]
Models = Annotated[
    str | None, typer.Option(metavar="NAMES", help="Models to train, from knn,random_search,svm,softmax (default: all).")
]
ImageSize = Annotated[
    int | None,
    typer.Option(
        metavar="PIXELS",
        parser=whole_number,
        help="Scale the images of a folder to this height and width (default: keep a common size up to 256, else 32).",
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Stop before any work if an image cannot be read. Default: leave such images out, list them, "
        "and end with exit status 3.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")]


@app.command(cls=PlainCommand)
@one_line_errors
def run(
    data: Data,
    out: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Folder for the results (default: fastcls-<name>, or fastcls-<name>-<protocol>)."),
    ] = None,
    ks: Ks = None,
    metrics: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Metrics of k-NN to try, from {metrics} (default: l1,l2)."),
    ] = None,
    models: Models = None,
    folds: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Number of folds of the cross-validation that chooses k, or loo for leave-one-out (default: 5, or fewer "
            "if classes are small).",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", parser=whole_number, help="Use at most N training rows and at most N test rows."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=whole_number,
            help="Seed of all random choices (default: 0, or that of the published script).",
        ),
    ] = None,
    labels: Labels = None,
    class_names: Annotated[
        str | None, typer.Option(metavar="FILE", help="Text file with the names of the labels 0, 1, 2, ..., one per line.")
    ] = None,
    image_size: ImageSize = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Evaluate DATA by a published k-NN protocol instead: dino, dinov2, dinov3, moco, lightly, lightly-vit, "
            "vissl, solo-learn, uni, torchgeo-bench, mteb-v1-knn; or as assignment 1 of CS231n, for CIFAR-10: course.",
        ),
    ] = None,
    probe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Evaluate DATA by a published linear probe instead: clip, dinov2, dinov3, uni, mteb, torchgeo-bench, "
            "clip-benchmark.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the results of an earlier run.")] = False,
    strict: Strict = False,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Also read links to files outside a folder of images.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train and compare classifiers on DATA, and write a report.

    Trains k-NN, random search, an SVM and a softmax classifier, and evaluates each once on the test set. If DATA has no
    test set, a fifth of its rows is held out. Writes a folder with report.html, results.json, predictions.csv and the
    trained models.
    """
    from ._checks import parse_options

    options = parse_options(
        data,
        ks=ks,
        metrics=metrics,
        models=models,
        folds=folds,
        limit=limit,
        seed=seed,
        out=path_of(out),
        labels=labels,
        class_names=class_names,
        image_size=image_size,
        force=force,
        preset=preset,
        probe=probe,
        strict=strict,
        follow_links=follow_links,
    )
    from ._progress import Progress
    from ._results import as_json as to_json
    from ._run import run as run_all
    from ._table import closing_lines, print_protocol, print_table, protocol_lines

    show, last_lines = (print_table, closing_lines) if options.protocol is None else (print_protocol, protocol_lines)
    if options.protocol is None:
        finished = run_all(options, Progress())
    else:
        from ._preset import work

        finished = run_all(options, Progress(), work)
    if as_json:
        sys.stdout.write(to_json(finished.results))
    else:
        show(finished.results, sys.stdout)
    for line in last_lines(finished.results, finished.folder, data):
        say(line) if as_json else print(line)
    if finished.results["failures"]:
        raise typer.Exit(1)
    if unreadable := finished.results["unreadable"]:
        for image in unreadable:
            say(f"cannot be read: {printable(image['path'])}: {printable(image['error'])}")
        exit_unreadable(len(unreadable))


@app.command(cls=PlainCommand)
@one_line_errors
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model saved by fastcls run or by save().")],
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA",
            help="One or more images, folders of images, .npy or .npz files, or other data that fastcls run reads, of "
            "which only the test rows are predicted.",
        ),
    ],
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write to this file instead of stdout; an existing file is replaced.")
    ] = None,
    top: Annotated[int, typer.Option(metavar="K", parser=whole_number, help="Write the K best classes of each row.")] = 1,
    every: Annotated[bool, typer.Option("--all", help="Also write the probability (SVM: score) of every class.")] = False,
    labels: Labels = None,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Predict the classes of images or of rows with a saved model.

    Writes CSV: path, label, and probability (SVM: score). If DATA has labels, the accuracy is printed at the end. An image
    that cannot be read gets an error instead of a label, and the exit status is 3. In CSV, a name that begins with =, +, -
    or @ gets an apostrophe in front, so that a spreadsheet does not read it as a formula; JSON has names unchanged.
    """
    from ._predict import predict as predict_all

    options: dict[str, Any] = {"as_json": as_json, "top": top, "every": every, "labels": labels, "strict": strict}
    if n_unreadable := predict_all(model, data, out=path_of(out), **options):
        exit_unreadable(n_unreadable)


@app.command(cls=PlainCommand)
@one_line_errors
def gradcheck(
    data: Data,
    loss: Annotated[str, typer.Option(metavar="NAME", help="One of {losses}.")] = "softmax",
    seed: Seed = 0,
    labels: Labels = None,
) -> None:
    """Compare the compiled gradient of a loss with the numerical one.

    Prints both for entries of the weights, on a few rows of DATA.
    """
    from ._gradcheck import gradcheck as check

    if not check(data, loss, seed=seed, labels=labels):
        raise typer.Exit(1)


demos = typer.Typer(cls=OneLineGroup, rich_markup_mode=None)
app.add_typer(demos, name="demo")
State = Annotated[
    str | None, typer.Option(metavar="TEXT", help="State to start from, as the page's 'Copy as command' gives it.")
]
Port = Annotated[int, typer.Option(metavar="N", parser=port_number, help="Port on 127.0.0.1; 0 takes any free port.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Only print the address; do not open a browser.")]
Export = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write a snapshot to this HTML file instead of serving the demo.")
]
Replace = Annotated[bool, typer.Option("--force", help="Let --export replace an existing file.")]


@demos.callback(invoke_without_command=True)
def demo(context: typer.Context) -> None:
    """Open an interactive demo of the lecture in the browser."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit


@demos.command("knn", cls=PlainCommand)
@one_line_errors
def demo_knn(
    state: State = None, port: Port = 5006, no_browser: NoBrowser = False, export: Export = None, force: Replace = False
) -> None:
    """k nearest neighbours: drag points, and the regions follow."""
    from ._demo import show

    show("knn", state, port, not no_browser, export, force)


@demos.command("linear", cls=PlainCommand)
@one_line_errors
def demo_linear(
    state: State = None, port: Port = 5006, no_browser: NoBrowser = False, export: Export = None, force: Replace = False
) -> None:
    """Linear classifiers: scores, losses, gradient, training steps."""
    from ._demo import show

    show("linear", state, port, not no_browser, export, force)


@app.command(cls=PlainCommand)
@one_line_errors
def info() -> None:
    """Show the build, and the instruction set and libraries in use."""
    from fastcls._config import show_config

    show_config()

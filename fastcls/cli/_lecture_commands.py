"""The commands ``demo`` and ``race`` and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._commands import AsJson, Drop, Labels, OneLineGroup, PlainCommand, Seed, one_line_errors, port_number, whole_number

demos = typer.Typer(cls=OneLineGroup, rich_markup_mode=None)
State = Annotated[
    str | None, typer.Option(metavar="TEXT", help="State to start from, as the page's 'Copy as command' gives it.")
]
Port = Annotated[int, typer.Option(metavar="N", parser=port_number, help="Port on 127.0.0.1; 0 takes any free port.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Only print the address; do not open a browser.")]
Export = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write the demo to this HTML file, which needs no server.")
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


races = typer.Typer(cls=OneLineGroup, rich_markup_mode=None)
Images = Annotated[
    str | None,
    typer.Argument(
        metavar="[DATA]",
        help="digits (scikit-learn's images), or a path to images (default: pieces of two photographs): {layouts}.",
        show_default=False,
    ),
]
Rows = Annotated[int, typer.Option(metavar="N", parser=whole_number, help="Use at most N training rows.")]
Steps = Annotated[int, typer.Option(metavar="N", parser=whole_number, help="Steps of gradient descent.")]


@races.callback(invoke_without_command=True)
def race(context: typer.Context) -> None:
    """Let the lecture's loop run against NumPy and the compiled core."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit


@races.command("knn", cls=PlainCommand)
@one_line_errors
def race_knn(
    data: Images = None,
    metric: Annotated[str, typer.Option(metavar="NAME", help="l2, or l1: the slide's own loop.")] = "l2",
    rows: Rows = 5000,
    queries: Annotated[int, typer.Option(metavar="N", parser=whole_number, help="Use at most N test rows.")] = 50,
    labels: Labels = None,
    drop: Drop = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Find the nearest training row of every test row.

    Two loops, one loop and no loops in NumPy against brute force and the filter of fastcls. All lanes do all of the work, in
    turns, and their answers are compared. The exit status is 1 if they differ.
    """
    from ._race import race

    if not race(
        "knn", data, labels=labels, drop=drop, rows=rows, queries=queries, metric=metric, seed=seed, as_json=as_json
    ):
        raise typer.Exit(1)


@races.command("svm", cls=PlainCommand)
@one_line_errors
def race_svm(
    data: Images = None,
    rows: Rows = 5000,
    steps: Steps = 10,
    labels: Labels = None,
    drop: Drop = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Train a multiclass SVM by gradient descent: loops, NumPy and fastcls.

    All lanes do all of the work, in turns, and their losses and gradients are compared. The exit status is 1 if they differ.
    """
    from ._race import race

    if not race("svm", data, labels=labels, drop=drop, rows=rows, steps=steps, seed=seed, as_json=as_json):
        raise typer.Exit(1)


@races.command("softmax", cls=PlainCommand)
@one_line_errors
def race_softmax(
    data: Images = None,
    rows: Rows = 5000,
    steps: Steps = 10,
    labels: Labels = None,
    drop: Drop = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Train a softmax classifier by gradient descent: loops, NumPy and fastcls.

    All lanes do all of the work, in turns, and their losses and gradients are compared. The exit status is 1 if they differ.
    """
    from ._race import race

    if not race("softmax", data, labels=labels, drop=drop, rows=rows, steps=steps, seed=seed, as_json=as_json):
        raise typer.Exit(1)

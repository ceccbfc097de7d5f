"""The commands and their options. Each command calls a plain function of another module."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fastcls._validation.messages import printable

from ._commands import (
    AsJson,
    Drop,
    Labels,
    OneLineGroup,
    PlainCommand,
    Seed,
    exit_unreadable,
    one_line_errors,
    path_of,
    refuse_archives,
    whole_number,
)
from ._lecture_commands import demos, races
from ._streams import say

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


Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="digits (scikit-learn's images), or a path: {layouts}. PATH:COLUMN is one column of lists, or one array, of a "
        "file that has several.",
    ),
]
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
Csv = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Add one line for each result to this CSV file, unless the same line is there."),
]


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
    drop: Drop = None,
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
            help="Evaluate DATA by a published linear probe instead: clip, dinov2, dinov3, uni, uni-torch, mteb, "
            "torchgeo-bench, clip-benchmark.",
        ),
    ] = None,
    year: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=whole_number,
            help="Year of the course, with --preset course: since 2025 there is no SVM, and softmax has other settings.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the results of an earlier run.")] = False,
    strict: Strict = False,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Also read links to files outside a folder of images.")
    ] = False,
    lecture: Annotated[
        bool, typer.Option("--lecture", help="End the report with the lecture's figures, drawn from DATA.")
    ] = False,
    csv: Csv = None,
    as_json: AsJson = False,
) -> None:
    """Train and compare classifiers on DATA, and write a report.

    Trains k-NN, random search, an SVM and a softmax classifier, and evaluates each once on the test set. If DATA has no
    test set, a fifth of its rows is held out. Writes a folder with report.html, results.json, predictions.csv and the
    trained models.
    """
    refuse_archives([data])
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
        drop=drop,
        class_names=class_names,
        image_size=image_size,
        force=force,
        preset=preset,
        probe=probe,
        year=year,
        strict=strict,
        follow_links=follow_links,
        lecture=lecture,
    )
    table = path_of(csv, "--csv")
    if table is not None:
        from fastcls._scoring.table import check_csv

        check_csv(table)
    from ._progress import Progress
    from ._results import add_to_csv, table_of
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
    if table is not None:
        say(add_to_csv(table_of(finished.results), table))
    for line in last_lines(finished.results, finished.folder, data, labels, options.drop):
        say(line) if as_json else print(line)
    if finished.results["failures"]:
        raise typer.Exit(1)
    if unreadable := finished.results["unreadable"]:
        for image in unreadable:
            say(f"cannot be read: {printable(image['path'])}: {printable(image['error'])}")
        exit_unreadable(len(unreadable))


@app.command(cls=PlainCommand)
@one_line_errors
def compare(
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="DATA",
            help="Two or more files or folders of the same rows, each as PATH or NAME=PATH; whatever fastcls run reads. "
            "PATH:COLUMN is one column or array of a file that has several: feats.parquet:clip feats.parquet:dino.",
        ),
    ],
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME",
            help="Labels of the rows: .npy, .npz, .csv, .parquet, .h5, .safetensors or .txt (FILE:COLUMN for one of several "
            "columns or arrays), or the name of the array or column of DATA that has them (default: those of DATA).",
        ),
    ] = None,
    drop: Drop = None,
    test: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Test rows of each DATA, in the same order: --test once for each, or with commas (default: hold out a "
            "fifth of the rows; see --folds). The COLUMN of a PATH:COLUMN is taken there too.",
        ),
    ] = None,
    test_labels: Annotated[str | None, typer.Option(metavar="FILE|NAME", help="Labels of the test rows.")] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Protocols: the presets of fastcls run (dino), its probes as NAME-probe (dinov2-probe), and uni-few-shot, "
            "dinov2-few-shot, dinov3-few-shot, mteb-few-shot (default: dino,clip-probe,mteb-few-shot).",
        ),
    ] = None,
    n_per_class: Annotated[
        str | None,
        typer.Option(
            metavar="1,2,4", help="Training rows of each class of the few-shot protocols, or shares such as 1%,10%."
        ),
    ] = None,
    tries: Annotated[
        int | None, typer.Option(metavar="N", parser=whole_number, help="Tries of the few-shot protocols (default: 10).")
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(metavar="N", parser=whole_number, help="Test every row once, in N folds, instead of a hold-out."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", parser=whole_number, help="Use at most N rows, and at most N test rows.")
    ] = None,
    seed: Seed = 0,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Folder for report.html, results.json and finished parts; a second run with it skips what is there.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the results of a comparison of other data.")] = False,
    csv: Csv = None,
    as_json: AsJson = False,
) -> None:
    """Compare representations: the same rows, protocols and draws, paired tests, one report.

    Evaluates every DATA by k-NN, a linear probe and few-shot learning, and compares every two of them on the same test rows
    (paired tests, corrected by Holm's method).
    """
    refuse_archives([*data, *(test or ())])
    from ._compare_options import parse_compare_options

    options = parse_compare_options(
        data,
        labels=labels,
        drop=drop,
        test=test or (),
        test_labels=test_labels,
        preset=preset,
        n_per_class=n_per_class,
        tries=tries,
        folds=folds,
        limit=limit,
        seed=seed,
        out=path_of(out),
        csv=path_of(csv, "--csv"),
        force=force,
    )
    from ._compare import closing_lines as last_lines
    from ._compare import compare as compare_all
    from ._compare_table import print_comparison
    from ._progress import Progress
    from ._results import add_to_csv
    from ._results import as_json as to_json

    results, table = compare_all(options, Progress())
    if as_json:
        sys.stdout.write(to_json(results))
    else:
        print_comparison(results, sys.stdout)
    for line in last_lines(results, options.out):
        say(line) if as_json else print(line)
    if options.csv is not None:  # last: if it fails, everything else is there
        say(add_to_csv(table, options.csv))


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
    drop: Drop = None,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Predict the classes of images or of rows with a saved model.

    Writes CSV: path, label, and probability (SVM: score). If DATA has labels, the accuracy is printed at the end. An image
    that cannot be read gets an error instead of a label, and the exit status is 3. In CSV, a name that begins with =, +, -
    or @ gets an apostrophe in front, so that a spreadsheet does not read it as a formula; JSON has names unchanged.
    """
    refuse_archives(data)
    from ._predict import predict as predict_all

    options: dict[str, Any] = {
        "as_json": as_json,
        "top": top,
        "every": every,
        "labels": labels,
        "drop": drop,
        "strict": strict,
    }
    if n_unreadable := predict_all(model, data, out=path_of(out), **options):
        exit_unreadable(n_unreadable)


@app.command(cls=PlainCommand)
@one_line_errors
def gradcheck(
    data: Data,
    loss: Annotated[str, typer.Option(metavar="NAME", help="One of {losses}.")] = "softmax",
    seed: Seed = 0,
    labels: Labels = None,
    drop: Drop = None,
) -> None:
    """Compare the compiled gradient of a loss with the numerical one.

    Prints both for entries of the weights, on a few rows of DATA.
    """
    refuse_archives([data])
    from ._gradcheck import gradcheck as check

    if not check(data, loss, seed=seed, labels=labels, drop=drop):
        raise typer.Exit(1)


@app.command(cls=PlainCommand)
@one_line_errors
def check(
    files: Annotated[list[str], typer.Argument(metavar="FILES...", help="Python files, one for each learner.")],
    year: Annotated[
        int | None,
        typer.Option(
            metavar="YEAR",
            parser=whole_number,
            help="Year of the course. Until 2016 the penalty was 0.5 reg sum W^2; since 2025 there is no SVM.",
        ),
    ] = None,
    timeout: Annotated[
        int, typer.Option(metavar="SECONDS", parser=whole_number, help="Processor time for each function.")
    ] = 30,
    memory: Annotated[int, typer.Option(metavar="MB", parser=whole_number, help="Memory of each process.")] = 4096,
    as_json: AsJson = False,
) -> None:
    """Check learners' code for the course's first assignment (CS231n).

    Finds the functions by their names, compares values, gradients and times with those of fastcls, and names the likely
    mistakes. This runs the code of the files, each in a process of its own with limits of time and memory, which stop
    accidents but not malicious code. The exit status is 1 if something is wrong.
    """
    from ._student_files import check_files

    if not check_files(files, year=year, timeout=timeout, memory=memory, as_json=as_json):
        raise typer.Exit(1)


app.add_typer(demos, name="demo")
app.add_typer(races, name="race")


@app.command(cls=PlainCommand)
@one_line_errors
def info() -> None:
    """Show the build, and the instruction set and libraries in use."""
    from fastcls._config import show_config

    show_config()

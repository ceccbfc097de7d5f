"""The parts of the report with figures: how settings were chosen, and what models learned.

Each function takes an `Outcome` and returns what ``report.html.j2`` lays out. Models that were not run are left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcls import display
from fastcls.cli._checks import MODELS
from fastcls.cli._outcome import Outcome
from fastcls.cli._words import counted, percent, points, seconds
from fastcls.display import style
from fastcls.metrics import label as metric_name

from ._figures import draw
from ._protocol import choice_of_rate

SHOWN_NEIGHBORS = 5
#: columns of a sweep's table: key -> heading
SWEEP_COLUMNS = {
    "alpha": "alpha",
    "training_accuracy": "training",
    "validation_accuracy": "validation",
    "validation_loss": "validation loss",
}


def choices(outcome: Outcome) -> list[dict[str, Any]]:
    """Return how k, alpha and the random W were chosen: one block per model."""
    is_course = "protocol" in outcome.results  # the only protocol that chooses among settings
    models = outcome.models if is_course else outcome.results["models"]
    found = []
    if outcome.selection is not None and "knn" in models:
        found += outcome.drawn("how k was chosen", _choice_of_k, outcome)
    if outcome.random_search_best is not None and "random_search" in models:
        found += outcome.drawn("how W was chosen", _choice_of_w, outcome)
    for name, sweep in outcome.sweeps.items():
        if name in models and sweep and is_course:
            found += [choice_of_rate(MODELS[name], sweep)]
        elif name in models and sweep:
            found += outcome.drawn(
                f"how alpha of {MODELS[name]} was chosen",
                _choice_of_alpha,
                outcome,
                name,
                sweep,
                models[name].get("validation_rows"),
            )
    return found


def _choice_of_k(outcome: Outcome) -> dict[str, Any]:
    selection: Any = outcome.selection
    metric, k = selection.best_metric, int(selection.best_k)
    ks, mean, std = np.asarray(selection.ks), selection.mean(metric), selection.std(metric)
    where = int(np.flatnonzero(ks == k)[0])
    n_left_out = selection.n_left_out
    n_folds = selection.fold_accuracy[metric].shape[1]
    folds = f"{n_folds} folds" if n_left_out is None else f"{counted(n_left_out, 'row')}, each left out once"
    measure = "standard deviation" if n_left_out is None else "standard error"
    deviation = std[where] / (n_left_out or 1) ** 0.5
    n_pairs = len(ks) * len(selection.metrics)
    if n_pairs == 1:
        sentence = f"Only k = {k} under {metric_name(metric)} was tried: mean accuracy {percent(mean[where])} over {folds}."
    else:
        n_equal = sum(int((selection.mean(name) == mean[where]).sum()) for name in selection.metrics) - 1
        sentence = (
            f"k\u00a0=\u00a0{k} under {metric_name(metric)} has the highest mean accuracy of {n_pairs} pairs of k and "
            f"metric: {percent(mean[where])} over {folds} ({measure} {points(deviation)})."
        )
        if n_equal:
            others = "One other pair has" if n_equal == 1 else f"{n_equal} other pairs have"
            sentence += f" {others} the same accuracy; ties go to the first metric, then to the smallest k."
        elif len(ks) > 1:
            near = int((mean >= mean[where] - deviation).sum()) - 1  # without the chosen one
            verb = "is" if near == 1 else "are"
            sentence += (
                f" Of the {len(ks) - 1} other values of k under {metric_name(metric)}, {near or 'none'} {verb} within one "
                f"{measure}."
            )
    if len(ks) == 1:
        return {"name": MODELS["knn"], "sentence": sentence, "figures": [], "rows": [], "columns": []}
    figures = outcome.drawn("accuracy against k", _k_figure, selection)
    return {"name": MODELS["knn"], "sentence": sentence, "figures": figures, "rows": [], "columns": []}


def _k_figure(selection: Any) -> dict[str, Any]:
    return {
        "svg": draw(lambda: display.CrossValidationDisplay.from_selection(selection).plot(), "accuracy against k"),
        "caption": "Each point is one fold. The line joins the means; the bars are one standard deviation over the folds."
        if selection.n_left_out is None
        else "Each training row is predicted from all others. The bars are one standard error.",
    }


def _choice_of_w(outcome: Outcome) -> dict[str, Any]:
    best, entry = outcome.random_search_best, outcome.results["models"]["random_search"]
    assert best is not None
    first, last = style.apart(float(best[0]), float(entry["best_loss"]))
    sentence = (
        f"{entry['tries']:,} random weight matrices W were tried. The one with the smallest loss on the training rows was "
        f"kept: {last}, from {first} at the first try."
    )
    figures = outcome.drawn("the loss of random search", _w_figure, best)
    return {"name": MODELS["random_search"], "sentence": sentence, "rows": [], "columns": [], "figures": figures}


def _w_figure(best: np.ndarray) -> dict[str, Any]:
    svg = draw(lambda: display.LossHistoryDisplay.from_best_values(best).plot(), "best loss so far of random search")
    return {"svg": svg, "caption": "Each step down is a better W. Improvements soon become rare."}


def _choice_of_alpha(outcome: Outcome, name: str, sweep: list[dict[str, Any]], n_rows: int | None) -> dict[str, Any]:
    columns = [key for key in SWEEP_COLUMNS if key in sweep[0]]
    rows = [{"cells": [_sweep_cell(key, row[key]) for key in columns], "chosen": bool(row.get("chosen"))} for row in sweep]
    chosen = next((row for row in sweep if row.get("chosen")), None)
    held_out = counted(n_rows, "held-out training row") if n_rows else "held-out training rows"
    sentence = f"{len(sweep)} values of alpha, the strength of the penalty, were compared on {held_out}."
    if chosen is not None:
        accuracy = percent(chosen["validation_accuracy"])
        n_equal = sum(row["validation_accuracy"] == chosen["validation_accuracy"] for row in sweep)
        value = f"alpha\u00a0=\u00a0{chosen['alpha']:g}"
        sentence += f" {value} has the highest accuracy, {accuracy}"
        if n_equal > 1:
            n_least = sum(
                (row["validation_accuracy"], row["validation_loss"])
                == (chosen["validation_accuracy"], chosen["validation_loss"])
                for row in sweep
            )
            others = "one other has" if n_equal == 2 else f"{n_equal - 1} others have"
            sentence += f"; {others} the same, and the tie goes to the smallest loss"
            if n_least > 1:
                sentence += ", then to the strongest penalty"
        sentence += "."
    headings = [SWEEP_COLUMNS[key] for key in columns]
    figures = outcome.drawn(f"the penalty of {MODELS[name]}", _penalty_figure, name, sweep) if len(sweep) > 1 else []
    return {"name": MODELS[name], "sentence": sentence, "figures": figures, "rows": rows, "columns": headings}


def _penalty_figure(name: str, sweep: list[dict[str, Any]]) -> dict[str, Any]:
    trained = [row["training_accuracy"] for row in sweep if "training_accuracy" in row]
    figure = display.RegularizationDisplay.from_sweep(
        [row["alpha"] for row in sweep],
        [row["validation_accuracy"] for row in sweep],
        next(row["alpha"] for row in sweep if row["chosen"]),
        trained if len(trained) == len(sweep) else None,
    )
    return {
        "svg": draw(figure.plot, f"accuracy of {MODELS[name]} on training and held-out rows against alpha"),
        "caption": "A small alpha lets W fit every training row; a large one keeps W small. Where the training rows are far "
        "above the held-out rows, the model has learned rows by heart.",
    }


def _sweep_cell(key: str, value: Any) -> str:
    if key.endswith("accuracy"):
        return percent(value)
    if key.endswith("seconds"):
        return seconds(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def figures(outcome: Outcome) -> list[dict[str, Any]]:
    """Return the figures of neighbours, templates and losses that this run has."""
    found = []
    if outcome.dataset.image_shape is not None:
        if outcome.neighbors is not None and "knn" in outcome.models:
            found += outcome.drawn("nearest training images", _neighbors_figure, outcome)
        for name in MODELS:
            if name in outcome.models and name != "knn":
                found += outcome.drawn(f"templates of {MODELS[name]}", _templates_figure, outcome, name)
    for name in ("svm", "softmax"):
        if len(getattr(outcome.models.get(name), "loss_history_", ())):
            found += outcome.drawn(f"the loss of {MODELS[name]}", _loss_figure, outcome, name)
    return found


def _neighbors_figure(outcome: Outcome) -> dict[str, Any]:
    data = outcome.dataset
    assert outcome.neighbors is not None
    assert data.X_test is not None
    assert data.y_test is not None
    queries, distances, indices = (np.asarray(part) for part in outcome.neighbors)
    figure = display.NeighborsDisplay.from_neighbors(
        data.X_test[queries],
        distances[:, :SHOWN_NEIGHBORS],
        indices[:, :SHOWN_NEIGHBORS],
        y=data.y_test[queries],
        X_train=data.X,
        y_train=data.y,
        image_shape=data.image_shape,
        class_names=data.class_names,
        y_pred=outcome.predictions["knn"][queries] if "knn" in outcome.predictions else None,
    )
    entry = outcome.results["models"].get("knn", {})
    metric = f" under {metric_name(entry['metric'])}" if "metric" in entry else ""
    voters = f" The prediction is the vote with k = {entry['k']}." if "k" in entry else ""
    return {
        "name": f"{MODELS['knn']}: nearest training images",
        "svg": draw(figure.plot, "test images and their nearest training images"),
        "caption": f"Class and distance{metric} of each neighbour. ✓ and a solid frame: the true class of the test image. "
        f"✗ and a dashed frame: another class.{voters}",
    }


def _templates_figure(outcome: Outcome, name: str) -> dict[str, Any]:
    data, model = outcome.dataset, outcome.models[name]
    if hasattr(model, "coef_"):
        figure = display.TemplatesDisplay.from_estimator(model, image_shape=data.image_shape, class_names=data.class_names)
    else:
        names = [data.class_names[code] for code in np.unique(data.y)]
        figure = display.TemplatesDisplay.from_weights(model.W, image_shape=data.image_shape, class_names=names)
    caption = "The weights of each class, one for each pixel. All classes share one colour scale."
    if name == "random_search":
        caption += " These weights were drawn at random, and the best of many draws is still noise."
    return {
        "name": f"{MODELS[name]}: templates",
        "svg": draw(figure.plot, f"templates of {MODELS[name]}"),
        "caption": caption,
    }


def _loss_figure(outcome: Outcome, name: str) -> dict[str, Any]:
    if "protocol" in outcome.results:  # the course's: one number a batch
        history, quantity = outcome.models[name].loss_history_, "loss of the batch plus penalty"
        figure = display.LossHistoryDisplay(history, name=MODELS[name], step="iteration", quantity=quantity)
        caption = "Loss of each batch plus penalty, before its own step: most of the beginning is the penalty."
    else:
        figure = display.LossHistoryDisplay.from_estimator(outcome.models[name], name=MODELS[name])
        caption = (
            "Loss plus penalty, averaged over the minibatches of each epoch. Each is computed before its own step, so the "
            "curve lags slightly behind the model at the end of the epoch."
        )
    return {
        "name": f"{MODELS[name]}: loss during training",
        "svg": draw(figure.plot, f"loss of {MODELS[name]} in each {figure.step}"),
        "caption": caption,
    }

"""Compute and draw every figure of docs/displays.md: ``python docs/make_figures.py [FOLDER]``.

Nothing is downloaded: the images are scikit-learn's digits, and the lecture's own numbers.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from fastcls import KNeighborsClassifier, LinearProblem, SoftmaxClassifier, display
from fastcls.datasets import load_digits
from fastcls.model_selection import cross_validate_k
from fastcls.protocols import compare, few_shot

DPI = 220  # for screens of twice the density; the site shows 110 dots an inch
#: the lecture's table: scores of three images (rows) for the classes of CIFAR-10, and their true classes
SCORES = [
    [-3.45, -8.87, 0.09, 2.9, 4.48, 8.02, 3.78, 1.06, -0.36, -0.72],
    [-0.51, 6.04, 5.31, -4.22, -4.19, 3.58, 4.49, -4.37, -2.09, -2.93],
    [3.42, 4.64, 2.65, 5.1, 2.64, 5.55, -4.34, -1.5, -4.79, 6.14],
]
TRUE = [3, 1, 6]
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def noisy_curve(n: int, seed: int, degree: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Random points of a line as Legendre polynomials; the class is the sign, wrong for one point in seven."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, n)
    y = ((x > 0) ^ (rng.random(n) < 1 / 7)).astype(np.int64)
    return np.polynomial.legendre.legvander(x, degree)[:, 1:], y


def plane(n: int = 60, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Three overlapping clouds of points."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    return np.array([[0, 0], [2, 0.5], [0.8, 1.8]])[y] + rng.normal(0, 0.75, (n, 2)), y


def representations(X: np.ndarray) -> dict[str, np.ndarray]:
    """The digits as they are, as 4 x 4 sums of 2 x 2 pixels, and through a random layer."""
    filters = np.random.default_rng(0).standard_normal((X.shape[1], 48))
    coarse = X.reshape(-1, 4, 2, 4, 2).sum(axis=(2, 4)).reshape(-1, 16)
    return {"pixels": X, "4 x 4 pixels": coarse, "random layer": np.maximum(X @ filters, 0).astype(np.float32)}


def displays() -> dict[str, Callable[..., Any]]:
    """File name -> function that plots the display, which is computed."""
    data = load_digits()
    X, y, X_test, y_test = data.X[:1400], data.y[:1400], data.X[1400:], data.y[1400:]
    names, shape = data.class_names, data.image_shape
    knn, softmax = KNeighborsClassifier(3).fit(X, y), SoftmaxClassifier(random_state=0).fit(X, y)
    points, classes = plane()
    problem = LinearProblem(X, y, loss="softmax", alpha=1e-3, center=X.mean(axis=0), scale=float(X.std()))
    W = np.zeros(problem.shape)
    rng = np.random.default_rng(0)
    across = rng.normal(size=W.shape)
    across /= np.linalg.norm(across)
    down = -problem.value_and_gradient(W)[1]
    down /= np.linalg.norm(down)
    selection = cross_validate_k(X, y, ks=range(1, 16), metrics=("l1", "l2"), cv=5, random_state=0)
    by_fold = selection.fold_accuracy[selection.best_metric][selection.best_index]
    train, new = noisy_curve(24, 3), noisy_curve(4000, 2)
    return {
        "neighbors": display.NeighborsDisplay.from_estimator(
            knn, X_test[:4], y_test[:4], X_train=X, y_train=y, image_shape=shape, class_names=names
        ).plot,
        "cross-validation": display.CrossValidationDisplay.from_selection(selection).plot,
        "label-efficiency": display.LabelEfficiencyDisplay.from_tables(
            {
                words: few_shot(
                    X, y, X_test, y_test, classifier=name, n_per_class=[1, 2, 4, 8, 16, 1.0], n_tries=10, random_state=0
                )
                for name, words in (("mean", "nearest class mean"), ("knn", "k-NN"), ("linear", "logistic regression"))
            }
        ).plot,
        "accuracy": display.AccuracyDisplay.from_comparison(
            compare(representations(data.X), data.y, presets=["dino", "uni-probe", "mteb-few-shot"], n_per_class=8)
        ).plot,
        "folds": display.FoldsDisplay.from_labels(y, cv=5, random_state=0, n_test=len(y_test), accuracy=by_fold).plot,
        "regions-l1": display.DecisionRegionDisplay.from_points(points, classes, k=5, metric="l1").plot,
        "regions-l2": display.DecisionRegionDisplay.from_points(points, classes, k=5, metric="l2").plot,
        "templates": display.TemplatesDisplay.from_estimator(softmax, image_shape=shape, class_names=names).plot,
        "loss-history": display.LossHistoryDisplay.from_estimator(softmax, name="softmax").plot,
        "loss-line": display.LossSliceDisplay.from_problem(problem, W, span=4.0).plot,
        "loss-plane": display.LossSliceDisplay.from_problem(problem, W, down, across, span=8.0, n=25).plot,
        "scores": display.ScoresDisplay.from_predictions(
            TRUE, SCORES, class_names=CIFAR10, sample_names=("a cat", "a car", "a frog")
        ).plot,
        "curse": display.CurseDisplay.from_uniform(random_state=0).plot,
        "same-distance": display.SameDistanceDisplay.from_image(X[0], image_shape=shape).plot,
        "challenges": display.ChallengesDisplay.from_estimators(
            {"3-NN": knn, "softmax": softmax}, X_test, y_test, image_shape=shape, random_state=0
        ).plot,
        "regularization": display.RegularizationDisplay.from_data(
            *train, *new, alphas=(0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
        ).plot,
        "calibration": display.CalibrationDisplay.from_confidence(
            softmax.predict_proba(X_test).max(axis=1), softmax.predict(X_test) == y_test, name="softmax"
        ).plot,
        "confusion": partial(display.plot_confusion, y_test, knn.predict(X_test), class_names=names),
    }


def main(folder: Path) -> None:
    """Write each figure as a PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, plot in displays().items():
        picture = BytesIO()
        plot().figure_.savefig(picture, format="png", dpi=DPI, metadata={"Software": None})
        keep(picture.getvalue(), folder / f"{name}.png")


def keep(png: bytes, path: Path) -> None:
    """Write a figure with a palette of 128 colours: it looks like true colours, at a third of the size."""
    from PIL import Image

    picture = Image.open(BytesIO(png)).convert("RGB")
    picture.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True, dpi=(DPI, DPI))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent / "figures")
    main(parser.parse_args().folder)

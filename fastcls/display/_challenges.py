"""The lecture's challenges of recognition, applied to real images at increasing strength."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastcls._validation.base import RandomState, check_number, seed_of
from fastcls._validation.errors import InputError
from fastcls.neighbors import pairwise_distances

from . import _style as style
from ._context import in_context, sizes
from ._style import Drawn
from ._validation import as_labels, as_line, as_table, check_can, check_image_shape, check_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import ArrayLike, NDArray

Images = np.ndarray  # (n, h, w, c) float64
STRENGTHS = (0.0, 1.0, 2.0, 3.0, 4.0)


def viewpoint(images: Images, strength: float, rng: np.random.Generator, white: float) -> Images:
    """Shift to the right by ``strength`` pixels, repeating the left edge."""
    by = int(strength)
    columns = np.maximum(np.arange(images.shape[2]) - by, 0)
    return images[:, :, columns]


def illumination(images: Images, strength: float, rng: np.random.Generator, white: float) -> Images:
    """Add a tenth of white for each unit of strength."""
    return np.minimum(images + 0.1 * strength * white, white)


def deformation(images: Images, strength: float, rng: np.random.Generator, white: float) -> Images:
    """Warp by a smooth random displacement field whose root mean square is ``strength`` times 2 % of the height."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    n, height, width, channels = images.shape
    grid = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij")).astype(float)
    found = np.empty_like(images)
    for i in range(n):
        field = np.stack([gaussian_filter(rng.normal(size=(height, width)), height / 8, mode="reflect") for _ in range(2)])
        field *= 0.02 * strength * height / np.sqrt((field**2).mean())
        for c in range(channels):
            found[i, :, :, c] = map_coordinates(images[i, :, :, c], grid + field, order=1, mode="nearest")
    return found


def occlusion(images: Images, strength: float, rng: np.random.Generator, white: float) -> Images:
    """Cover a random square with grey; its side is ``strength`` eighths of the height."""
    found = images.copy()
    side = round(strength * images.shape[1] / 8)
    for image in found:
        top, left = (int(rng.integers(0, n - side + 1)) if n > side else 0 for n in image.shape[:2])
        image[top : top + side, left : left + side] = white / 2
    return found


def clutter(images: Images, strength: float, rng: np.random.Generator, white: float) -> Images:
    """Outside a central disc, mix in another image: a quarter for each unit of strength."""
    n, height, width, _ = images.shape
    up, across = np.ogrid[:height, :width]
    radius = np.hypot((up - (height - 1) / 2) / height, (across - (width - 1) / 2) / width)
    share = 0.25 * strength * (radius > 0.33)[None, :, :, None]
    return (1 - share) * images + share * np.roll(images, 1 + n // 3, axis=0)


#: name -> function that alters images with a strength from 0 (unchanged) to 4
CHALLENGES: dict[str, Callable[[Images, float, np.random.Generator, float], Images]] = {
    "viewpoint": viewpoint,
    "illumination": illumination,
    "deformation": deformation,
    "occlusion": occlusion,
    "clutter": clutter,
}


class ChallengesDisplay(Drawn):
    """For each challenge an image at every strength, the accuracy of every model, and the distance to the original.

    Parameters
    ----------
    examples : mapping of challenge to an array of shape (n_strengths, height, width, channels)
    accuracy : mapping of challenge to a mapping of model name to an array of shape (n_strengths,)
    distance : mapping of challenge to an array of shape (n_strengths,)
        Mean L2 distance of an altered image from its original.
    reference_distance : float
        Mean L2 distance between two images of one class (intraclass variation) or, without labels, between any two.
    strengths : array of shape (n_strengths,)
    labelled : bool
        If False, "accuracy" is agreement with the prediction for the unaltered image.

    Attributes
    ----------
    figure_, axes_ : present after ``plot``
    """

    axes_: NDArray[Any]

    def __init__(
        self,
        examples: Mapping[str, NDArray[Any]],
        accuracy: Mapping[str, Mapping[str, NDArray[Any]]],
        distance: Mapping[str, NDArray[Any]],
        reference_distance: float,
        strengths: NDArray[Any],
        labelled: bool = True,
    ) -> None:
        self.examples = dict(examples)
        self.accuracy = dict(accuracy)
        self.distance = dict(distance)
        self.reference_distance = reference_distance
        self.strengths = strengths
        self.labelled = labelled

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, Any],
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        image_shape: Sequence[int] | None,
        strengths: Sequence[float] = STRENGTHS,
        random_state: RandomState = None,
    ) -> ChallengesDisplay:
        """Alter the images X (n, n_features), uint8, and let fitted estimators classify them.

        Without labels, each estimator is compared with its own predictions for the unaltered images, so no test label is
        used.

        Parameters
        ----------
        estimators : dict of str to fitted estimator
        X : array-like of shape (n, n_features), uint8
        y : array-like of shape (n,), optional
            True labels.
        image_shape : (height, width, channels)
        strengths : sequence of float
            Strengths of each alteration.
        random_state : int, RandomState or None
            For the random alterations.

        Returns
        -------
        ChallengesDisplay

        Raises
        ------
        InputError
            If the rows are not images of bytes, or if there is no estimator with ``predict``.
        """
        seed = seed_of(random_state)
        models = check_mapping(estimators, "estimators", "names and fitted estimators")
        for model in models.values():
            check_can(model, "predict")
        rows = np.ascontiguousarray(as_table(X, "X"))
        shape = check_image_shape(image_shape, rows.shape[1])
        steps = as_line(strengths, "strengths")
        for strength in steps.tolist():
            check_number("strengths", strength, minimum=0)
        if rows.dtype != np.uint8:
            raise InputError(f"X is {rows.dtype}; wanted images as uint8")
        labels = np.zeros(len(rows)) if y is None else as_labels(y, len(rows))
        truth = {name: e.predict(rows) if y is None else labels for name, e in models.items()}
        white = style.grey_range(rows)[1]
        images = rows.reshape(-1, *shape).astype(np.float64)
        examples, accuracy, distance = {}, {}, {}
        for name, alter in CHALLENGES.items():
            altered_images, distances = [], []
            shares: dict[str, list[float]] = {model: [] for model in models}
            for strength in steps.tolist():
                rng = np.random.default_rng(seed)
                altered = np.clip(np.rint(alter(images, strength, rng, white)), 0, 255).astype(np.uint8).reshape(rows.shape)
                altered_images.append(altered[0].reshape(shape))
                squares = np.square(altered - images.reshape(rows.shape)).sum(
                    axis=1
                )  # exact, because these are whole numbers
                distances.append(float(np.sqrt(squares).mean()))
                for model, estimator in models.items():
                    shares[model].append(float((estimator.predict(altered) == truth[model]).mean()))
            examples[name], distance[name] = np.stack(altered_images), np.array(distances)
            accuracy[name] = {model: np.array(values) for model, values in shares.items()}
        return cls(examples, accuracy, distance, _mean_distance(rows, labels), steps, y is not None)

    @in_context
    def plot(self, figure: Figure | SubFigure | None = None, *, context: str = "paper") -> ChallengesDisplay:
        """Draw into ``figure``, or into a new one.

        Parameters
        ----------
        figure : matplotlib figure or subfigure, optional
            Without it a new figure is created.
        context : {"paper", "talk"}
            "talk": a slide of 13.3 x 7.5 inches (16:9), with type and lines for a projector. In given axes or figures, only
            type and lines are larger.

        Returns
        -------
        self
            With ``figure_`` set.
        """
        self.figure_ = style.figure_for(figure, 1.25 * len(self.examples) + 0.9)
        n_lines = len(self.examples)
        # in a talk the words stand beside the images, which leaves more height for these
        ratios = (0.62, 1.5, 1) if sizes.is_talk else (1.25, 1)
        grid = self.figure_.add_gridspec(n_lines, len(ratios), width_ratios=ratios)
        axes = []
        low, high = style.grey_range(np.stack(list(self.examples.values())))
        for row, name in enumerate(self.examples):
            strip, lines = self.figure_.add_subplot(grid[row, -2]), self.figure_.add_subplot(grid[row, -1])
            axes.append((strip, lines))
            tiles = [style.to_rgb(image, low, high) for image in self.examples[name]]
            gap = np.full((tiles[0].shape[0], max(1, tiles[0].shape[1] // 10), 3), 255, np.uint8)
            joined = np.concatenate([part for tile in tiles for part in (tile, gap)][:-1], axis=1)
            strip.imshow(joined, interpolation="none")
            style.bare(strip)
            share = self.distance[name][-1] / self.reference_distance if self.reference_distance else 0.0
            if sizes.is_talk:
                self._write_beside(self.figure_.add_subplot(grid[row, 0]), name, share)
            else:
                title = f"{style.shorten(name)}, strength {self.strengths[0]:g} to {self.strengths[-1]:g}"
                strip.set_title(title, fontsize=sizes.small, **style.LITERAL)
                strip.set_xlabel(f"distance at {self.strengths[-1]:g}: {share:.0%} of mean distance", fontsize=sizes.tiny)
            names, drawn = style.distinct(list(self.accuracy[name])), []
            for i, values in enumerate(self.accuracy[name].values()):
                colour, marker, line = style.series(i)
                look: dict[str, Any] = {"color": colour, "ms": sizes.of(3.5), "lw": sizes.of(1.3)}
                drawn += lines.plot(self.strengths, 100 * values, marker + line, label=names[i], **look)
            lines.set(ylim=(0, 103), xticks=self.strengths, yticks=(0, 50, 100))
            lines.tick_params(labelsize=sizes.tiny)
            lines.grid(True, lw=sizes.of(0.5), alpha=0.6)
            accuracy = "accuracy (%)" if self.labelled else "same (%)"
            if not sizes.is_talk:
                lines.set_ylabel(accuracy, fontsize=sizes.small)
            elif row == 0:
                lines.set_title(accuracy, fontsize=sizes.small)
            if sizes.is_talk and row < n_lines - 1:
                lines.set_xticklabels([])
        axes[-1][1].set_xlabel("strength", fontsize=sizes.small)
        n_columns = style.columns_of(names, 72 * 0.95 * sizes.width, most=4)
        style.legend(self.figure_, drawn, names, loc="outside lower center", ncols=n_columns)
        title = "The same images, altered"
        if sizes.is_talk:
            title += f"; distance at strength {self.strengths[-1]:g} in % of the mean distance"
        self.figure_.suptitle(title, fontsize=sizes.title)
        if figure is None and sizes.is_talk:
            engine: Any = self.figure_.get_layout_engine()
            engine.set(h_pad=0.03, hspace=0.0)
            style.settle(self.figure_, figure)
        self.axes_ = np.array(axes, dtype=object)
        return self

    def _write_beside(self, ax: Axes, name: str, share: float) -> None:
        ax.set_axis_off()
        look: dict[str, Any] = {"transform": ax.transAxes, **style.LITERAL}
        ax.text(0, 0.52, style.shorten(name), va="bottom", fontsize=sizes.small, weight="bold", **look)
        ax.text(0, 0.48, f"distance {share:.0%}", va="top", fontsize=sizes.tiny, **look)


def _mean_distance(rows: NDArray[Any], labels: NDArray[Any]) -> float:
    """Mean distance between two different rows of the same class."""
    total, n_pairs = 0.0, 0
    for label in np.unique(labels):
        mine = np.ascontiguousarray(rows[labels == label])
        total += float(pairwise_distances(mine, mine, "l2").sum())
        n_pairs += len(mine) * (len(mine) - 1)
    return total / n_pairs if n_pairs else 0.0

r"""
Features: what they gain
========================

Pixels are a poor description of an image: shift it a little and every number
changes. Long before networks learned their own features, people wrote them down. Two
classics say what the lecture's questions ask for: a *histogram of oriented gradients*
(HOG) says which edges are where and forgets brightness, a *colour histogram* says
which colours there are and forgets where.

The classifiers stay as they are. They see other numbers.
"""

# sphinx_gallery_thumbnail_number = 1

import os

import matplotlib.pyplot as plt
import numpy as np
from skimage import data as photographs
from skimage.color import rgb2gray, rgb2hsv
from skimage.feature import hog

from fastcls import KNeighborsClassifier, SoftmaxClassifier, reference
from fastcls.datasets import load_cifar10

# %%
# The images
# ----------
# With ``FASTCLS_CIFAR10``: 5,000 training and 1,000 test images of CIFAR-10. Without
# it: patches of 32 x 32 pixels from nine photographs that come with scikit-image. The
# class is the photograph; training patches are from its left half and test patches
# from its right half, with a light of their own.


def patches_of(photo, side, n, rng):
    """Patches (n, 3072) of one half of a photograph, darker or brighter."""
    half = photo.shape[1] // 2
    part = photo[:, :half] if side == "left" else photo[:, half:]
    if part.ndim == 2:
        part = np.repeat(part[:, :, None], 3, axis=2)
    down = rng.integers(0, part.shape[0] - 31, n)
    right = rng.integers(0, part.shape[1] - 31, n)
    found = np.stack(
        [part[i : i + 32, j : j + 32] for i, j in zip(down, right, strict=True)]
    )
    light = rng.uniform(0.3, 1.2, (n, 1, 1, 1))
    return np.clip(found * light, 0, 255).astype(np.uint8).reshape(n, 3072)


folder = os.environ.get("FASTCLS_CIFAR10")
if folder:
    cifar, n, m = load_cifar10(folder), 5000, 1000  # all: 50_000, 10_000
    X, y = cifar.X[:n], cifar.y[:n]
    X_test, y_test = cifar.X_test[:m], cifar.y_test[:m]
    names = cifar.class_names
else:
    names = (
        *("astronaut", "chelsea", "coffee", "rocket", "camera"),
        *("brick", "grass", "gravel", "hubble_deep_field"),
    )
    rng = np.random.default_rng(0)
    photos = [getattr(photographs, name)() for name in names]
    X = np.concatenate([patches_of(photo, "left", 150, rng) for photo in photos])
    X_test = np.concatenate(
        [patches_of(photo, "right", 60, rng) for photo in photos]
    )
    y, y_test = np.repeat(np.arange(9), 150), np.repeat(np.arange(9), 60)
print("CIFAR-10" if folder else "patches of photographs", X.shape, X_test.shape)

# %%
# Two features
# ------------
# HOG: in cells of 8 x 8 pixels, count the directions of the edges, stronger edges
# more; compare each cell with its neighbours. Colour: a histogram of 10 hues. Both
# are calls of scikit-image and NumPy.


def edges(images):
    """HOG of rows (n, 3072): (n, 324)."""
    grey = rgb2gray(images.reshape(-1, 32, 32, 3))
    return np.stack(
        [hog(one, pixels_per_cell=(8, 8), cells_per_block=(2, 2)) for one in grey]
    )


def colours(images):
    """Histogram of hues of rows (n, 3072): (n, 10)."""
    hues = rgb2hsv(images.reshape(-1, 32, 32, 3))[..., 0].reshape(len(images), -1)
    return np.stack(
        [np.histogram(one, bins=10, range=(0, 1))[0] / 1024 for one in hues]
    )


contrast = X.std(axis=1)
shown = [int(np.where(y == c, contrast, 0).argmax()) for c in (0, 1, 3, 5)]
fig, axes = plt.subplots(3, 4, figsize=(6.4, 4.6), layout="constrained")
for column, row in zip(axes.T, shown, strict=True):
    column[0].imshow(X[row].reshape(32, 32, 3))
    column[0].set_title(names[y[row]], fontsize=9)
    drawn = hog(
        rgb2gray(X[row].reshape(32, 32, 3)),
        pixels_per_cell=(8, 8),
        cells_per_block=(2, 2),
        visualize=True,
    )[1]
    column[1].imshow(drawn, cmap="gray")
    column[2].bar(
        np.arange(10),
        colours(X[row : row + 1])[0],
        color=plt.cm.hsv(np.arange(10) / 10 + 0.05),
    )
    column[2].set_ylim(0, 1)
for ax in axes.ravel():
    ax.set(xticks=[], yticks=[])
for ax, label in zip(axes[:, 0], ("image", "edges (HOG)", "hues"), strict=True):
    ax.set_ylabel(label, fontsize=9)

# %%
# A histogram of hues does not change if the patch is turned or its pixels are
# shuffled; HOG does not change with the light.

bright = np.clip(X[:50] * 0.5, 0, 255).astype(np.uint8)
turned = X[:50].reshape(-1, 32, 32, 3)[:, ::-1].reshape(50, -1)
np.testing.assert_allclose(colours(turned), colours(X[:50]))
pixel_change = np.abs(X[:50] * 1.0 - bright).mean() / X[:50].mean()
edge_change = np.abs(edges(X[:50]) - edges(bright)).mean() / edges(X[:50]).mean()
print(
    f"half the light: pixels change by {pixel_change:.0%}, HOG by {edge_change:.0%}"
)
assert edge_change < pixel_change / 2

# %%
# Every column is centred and divided by its deviation *on the training images*, so
# that the ten hues count beside 324 numbers of edges.


def standardised(train, test):
    """Both, by mean and deviation of the training rows."""
    mean, deviation = train.mean(axis=0), train.std(axis=0) + 1e-9
    return (
        ((train - mean) / deviation).astype(np.float32),
        ((test - mean) / deviation).astype(np.float32),
    )


both = [np.hstack([edges(images), colours(images)]) for images in (X, X_test)]
train, test = standardised(*both)
described = {
    "pixels": (X, X_test),
    "edges (HOG)": (train[:, :324].copy(), test[:, :324].copy()),
    "hues": (train[:, 324:].copy(), test[:, 324:].copy()),
    "both": (train, test),
}

# %%
# What they gain
# --------------
# The same classifiers with the same settings on each description.

accuracy = {}
for name, (rows, queries) in described.items():
    knn = KNeighborsClassifier(10, metric="l1").fit(rows, y)
    softmax = SoftmaxClassifier(random_state=0).fit(rows, y)
    accuracy[name] = knn.score(queries, y_test), softmax.score(queries, y_test)
    print(
        f"{name:>12} ({rows.shape[1]:>4} numbers): "
        f"10-NN {accuracy[name][0]:.1%}, softmax {accuracy[name][1]:.1%}"
    )
rows, queries = described["both"]
near = reference.kneighbors(queries[:20], rows, 10, "l1")[1]
np.testing.assert_array_equal(
    KNeighborsClassifier(10, metric="l1").fit(rows, y).kneighbors(queries[:20])[1],
    near,
)

assert accuracy["both"][0] > accuracy["pixels"][0] + 0.02
assert accuracy["both"][1] > accuracy["pixels"][1] + 0.02

fig, ax = plt.subplots(figsize=(4.2, 3.0), layout="constrained")
places = np.arange(len(accuracy))
for at, (label, colour, hatch) in enumerate(
    (("10-NN, L1", "#0072b2", ""), ("softmax", "#d55e00", "//"))
):
    values = [100 * found[at] for found in accuracy.values()]
    ax.bar(
        places + 0.38 * (at - 0.5),
        values,
        0.36,
        color=colour,
        hatch=hatch,
        edgecolor="white",
        label=label,
    )
ax.set_xticks(places, list(accuracy))
ax.set(ylabel="test accuracy (%)", title="Other numbers, the same classifiers")
ax.legend(fontsize=8)

# %%
# .. admonition:: On CIFAR-10
#
#    Measured by this page (a JPEG copy of CIFAR-10; 10-NN under L1, then softmax):
#
#    =============  =================  =================
#    numbers        5,000 and 1,000    50,000 and 10,000
#    =============  =================  =================
#    pixels         29.5 %, 36.6 %     37.8 %, 41.2 %
#    edges (HOG)    44.3 %, 46.8 %     52.9 %, 50.3 %
#    hues           23.2 %, 21.9 %     24.5 %, 22.8 %
#    both           45.2 %, 48.3 %     54.3 %, 53.5 %
#    =============  =================  =================
#
#    To repeat it, download this page and run
#    ``FASTCLS_CIFAR10=cifar-10-batches-py python next_features.py``.
#
# Where this leads
# ----------------
# Written features stop there. Learned ones go on: a network is trained, its last
# layer is dropped, and what comes out before it is the feature. Then a k-NN
# classifier or a linear probe on these features measures how good they are
# (:doc:`/today`).
#
# Things to try
# -------------
# * Cells of 4 x 4 pixels. How many numbers are there now, and what do they gain?
# * Leave out the standardisation. Which classifier suffers?
#
# Two tasks
# ---------
# **1. All colours at once.** Hues forget how bright a colour is. Divide each of red,
# green and blue into ``bins`` ranges of equal width, and count which combination
# each pixel has. Red changes slowest: the first ``bins`` numbers differ in blue.
#
# .. code-block:: python
#
#     def colour_histogram(images, bins=4):
#         """Shares of the colours in rows (n, 3072) of bytes: (n, bins ** 3)."""
#         raise NotImplementedError
#
#     found = colour_histogram(X[:50])
#     assert found.shape == (50, 64)
#     assert np.allclose(found.sum(axis=1), 1)
#     assert np.allclose(found, colour_histogram(turned))  # it forgets where
#     plain = np.array([[255, 0, 0], [0, 64, 63], [255, 255, 255]], dtype=np.uint8)
#     found = colour_histogram(np.tile(plain, 1024))
#     assert found.argmax(axis=1).tolist() == [48, 4, 63]
#
# **2. Directions of edges.** What a cell of HOG holds, for a whole image: a direction
# counts as much as its edge is strong, and an edge has no front (0 to 180 degrees).
# ``np.gradient`` has the slopes.
#
# .. code-block:: python
#
#     def directions(grey, bins=9):
#         """Shares (bins,) of the directions in a grey image (h, w); they sum to 1."""
#         raise NotImplementedError
#
#     wedge = np.array([[0.0, 4.0], [3.0, 3.0]])  # strengths 5, 4.12, 3 and 1
#     found = directions(wedge)
#     assert np.allclose(found[[1, 4, 8]], [0.381, 0.305, 0.314], atol=1e-3)
#     assert np.allclose(found.sum(), 1)
#     assert np.allclose(directions(0.5 * wedge), found)  # half the light
#     assert np.allclose(directions(10 - wedge), found)  # a negative

r"""
K nearest neighbours: take a vote
=================================

One neighbour can be wrong: a mislabelled image, an odd one, a fluke. Do not copy
one label; take the *majority* of the :math:`K` nearest. The borders between classes
become smoother, and islands around single points disappear.

.. math::

   d_1(I_1, I_2) = \sum_p |I_1^p - I_2^p|

.. math::

   d_2(I_1, I_2) = \sqrt{\textstyle\sum_p (I_1^p - I_2^p)^2}

Two choices are left to us: :math:`K`, and the distance.
"""

# sphinx_gallery_thumbnail_number = 2

import os
import pickle
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import zoom
from sklearn.datasets import load_sample_images

from fastcls import KNeighborsClassifier, display, reference
from fastcls.datasets import load_cifar10, load_digits

# %%
# Test images beside their neighbours
# -----------------------------------
# With ``FASTCLS_CIFAR10`` these are images of CIFAR-10. Without it we use
# scikit-learn's digits, enlarged to 28 x 28 pixels.


def enlarged(digits):
    """Digits (n, 64) at the size of MNIST's, smooth: (n, 784) bytes."""
    images = zoom(15.9 * digits.reshape(-1, 8, 8), (1, 3.5, 3.5), order=1)
    return images.clip(0, 255).astype(np.uint8).reshape(len(digits), 784)


folder = os.environ.get("FASTCLS_CIFAR10")
data = load_cifar10(folder) if folder else load_digits()
if folder:
    assert data.X.shape == (50_000, 3072) and data.X_test.shape == (
        10_000,
        3072,
    )  # row 5
    assert np.bincount(data.y).tolist() == [5000] * 10  # row 5
    assert np.bincount(data.y_test).tolist() == [1000] * 10  # row 5
images = data.X[:1700] if folder else enlarged(data.X[:1700])
shape = data.image_shape if folder else (28, 28, 1)
X, y, X_test, y_test = (
    images[:1400],
    data.y[:1400],
    images[1400:],
    data.y[1400:1700],
)
print("CIFAR-10" if folder else "digits", X.shape)
print("classes:", ", ".join(data.class_names))

model = KNeighborsClassifier(5).fit(X, y)
neighbours = display.NeighborsDisplay.from_estimator(
    model,
    X_test[:4],
    y_test[:4],
    X_train=X,
    y_train=y,
    image_shape=shape,
    class_names=data.class_names,
).plot()

# %%
# The plain loops of ``fastcls.reference`` find the same neighbours, in the same
# order: sorted by distance, and equal distances by training index.

distances, indices = model.kneighbors(X_test)
expected = reference.kneighbors(X_test[:30], X, 5, "l2")
np.testing.assert_array_equal(indices[:30], expected[1])  # row 5
np.testing.assert_array_equal(distances[:30], expected[0])  # row 5
assert (np.diff(distances, axis=1) >= 0).all()  # row 5

# %%
# The vote
# --------
# Count labels, take the most frequent. If two are equally frequent, the smaller
# label wins, as in scikit-learn; ``tie_break="nearest"`` takes the tied class with
# the nearest member. ``predict_ties`` says where that happened.

votes = np.stack([np.bincount(y[near], minlength=10) for near in indices])
np.testing.assert_array_equal(model.predict(X_test), votes.argmax(axis=1))  # row 6
np.testing.assert_allclose(model.predict_proba(X_test), votes / 5)  # row 6
tied = (votes == votes.max(axis=1, keepdims=True)).sum(axis=1) > 1
np.testing.assert_array_equal(model.predict_ties(X_test), tied)  # row 6
print(f"{tied.sum()} of {len(tied)} votes are tied")

# %%
# What does it look like?
# -----------------------
# Points in the plane, in three classes that overlap. Every spot of the picture has the
# colour that K-NN gives it; ties are white. The white circle at the lower left is no
# point of the data: it shows which places are equally far from its centre.

rng = np.random.default_rng(4)
classes = np.arange(60) % 3
points = np.array([[0, 0], [2.2, 0.4], [0.9, 2.0]])[classes] + rng.normal(
    0, 0.75, (60, 2)
)

fig, axes = plt.subplots(1, 3, figsize=(7.2, 2.6), layout="constrained")
regions = {}
for ax, k in zip(axes, (1, 3, 5), strict=True):
    shown = display.DecisionRegionDisplay.from_points(points, classes, k=k).plot(ax)
    regions[k] = shown.regions.codes
    ax.set(title=f"K = {k}", xlabel="", ylabel="", xticks=[], yticks=[])

# %%
# With K = 1 every point owns the spot it stands on, right or wrong. With more
# neighbours, single points lose theirs:

own = {
    k: (
        KNeighborsClassifier(k).fit(points, classes).predict(points) == classes
    ).mean()
    for k in (1, 3, 5)
}
print(
    "points in their own colour:", {k: f"{share:.0%}" for k, share in own.items()}
)
assert own[1] == 1.0 > own[3] and own[1] > own[5]  # row 6


def border(codes):
    """Number of neighbours of different colours: the length of all borders."""
    return int(
        (codes[:, 1:] != codes[:, :-1]).sum() + (codes[1:] != codes[:-1]).sum()
    )


assert border(regions[1]) > border(regions[5])  # row 6
assert (
    regions[1]
    != display.DecisionRegionDisplay.from_points(points, classes, k=3).regions.codes
).any()  # row 6

# %%
# L1 or L2?
# ---------
# All points at distance 1 from a centre form a circle under L2 and a diamond under
# L1. The diamond follows the axes: turn the axes, and L1 distances change, L2
# distances do not. So L1 suits features that mean something each on its own. The white
# shapes at the lower left are such a diamond and such a circle.

fig, axes = plt.subplots(1, 2, figsize=(6.0, 3.1), layout="constrained")
for ax, metric in zip(axes, ("l1", "l2"), strict=True):
    shown = display.DecisionRegionDisplay.from_points(
        points, classes, k=1, metric=metric
    ).plot(ax)
    ax.set(
        title=f"K = 1 under {metric.upper()}",
        xlabel="",
        ylabel="",
        xticks=[],
        yticks=[],
    )
    regions[metric] = shown.regions.codes

    corners = ax.patches[-1].get_xy()  # of the white shape, the first one twice
    on_it = np.vstack([corners, (corners[1:] + corners[:-1]) / 2])
    centre = (corners.min(axis=0, keepdims=True) + corners.max(axis=0)) / 2
    far = reference.distances(
        reference.rank_distances(centre, on_it, metric), metric
    )
    np.testing.assert_allclose(far, far.max(), rtol=2e-3)  # row 6
assert (regions["l1"] != regions["l2"]).any()  # row 6

turn = np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]])
for metric, stays in (("l1", False), ("l2", True)):
    before = reference.distances(
        reference.rank_distances(points[:5], points, metric), metric
    )
    after = reference.distances(
        reference.rank_distances(points[:5] @ turn.T, points @ turn.T, metric),
        metric,
    )
    assert np.allclose(before, after) == stays  # row 6

# %%
# Files of CIFAR-10
# -----------------
# CIFAR-10 has 50,000 training and 10,000 test images of 32 x 32 pixels in 10
# classes, in six files. A record of the binary version is a label, one byte, and
# three planes of 1,024 bytes: red, green, blue. The python version pickles the same.
# We write six small files of each, from patches of photographs, and load them. A row
# has the three colours of a pixel side by side, pixel after pixel.

photo = load_sample_images().images[0]
patches = np.stack(
    [
        photo[i : i + 32, j : j + 32]
        for i in range(0, 320, 32)
        for j in range(0, 192, 32)
    ]
)  # (60, 32, 32, 3)
codes = np.arange(60, dtype=np.uint8) % 10
planes = patches.transpose(0, 3, 1, 2).reshape(60, 3072)
names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
loaded = []
with tempfile.TemporaryDirectory() as place:
    for number, name in enumerate(names):
        part = slice(10 * number, 10 * number + 10)
        records = np.column_stack([codes[part], planes[part]])
        Path(place, f"{name}.bin").write_bytes(records.tobytes())
    loaded.append(load_cifar10(place))
with tempfile.TemporaryDirectory() as place:
    for number, name in enumerate(names):
        part = slice(10 * number, 10 * number + 10)
        batch = {"data": planes[part], "labels": codes[part].tolist()}
        Path(place, name).write_bytes(pickle.dumps(batch, protocol=2))
    loaded.append(load_cifar10(place))

rows = patches.reshape(60, 3072)
for version, small in zip(("binary", "python"), loaded, strict=True):
    print(version, small.X.shape, small.X_test.shape, small.X.dtype)
    np.testing.assert_array_equal(small.X, rows[:50])  # row 5
    np.testing.assert_array_equal(small.X_test, rows[50:])  # row 5
    np.testing.assert_array_equal(small.y, codes[:50])  # row 5
    np.testing.assert_array_equal(small.y_test, codes[50:])  # row 5
    assert small.class_names[:3] == ("airplane", "automobile", "bird")  # row 5

# %%
# Which K and which distance are best? That depends on the data, and the next pages
# show how to choose honestly.
#
# Things to try
# -------------
# * ``weights="distance"`` in ``DecisionRegionDisplay.from_points``: near neighbours
#   count more. What happens to the white spots?
# * K = 60, all points. What does the picture look like, and why?
#
# Two tasks
# ---------
# **1. The vote**, with ties to the smallest label.
#
# .. code-block:: python
#
#     def majority(labels):
#         """The most frequent of the labels (K,); of equally frequent ones the smallest."""
#         raise NotImplementedError
#
#     assert [
#         majority(np.array(one))
#         for one in ([3, 1, 3], [2, 1], [7], [5, 5, 0, 0, 9])
#     ] == [3, 1, 7, 0]
#     assert [majority(near) for near in y[indices]] == model.predict(
#         X_test
#     ).tolist()
#
# **2. The unit balls.** Points at distance 1 from the origin, for both distances.
#
# .. code-block:: python
#
#     def on_unit_ball(directions, metric):
#         """Scale directions (N, 2) to distance 1 from the origin under "l1" or "l2"."""
#         raise NotImplementedError
#
#     around = np.random.default_rng(0).normal(size=(50, 2))
#     assert np.allclose(np.abs(on_unit_ball(around, "l1")).sum(axis=1), 1)
#     assert np.allclose((on_unit_ball(around, "l2") ** 2).sum(axis=1), 1)
#     for metric in ("l1", "l2"):  # the direction stays
#         factors = on_unit_ball(around, metric) / around
#         assert (factors > 0).all() and np.allclose(factors[:, 0], factors[:, 1])

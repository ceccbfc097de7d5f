r"""
The demo: move the points yourself
==================================

The lecture has an interactive page: points in the plane, a choice of distance and
K, every spot coloured by its vote, ties white, and every point can be dragged. Here
it is. Choose *L1 and L2* as the distance, and drag a point:

.. demo:: knn
   :state: classes=4&k=4

It computes in your browser, and tests compare every pixel with the compiled loops.
``fastcls demo knn`` runs it on your own machine with these loops themselves; in a
notebook, ``fastcls.demo.knn()`` shows it in a cell. This page computes what the demo
paints, and checks it.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastcls import KNeighborsClassifier, display, reference

# %%
# Two classes, K = 2: white
# -------------------------
# With two points of two classes and K = 2, every vote is one against one, so the
# whole plane is white.

two = display.decision_regions([[-1.0, 0.0], [1.0, 0.0]], [0, 1], k=2, size=50)
assert (two.codes == -1).all()  # row 7

# %%
# With more points, white marks where the vote is tied. Four classes and K = 4 give
# a good deal of it.

rng = np.random.default_rng(1)
classes = np.arange(40) % 4
points = np.array([[1.4, 0], [0, 1.4], [-1.4, 0], [0, -1.4]])[classes] + rng.normal(
    0, 0.8, (40, 2)
)

fig, axes = plt.subplots(1, 2, figsize=(6.0, 3.2), layout="constrained")
found = {}
for ax, metric in zip(axes, ("l1", "l2"), strict=True):
    shown = display.DecisionRegionDisplay.from_points(
        points, classes, k=4, metric=metric
    ).plot(ax)
    ax.set(
        title=f"K = 4 under {metric.upper()}, ties white",
        xlabel="",
        ylabel="",
        xticks=[],
        yticks=[],
    )
    found[metric] = shown.regions
    assert 0 < (shown.regions.codes == -1).mean() < 0.5  # row 7

# %%
# Each colour is the prediction of the estimator, and white is ``predict_ties``:

size = 40
for metric in ("l1", "l2"):
    regions = display.decision_regions(
        points, classes, k=4, metric=metric, size=size, extent=found[metric].extent
    )
    x0, x1, y0, y1 = regions.extent
    across, up = (
        (np.arange(size) + 0.5) / size * (x1 - x0) + x0,
        (np.arange(size) + 0.5) / size * (y1 - y0) + y0,
    )
    cells = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    model = KNeighborsClassifier(4, metric=metric).fit(points, classes)
    expected = np.where(model.predict_ties(cells), -1, model.predict(cells))
    np.testing.assert_array_equal(regions.codes.ravel(), expected)  # row 7

    near = reference.kneighbors(cells[::40], points, 4, metric)[1]
    winners, _, tied = reference.vote(classes[near], np.ones(near.shape), 4)
    np.testing.assert_array_equal(
        expected[::40], np.where(tied, -1, winners)
    )  # row 7

# %%
# Drag a point
# ------------
# Moving one point changes only the spots that had it, or now have it, among their K
# nearest. That is why the demo can follow the mouse: it computes those again, and
# no others.

moved = points.copy()
moved[0] += [0.6, 0.4]
before = display.decision_regions(
    points, classes, k=4, size=100, extent=found["l2"].extent
).codes
after = display.decision_regions(
    moved, classes, k=4, size=100, extent=found["l2"].extent
).codes
share = (before != after).mean()
print(f"{share:.1%} of the picture changes")
assert 0 < share < 0.2  # row 7

# %%
# Things to try, in the demo
# --------------------------
# * Choose the preset *tie* with K = 2, then drag one point a little. Why does
#   nothing change?
# * Set K to 1 and drag one point deep into another class. Set K to 5.
# * Show both distances side by side and turn a cluster around its centre. Which
#   picture turns with it?
#
# Two tasks
# ---------
# **1. Ties.** Is the vote of these labels tied?
#
# .. code-block:: python
#
#     def is_tied(labels):
#         """True if two or more labels are equally most frequent."""
#         raise NotImplementedError
#
#     assert [
#         is_tied(one)
#         for one in ([0, 1], [0, 1, 1], [2, 2, 3, 3, 4], [5], [4, 1, 7])
#     ] == [True, False, True, False, True]
#
# **2. Which spots change?** A spot can change only if the point was, or now is,
# among its K nearest.
#
# .. code-block:: python
#
#     def may_change(spots, before, after, k, moved):
#         """Which spots (n, 2) have row `moved` among their k nearest (L2), before or after."""
#         raise NotImplementedError
#
#     spots = cells[::7]
#     affected = may_change(spots, points, moved, 4, 0)
#     models = [
#         KNeighborsClassifier(4).fit(rows, classes) for rows in (points, moved)
#     ]
#     differ = models[0].predict(spots) != models[1].predict(spots)
#     assert affected[differ].all() and affected.sum() == 27

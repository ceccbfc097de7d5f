r"""
Hyperparameters: four ideas, two of them bad
============================================

:math:`K` and the distance are not learned from the data; we set them. They are
*hyperparameters*. How do we choose? The lecture goes through four ideas. Idea 2
sounds right and is wrong, and this page measures by how much.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastcls import KNeighborsClassifier, display, reference
from fastcls.datasets import load_digits

data = load_digits()
order = np.random.default_rng(0).permutation(len(data.X))
X, y = data.X[order[:300]], data.y[order[:300]]
rest, truth = data.X[order[300:]], data.y[order[300:]]

# %%
# Idea 1: what works best on the data
# -----------------------------------
# K = 1 finds each training image itself, at distance 0, so it is always right
# there. It says nothing about new images.

nearest = KNeighborsClassifier(1).fit(X, y)
print(f"K = 1 on its own training images {nearest.score(X, y):.0%}")
print(f"K = 1 on others {nearest.score(rest, truth):.1%}")
assert nearest.score(X, y) == 1.0  # row 8
assert nearest.score(rest, truth) < 1.0  # row 8

# %%
# Leaving each image itself out (``predict(None)`` does) gives an honest number:

left_out = (nearest.predict(None) == y).mean()
assert left_out < 1.0  # row 8
assert abs(left_out - nearest.score(rest, truth)) < 0.05  # row 8

# %%
# Idea 2: what works best on the test data
# ----------------------------------------
# We try 400 settings: K from 1 to 50, two distances, two vote rules, two ways with
# ties. One search for each distance finds the 50 nearest; every setting votes among
# them.

settings = []
for metric in ("l1", "l2"):
    distances, indices = (
        KNeighborsClassifier(50, metric=metric).fit(X, y).kneighbors(rest)
    )
    labels = y[indices]
    np.testing.assert_array_equal(
        indices[:10], reference.kneighbors(rest[:10], X, 50, metric)[1]
    )  # row 8
    for weights in (np.ones(distances.shape), 1 / np.maximum(distances, 1e-9)):
        totals = np.zeros((len(rest), 10))
        for k in range(50):  # one more neighbour in each turn
            totals[np.arange(len(rest)), labels[:, k]] += weights[:, k]
            best = np.isclose(totals, totals.max(axis=1, keepdims=True), rtol=1e-12)
            settings.append(best.argmax(axis=1) == truth)
            first = best[np.arange(len(rest))[:, None], labels[:, : k + 1]].argmax(
                axis=1
            )
            settings.append(labels[np.arange(len(rest)), first] == truth)
hits = np.array(settings)  # (setting, image): right or wrong
assert len(hits) == 400  # row 8

# %%
# Setting 8 is plain k-NN with K = 5 under L1. The estimator agrees:

five = KNeighborsClassifier(5, metric="l1").fit(X, y)
np.testing.assert_array_equal(hits[8], five.predict(rest) == truth)  # row 8

# %%
# Now play the game 200 times. Draw 100 images as the test set and choose the
# setting that is best on them. How good is it there, and how good on all the images
# that nobody looked at?
#
# Idea 3: choose on a validation set
# ----------------------------------
# The same, but the choice looks at 100 *other* images, the validation set. The test
# images see the chosen setting once.

rng = np.random.default_rng(0)
optimism = {"idea 2": [], "idea 3": []}
for _ in range(200):
    test, validation, untouched = np.split(
        rng.permutation(hits.shape[1]), [100, 200]
    )
    for idea, chosen_on in (("idea 2", test), ("idea 3", validation)):
        chosen = hits[:, chosen_on].sum(axis=1).argmax()
        optimism[idea].append(
            100 * (hits[chosen, test].mean() - hits[chosen, untouched].mean())
        )

mean = {idea: np.mean(values) for idea, values in optimism.items()}
error = {
    idea: np.std(values, ddof=1) / np.sqrt(200) for idea, values in optimism.items()
}
for idea in optimism:
    print(
        f"{idea}: the test set promises {mean[idea]:+.2f} +- {error[idea]:.2f} points too much"
    )

assert mean["idea 2"] > 5 * error["idea 2"]  # row 8
assert abs(mean["idea 3"]) < 3 * error["idea 3"]  # row 8

fig, ax = plt.subplots(figsize=(4.2, 2.8), layout="constrained")
bins = np.arange(-12, 10, 1.0)
ax.hist(
    optimism["idea 2"],
    bins,
    color="#d55e00",
    alpha=0.6,
    label="2: chosen on the test set",
)
ax.hist(
    optimism["idea 3"],
    bins,
    color="#0072b2",
    histtype="step",
    linewidth=1.8,
    label="3: chosen on others",
)
ax.axvline(0, color="black", linewidth=0.8)
ax.set(
    xlabel="points that the test set promises too much",
    ylabel="games of 200",
    title="Choosing on the test set flatters",
    ylim=(0, 62),
)
ax.legend(fontsize=8, loc="upper left")

# %%
# Idea 2 promises too much, by far more than chance. Idea
# 3 is right within its error. With more settings to choose from, or fewer test
# images, idea 2 is worse.
#
# Idea 4: cross-validation
# ------------------------
# A validation set of 100 images is small. So divide the training data into five
# *folds*, let each be the validation set once, and average. The test set stays
# aside until the end.

folds = display.FoldsDisplay.from_labels(
    y, cv=5, random_state=0, n_test=len(truth)
).plot()
assert folds.sizes.sum() == 300 and len(folds.sizes) == 5  # row 8

# %%
# It is useful for small data, and little used in deep learning, where one training
# takes days. For k-NN it is almost free here: all folds and all K come from one
# search. The next page does it.
#
# Things to try
# -------------
# * Choose among 10 settings only (``hits[::40]``). How large is the optimism of
#   idea 2 now?
# * 500 test images instead of 100.
#
# Two tasks
# ---------
# **1. Folds.** Every row in exactly one of ``n_folds`` folds; their sizes differ by
# at most 1.
#
# .. code-block:: python
#
#     def folds_of(n, n_folds, rng):
#         """A list of n_folds arrays of row numbers, in random order."""
#         raise NotImplementedError
#
#     parts = folds_of(103, 5, np.random.default_rng(0))
#     assert sorted(np.concatenate(parts)) == list(range(103)) and {
#         len(part) for part in parts
#     } == {20, 21}
#     assert all(np.ptp(part) > 21 for part in parts)  # from all over the rows
#
# **2. Optimism without any skill.** Settings that guess are all equally bad. How
# good does the best of them look?
#
# .. code-block:: python
#
#     def best_of_guesses(n_settings, n_test, rng):
#         """Highest test accuracy among settings that are right with probability 1/2."""
#         raise NotImplementedError
#
#     looks = np.mean(
#         [
#             best_of_guesses(200, 100, np.random.default_rng(seed))
#             for seed in range(50)
#         ]
#     )
#     assert 0.6 < looks < 0.68

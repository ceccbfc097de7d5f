r"""
A table of scores: is this W good or bad?
=========================================

Some :math:`W` gives a cat, a car and a frog their scores for the ten classes of
CIFAR-10. A glance says that something is wrong: the cat is taken for a dog, the
frog for a truck. But is it worse than another :math:`W` that errs elsewhere? To
compare, all these scores must become one number. That is what a loss does, and two
are used most: the multiclass SVM and softmax.
"""

import numpy as np

from fastcls import LinearProblem, display, reference

# %%
# The slide's table
# -----------------
# On the slide, a column is an image; here, as everywhere in this library, an image
# is a row.

CLASSES = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
]
scores = np.array(
    [
        [-3.45, -8.87, 0.09, 2.9, 4.48, 8.02, 3.78, 1.06, -0.36, -0.72],
        [-0.51, 6.04, 5.31, -4.22, -4.19, 3.58, 4.49, -4.37, -2.09, -2.93],
        [3.42, 4.64, 2.65, 5.1, 2.64, 5.55, -4.34, -1.5, -4.79, 6.14],
    ]
)
y = np.array([CLASSES.index(name) for name in ("cat", "automobile", "frog")])

# %%
# Who gets it right? Only the car, and only just:

predicted = [CLASSES[c] for c in scores.argmax(axis=1)]
print(predicted)
assert predicted == ["dog", "automobile", "truck"]  # row 16

# %%
# By hand, with the loops of ``fastcls.reference``:

hinge = [reference.multiclass_hinge(s, c) for s, c in zip(scores, y, strict=True)]
softmax = [
    reference.softmax_cross_entropy(s, c) for s, c in zip(scores, y, strict=True)
]

np.testing.assert_allclose(hinge, [10.58, 0.27, 71.91], atol=0.005)  # row 16
np.testing.assert_allclose(np.mean(hinge), 27.587, atol=0.0005)  # row 16
np.testing.assert_allclose(softmax, [5.170, 0.577, 11.294], atol=0.0005)  # row 16
np.testing.assert_allclose(np.mean(softmax), 5.681, atol=0.0005)  # row 16

# %%
# And with the compiled loss that training uses. The "images" are the rows of the
# identity matrix, so that the scores of image :math:`i` are column :math:`i` of
# :math:`W`, whatever we write there.

for name, by_loop in (("hinge", hinge), ("softmax", softmax)):
    compiled = LinearProblem(np.eye(3), y, loss=name, n_classes=10).per_sample(
        np.ascontiguousarray(scores.T)
    )
    np.testing.assert_allclose(compiled, by_loop, rtol=1e-12)  # row 16

# %%
# ``ScoresDisplay`` draws the table for any model: the true class framed, the
# highest score marked, the losses below.

table = display.ScoresDisplay.from_predictions(
    y,
    scores,
    class_names=CLASSES,
    sample_names=["a cat", "a car", "a frog"],
    losses=["hinge", "softmax"],
).plot()

# %%
# How to read it
# --------------
# Both losses agree that the frog is the worst and the car the best. The car is
# *right*, and still pays: the bird's 5.31 is within the margin of 1 of the car's
# 6.04, so the SVM charges the missing 0.27.
#
# Is 5.68 a lot? Compare with knowing nothing. All scores 0 give a softmax loss of
# :math:`\ln 10 = 2.303` and an SVM loss of 9. This :math:`W` is worse than no
# :math:`W` at all, by both.

nothing = np.zeros((10, 3))
without = LinearProblem(np.eye(3), y, loss="softmax", n_classes=10).value(nothing)
np.testing.assert_allclose(without, 2.303, atol=0.0005)  # row 16
assert without < np.mean(softmax)  # row 16
assert (
    LinearProblem(np.eye(3), y, loss="hinge", n_classes=10).value(nothing)
    == 9
    < np.mean(hinge)
)  # row 16

# %%
# Things to try
# -------------
# * Raise the cat's own score until the first image is right. At which value does
#   each loss stop falling?
# * ``losses=["squared_hinge", "crammer_singer", "one_vs_all"]`` in the display: how
#   do the other losses rank the three images?
#
# Two tasks
# ---------
# **1. Accuracy and loss are not the same.** Change a single score so that the mean
# SVM loss falls but the number of right images stays.
#
# .. code-block:: python
#
#     def lower_loss(scores, y):
#         """A copy with one entry changed: the same classes win, the mean SVM loss is lower."""
#         raise NotImplementedError
#
#     changed = lower_loss(scores, y)
#     assert (changed != scores).sum() == 1
#     assert (changed.argmax(axis=1) == scores.argmax(axis=1)).all()
#     assert sum(
#         reference.multiclass_hinge(s, c) for s, c in zip(changed, y)
#     ) < sum(hinge)
#
# **2. The worst rival.** For each image, the class other than the true one with the
# highest score, and the lead over it.
#
# .. code-block:: python
#
#     def worst_rivals(scores, y):
#         """Classes (N,) of the highest wrong scores, and the true score minus each (N,)."""
#         raise NotImplementedError
#
#     rivals, leads = worst_rivals(scores, y)
#     assert [CLASSES[c] for c in rivals] == ["dog", "bird", "truck"]
#     assert np.allclose(leads, [-5.12, 0.73, -10.48])

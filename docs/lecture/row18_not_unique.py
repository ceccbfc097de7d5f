r"""
A loss of zero does not choose one W
====================================

Suppose a :math:`W` has an SVM loss of 0: every image beats every rival by the
margin. Is it the only one? No. Twice as large a :math:`W` doubles all scores, and
all leads with them:

.. math:: L(W) = 0 \;\Rightarrow\; L(2W) = 0

So the data alone cannot decide between them. That is why the next page adds a
*penalty*.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastcls import LinearProblem, MulticlassSVM, reference

# %%
# The slide's car
# ---------------
# Its scores are 1.3, 4.9 and 2.0. The loss adds :math:`\max(0, s_j - s_y + 1)` for
# both rivals :math:`j`. What is compared with 0 is negative for both, and with all
# scores doubled it is more negative.

scores = np.array([1.3, 4.9, 2.0])
before = scores[[0, 2]] - scores[1] + 1
twice = 2 * scores[[0, 2]] - 2 * scores[1] + 1

np.testing.assert_allclose(before, [-2.6, -1.9])  # row 18
np.testing.assert_allclose(twice, [-6.2, -4.8])  # row 18
assert (
    reference.multiclass_hinge(scores, 1)
    == reference.multiclass_hinge(2 * scores, 1)
    == 0
)  # row 18

# %%
# .. admonition:: Where the slide slips
#
#    "Suppose that we found a W such that L = 0", says the slide, next to its table of
#    three images. But in the table only the car has loss 0: the mean loss is 5.27, and
#    a doubled :math:`W` makes it worse. Where an image is wrong, its errors are doubled
#    too.

table = np.array([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]])
three = LinearProblem(np.eye(3), np.arange(3), loss="hinge")
np.testing.assert_allclose(three.per_sample(2 * table.T), [4.8, 0, 23.8])  # row 18
np.testing.assert_allclose(three.value(table.T), 5.27, atol=0.005)  # row 18
assert three.value(2 * table.T) > three.value(table.T)  # row 18

# %%
# A whole data set without loss
# -----------------------------
# Three clouds that lines can separate. The *lead* of a point is the score of its
# class minus the highest other score. We train an SVM, and scale its :math:`W` so
# that the smallest lead is 1.

rng = np.random.default_rng(0)
y = np.arange(60) % 3
X = np.array([[0.0, 0.0], [6.0, 0.0], [3.0, 5.0]])[y] + rng.normal(0, 0.5, (60, 2))
model = MulticlassSVM(alpha=1e-6, random_state=0, max_iter=200).fit(X, y)

problem = LinearProblem(X, y, loss="hinge", fit_intercept=True)
W = np.column_stack([model.coef_, model.intercept_])
scores_of_all = problem.scores(W)
leads = scores_of_all[np.arange(60), y] - np.sort(scores_of_all, axis=1)[:, -2]
assert (scores_of_all.argmax(axis=1) == y).all()
W /= leads.min()

# %%
# All multiples from 1 on are without loss; half of it is not.

assert (
    problem.value(1.001 * W) == problem.value(2 * W) == problem.value(1000 * W) == 0
)  # row 18
assert problem.value(0.5 * W) > 0  # row 18

# %%
# The kernel agrees with the plain loop, image by image.

by_loop = [
    reference.L_i_vectorized(np.append(x, 1.0), c, 0.5 * W)
    for x, c in zip(X, y, strict=True)
]
np.testing.assert_allclose(
    problem.per_sample(0.5 * W), by_loop, atol=1e-9
)  # row 18

# %%
# All of them also draw the same borders: the highest score stays the highest. Only
# the leads grow. To softmax, which turns leads into probabilities, they matter: its
# loss falls for ever, and never reaches 0.

softmax = LinearProblem(X, y, loss="softmax", fit_intercept=True)
factors = np.geomspace(0.05, 8, 80)
hinge_values = [problem.value(f * W) for f in factors]
softmax_values = [softmax.value(f * W) for f in factors]

assert (np.diff(softmax_values) < 0).all()  # row 18
assert softmax_values[-1] > 0  # row 18
np.testing.assert_array_equal(
    problem.scores(W).argmax(axis=1), problem.scores(2 * W).argmax(axis=1)
)  # row 18

fig, ax = plt.subplots(figsize=(4.2, 2.8), layout="constrained")
ax.plot(factors, hinge_values, color="#0072b2", label="SVM")
ax.plot(factors, softmax_values, "--", color="#d55e00", label="softmax")
ax.axvspan(1, 8, color="#0072b2", alpha=0.1, linewidth=0)
ax.set(
    xscale="log",
    xlabel="factor on W",
    ylabel="loss",
    title="Every factor from 1 on has SVM loss 0",
    xlim=(0.05, 8),
    ylim=(0, None),
)
ax.set_xticks([0.1, 0.5, 1, 2, 8], ["0.1", "0.5", "1", "2", "8"])
ax.legend()

# %%
# With a penalty there is one best factor: the minimum of loss plus penalty. A larger
# factor pays more penalty, a smaller one more loss.

penalised = LinearProblem(
    X, y, loss="hinge", penalty="l2", alpha=0.01, fit_intercept=True
)
values = [penalised.value(f * W) for f in factors]
best = factors[int(np.argmin(values))]
print(f"with a penalty, the best factor is {best:.2f}")
assert 0.05 < best < 8  # row 18
assert penalised.value(2 * W) > penalised.value(W)  # row 18

# %%
# Things to try
# -------------
# * Move the clouds together until no lines separate them. Is there still a factor with
#   loss 0?
# * Use ``loss="squared_hinge"``. Does :math:`L(W) = 0` still imply :math:`L(2W) =
#   0`?
#
# Two tasks
# ---------
# **1. The smallest factor** for which :math:`f W` has loss 0, from the scores of
# :math:`W` alone.
#
# .. code-block:: python
#
#     def smallest_factor(scores, y):
#         """Smallest f with SVM loss 0 of f * scores (N, C); every true class scores highest."""
#         raise NotImplementedError
#
#     f = smallest_factor(scores[None], np.array([1]))
#     assert np.isclose(f, 1 / 2.9)
#     assert (
#         reference.multiclass_hinge(1.0001 * f * scores, 1)
#         == 0
#         < reference.multiclass_hinge(0.999 * f * scores, 1)
#     )
#     f = smallest_factor(problem.scores(4 * W), y)  # of all 60 points
#     assert problem.value(1.0001 * f * 4 * W) == 0 < problem.value(0.999 * f * 4 * W)
#
# **2. Another W without loss** that is no multiple: add the same row to every
# class. Why does the loss not change?
#
# .. code-block:: python
#
#     def shifted(W, v):
#         """W with the row v added to all classes."""
#         raise NotImplementedError
#
#     moved = shifted(W, np.array([5.0, -7.0, 2.0]))
#     assert np.allclose(moved - W, [[5, -7, 2], [5, -7, 2], [5, -7, 2]])
#     assert problem.value(1.001 * moved) == 0
#     assert np.allclose(
#         problem.per_sample(0.5 * moved), problem.per_sample(0.5 * W)
#     )

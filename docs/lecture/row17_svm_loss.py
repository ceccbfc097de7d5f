r"""
The multiclass SVM loss
=======================

Scores alone do not say how good a :math:`W` is. A *loss* does: one number for each
image, 0 where we have nothing to complain about, large where the scores are badly
wrong. The multiclass SVM asks that the score of the true class :math:`y_i` beats
every other score by at least 1, and charges what is missing:

.. math:: L_i = \sum_{j \neq y_i} \max(0, s_j - s_{y_i} + 1), \qquad L = \frac{1}{N} \sum_i L_i

It is also called the *hinge* loss, after its shape.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np

from fastcls import LinearProblem, display, losses, reference

# %%
# Three images
# ------------
# A row for each image (the slide has a column for each), a score for each class.

names = ["cat", "car", "frog"]
scores = np.array([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]])
y = np.array([0, 1, 2])

# %%
# The slide's function takes an image and :math:`W`. If the "image" is a row of the
# identity matrix, the scores are a column of :math:`W`: so we can hand it any
# scores we like. Beside it, our call: the compiled loss, which training minimises.

by_slide = [
    reference.L_i_vectorized(np.eye(3)[i], y[i], scores.T) for i in range(3)
]
problem = LinearProblem(np.eye(3), y, loss="hinge")
by_kernel = problem.per_sample(scores.T)

print("losses of the cat, the car and the frog:", np.round(by_slide, 3))
print("their mean:", round(problem.value(scores.T), 3))
np.testing.assert_allclose(by_slide, [2.9, 0, 12.9])  # row 17
np.testing.assert_allclose(by_kernel, [2.9, 0, 12.9])  # row 17
np.testing.assert_allclose(problem.value(scores.T), 5.27, atol=0.005)  # row 17

table = display.ScoresDisplay.from_predictions(
    y,
    scores,
    losses=["hinge"],
    class_names=names,
    sample_names=["a cat", "a car", "a frog"],
).plot()

# %%
# The car is right with room to spare: no loss. The cat loses to the car by 1.9, and
# pays 2.9. The frog's own score is the lowest of all, so it pays for both rivals.
#
# Six questions
# -------------
# **Q1. What happens to the loss if the car's scores change a bit?** Nothing. Its
# score is 4.9, and the best rival has 2.0: the loss stays 0 until the score falls
# below 3.0.


def loss_of_car(score):
    """Loss of the car if its own score were this."""
    changed = scores.copy()
    changed[1, 1] = score
    return losses.multiclass_hinge(changed, y)[1]


assert loss_of_car(4.9) == loss_of_car(4.8) == loss_of_car(3.0) == 0  # row 17
assert loss_of_car(2.99) > 0  # row 17

line = np.linspace(0, 6, 241)
fig, ax = plt.subplots(figsize=(4.2, 2.6), layout="constrained")
ax.plot(line, [loss_of_car(score) for score in line], color="#0072b2")
ax.plot([4.9], [0], "o", color="#d55e00", clip_on=False)
ax.annotate("the slide's car", (4.9, 0), (4.1, 1.2), arrowprops={"arrowstyle": "-"})
ax.set(
    xlabel="score of the car for 'car'",
    ylabel="loss",
    title="A hinge: flat, then straight up",
    xlim=(0, 6),
    ylim=(0, None),
)

# %%
# There are two kinks. Left of 3.0 one rival (2.0) is within the margin; left of 2.3
# both are, and the line is twice as steep.

steps = [loss_of_car(score - 0.1) - loss_of_car(score) for score in (4.9, 2.9, 2.2)]
np.testing.assert_allclose(steps, [0, 0.1, 0.2], atol=1e-12)  # row 17

# %%
# **Q2. What are the smallest and the largest possible loss?** 0, and there is no
# largest.

assert losses.multiclass_hinge([[100.0, 0, 0]], [0])[0] == 0  # row 17
assert losses.multiclass_hinge([[0.0, 1e300, 0]], [0])[0] > 1e299  # row 17

# %%
# **Q3. At the start W is small, and all scores are about 0. What is the loss?**
# Each of the :math:`C - 1` rivals charges the margin: :math:`C - 1`. If your first
# loss is another number, there is a bug.

for n_classes in (2, 3, 10, 100):
    start = LinearProblem(np.eye(n_classes), np.arange(n_classes), loss="hinge")
    assert start.value(np.zeros(start.shape)) == n_classes - 1  # row 17

# %%
# **Q4. What if the sum included** :math:`j = y_i` **?** Every loss grows by 1, the
# mean from 5.267 to 6.267. The gradient stays, and so does the best :math:`W`.
# Leaving it out makes the smallest loss 0, which is easier to read.

with_own = LinearProblem(np.eye(3), y, loss="hinge", include_correct=True)
np.testing.assert_allclose(with_own.value(scores.T), 6.267, atol=0.0005)  # row 17
np.testing.assert_array_equal(
    with_own.value_and_gradient(scores.T)[1],
    problem.value_and_gradient(scores.T)[1],
)  # row 17

# %%
# **Q5. What if we used the mean over the rivals, not the sum?** The same divided by
# :math:`C - 1`: another scale, the same best :math:`W` (if the penalty is scaled
# along).

mean = LinearProblem(np.eye(3), y, loss="hinge", class_reduction="mean")
np.testing.assert_allclose(mean.value(scores.T), 2.633, atol=0.0005)  # row 17

# %%
# **Q6. And with squares?** A different loss with a different best :math:`W`: a
# large mistake now counts far more than several small ones.

squared = LinearProblem(np.eye(3), y, loss="squared_hinge")
np.testing.assert_allclose(squared.per_sample(scores.T), [8.41, 0, 83.25])  # row 17
np.testing.assert_allclose(squared.value(scores.T), 30.553, atol=0.0005)  # row 17

# %%
# Things to try
# -------------
# * ``margin=10.0`` in ``LinearProblem``: all losses grow, but scaling :math:`W` by
#   10 gives exactly ten times the old loss. The margin is only a unit of measure.
# * ``loss="crammer_singer"`` charges the worst rival only. Which of the three
#   losses change?
#
# Two tasks
# ---------
# **1. The loss of one image**, without a loop.
#
# .. code-block:: python
#
#     def svm_loss(s, y):
#         """Multiclass SVM loss of scores s (C,) with true class y."""
#         raise NotImplementedError
#
#     assert np.allclose([svm_loss(scores[i], i) for i in range(3)], [2.9, 0, 12.9])
#
# **2. Its slope.** How does the loss change with each score? Every rival within the
# margin has slope 1; the true class pays for all of them.
#
# .. code-block:: python
#
#     def svm_slope(s, y):
#         """d loss / d s, an array (C,)."""
#         raise NotImplementedError
#
#     assert np.allclose(svm_slope(scores[0], 0), [-1, 1, 0])
#     assert np.allclose(svm_slope(scores[1], 1), 0)
#     assert np.allclose(
#         svm_slope(scores[2], 2),
#         losses.loss_and_gradient("hinge", scores, y)[1][2],
#     )

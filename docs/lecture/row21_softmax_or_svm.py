r"""
Softmax or SVM? Jiggle a data point
===================================

Both losses read the same scores. They differ in when they are satisfied:

.. math::

   L_i^{\text{softmax}} = -\log \frac{e^{s_{y_i}}}{\sum_j e^{s_j}}, \qquad
   L_i^{\text{SVM}} = \sum_{j \neq y_i} \max(0, s_j - s_{y_i} + 1)

The SVM does not care about an image once its margin is kept. Softmax always wants a
little more.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastcls import LinearProblem, losses, reference

# %%
# Three rows of scores; the true class is the first
# --------------------------------------------------

scores = np.array([[10.0, -2, 3], [10, 9, 9], [10, -100, -100]])
y = np.zeros(3, dtype=int)


def compiled(name, scores):
    """Losses by training's loop: scores of the identity are columns of W."""
    n = len(scores)
    return LinearProblem(
        np.eye(n), np.zeros(n, dtype=int), loss=name, n_classes=3
    ).per_sample(np.ascontiguousarray(scores.T))


softmax, hinge = compiled("softmax", scores), compiled("hinge", scores)
print("softmax", softmax.round(5).tolist(), " SVM", hinge.tolist())

np.testing.assert_allclose(softmax, [0.00092, 0.55144, 0], atol=5e-6)  # row 21
np.testing.assert_array_equal(hinge, [0, 0, 0])  # row 21
np.testing.assert_allclose(
    softmax, [reference.softmax_cross_entropy(s, 0) for s in scores], atol=1e-12
)  # row 21

# %%
# The SVM sees no difference between the three. Softmax finds the second hard: 10
# against 9 and 9 is a probability of only 58 %.

np.testing.assert_allclose(np.exp(-softmax[1]), 0.58, atol=0.005)  # row 21

# %%
# Now jiggle
# ----------
# Change the score of the second class a little, down and up, and look at both
# losses.


def jiggled(step):
    """Both losses of the three rows if the second class's score changes by step."""
    moved = scores + np.array([0, step, 0])
    return compiled("softmax", moved), compiled("hinge", moved)


down, up = jiggled(-0.1), jiggled(+0.1)
np.testing.assert_array_equal(down[1], [0, 0, 0])  # row 21
np.testing.assert_allclose(up[1], [0, 0.1, 0], atol=1e-12)  # row 21
assert down[0][1] < softmax[1] < up[0][1]  # row 21

# %%
# The first and third rows stay at an SVM loss of 0 in both directions. The second
# sits exactly on the *kink*: down, nothing happens; up, the loss grows as fast as
# the score. Softmax moves in every row and both directions, if only in the seventh
# decimal, or in the third row in the 49th.

assert down[0][0] < softmax[0] < up[0][0]  # row 21
third = [
    losses.softmax_cross_entropy([s], [0])[0]
    for s in ([10, -100.1, -100], [10, -100, -100], [10, -99.9, -100])
]
assert 3e-48 < third[0] < third[1] < third[2] < 4e-48  # row 21

steps = np.linspace(-4, 4, 161)
curves = np.array([jiggled(step) for step in steps])  # (steps, loss, row)
fig, axes = plt.subplots(
    1, 2, figsize=(6.4, 2.7), layout="constrained", sharey=True
)
for ax, title, values in zip(
    axes, ("softmax", "SVM"), curves.transpose(1, 2, 0), strict=True
):
    for row, (line, colour) in enumerate(
        (("-", "#0072b2"), ("--", "#d55e00"), (":", "#009e73"))
    ):
        ax.plot(
            steps,
            values[row],
            line,
            color=colour,
            label=str(scores[row].astype(int).tolist()),
        )
    ax.axvline(0, color="grey", linewidth=0.6)
    ax.set(title=title, xlabel="change of the second score", ylim=(-0.1, 4))
axes[0].set_ylabel("loss")
axes[0].legend(fontsize=8)

# %%
# What it means for training
# --------------------------
# The gradient is what training follows. An image whose margin is kept has SVM
# gradient 0: it no longer takes part. With softmax every image pulls for ever, the
# confident ones very weakly.

G_svm = losses.loss_and_gradient("hinge", scores, y)[1]
G_softmax = losses.loss_and_gradient("softmax", scores, y)[1]
np.testing.assert_array_equal(G_svm, np.zeros((3, 3)))  # row 21
np.testing.assert_allclose(
    G_softmax[1], [-0.42388, 0.21194, 0.21194], atol=5e-6
)  # row 21

# %%
# In practice the two classifiers are about equally accurate. Softmax also gives
# probabilities, which is why it is used more.
#
# Things to try
# -------------
# * Lower the *true* score of the third row from 10 to -98. When does the SVM begin
#   to notice?
# * Scores of thousands make softmax look like a hinge. Divide ``softmax(1000 *
#   scores)`` by 1000 and compare.
#
# Two tasks
# ---------
# **1. How far may the point move?** The largest rise of one rival's score that
# leaves the SVM loss at 0.
#
# .. code-block:: python
#
#     def room(s, rival):
#         """How much the score of rival may rise; the true class is 0, and the loss is 0 now."""
#         raise NotImplementedError
#
#     assert [room(s, 1) for s in scores] == [11, 0, 109]
#     assert [room(s, 2) for s in scores] == [6, 0, 109]
#
# **2. How sure is softmax?** The lead over :math:`C - 1` equal rivals that gives
# the true class the probability :math:`p`.
#
# .. code-block:: python
#
#     def lead_for(p, n_classes):
#         """Lead of the true score over equal rivals at which its probability is p."""
#         raise NotImplementedError
#
#     assert np.isclose(
#         np.exp(
#             -reference.softmax_cross_entropy(
#                 np.array([lead_for(0.99, 10)] + [0.0] * 9), 0
#             )
#         ),
#         0.99,
#     )
#     assert np.isclose(lead_for(0.5, 2), 0)

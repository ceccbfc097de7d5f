r"""
The softmax loss
================

The SVM is content as soon as the margin is kept. Softmax wants more: it reads
scores as *unnormalised log probabilities*. Take the exponential, and all numbers
are positive; divide by their sum, and they are probabilities. The loss is the
negative logarithm of what the true class got:

.. math:: P(Y = k \mid x_i) = \frac{e^{s_k}}{\sum_j e^{s_j}}, \qquad L_i = -\log P(Y = y_i \mid x_i)

It is known as cross-entropy, and the classifier as multinomial logistic regression.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastcls import LinearProblem, losses, reference

# %%
# The cat, step by step
# ---------------------

s = np.array([3.2, 5.1, -1.7])  # cat, car, frog: the image is a cat

exponentials = np.exp(s)
np.testing.assert_allclose(exponentials, [24.5, 164.0, 0.18], rtol=0.02)  # row 20

probabilities = exponentials / exponentials.sum()
np.testing.assert_allclose(probabilities, [0.13, 0.87, 0.00], atol=0.005)  # row 20
np.testing.assert_allclose(
    reference.softmax_probabilities(s), probabilities
)  # row 20

loss = -np.log(probabilities[0])
print("probabilities:", probabilities.round(3), "loss of the cat:", round(loss, 3))
np.testing.assert_allclose(loss, 2.040, atol=0.0005)  # row 20

fig, axes = plt.subplots(1, 3, figsize=(6.4, 2.4), layout="constrained")
steps = (
    ("scores", s),
    ("exp: all positive", exponentials),
    ("normalise: sum 1", probabilities),
)
for ax, (title, values) in zip(axes, steps, strict=True):
    bars = ax.bar(
        ["cat", "car", "frog"], values, color=["#0072b2", "#999999", "#999999"]
    )
    ax.bar_label(bars, fmt="%.2f", fontsize=8)
    ax.axhline(0, color="black", linewidth=0.8)
    ax.set_title(title, fontsize=10)
    ax.margins(y=0.2)

# %%
# .. admonition:: Where the slide slips
#
#    The slide prints 0.89 for :math:`-\log(0.13)`. That is the logarithm to base
#    10. The natural logarithm, which the formula means, gives 2.04.

np.testing.assert_allclose(-np.log10(0.13), 0.89, atol=0.005)  # row 20

# %%
# Three images, three ways
# ------------------------
# The plain loop, the function for scores, and the compiled loss that training
# minimises agree.

scores = np.array([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]])
y = np.array([0, 1, 2])
problem = LinearProblem(
    np.eye(3), y, loss="softmax"
)  # the scores of the rows of the identity are the columns of W

expected = [2.040, 0.079, 6.156]
np.testing.assert_allclose(
    [reference.softmax_cross_entropy(scores[i], i) for i in range(3)],
    expected,
    atol=0.0005,
)  # row 20
np.testing.assert_allclose(
    losses.softmax_cross_entropy(scores, y), expected, atol=0.0005
)  # row 20
np.testing.assert_allclose(
    problem.per_sample(scores.T), expected, atol=0.0005
)  # row 20
np.testing.assert_allclose(problem.value(scores.T), 2.759, atol=0.0005)  # row 20

# %%
# Two questions
# -------------
# **What are the smallest and the largest possible loss?** 0 would need a
# probability of 1, so an infinite lead: the loss comes as near as you like, in
# exact arithmetic never there. There is no largest.

lead = np.array([0.0, 1, 2, 5, 10, 20])
by_lead = losses.softmax_cross_entropy(
    np.column_stack([lead, np.zeros(6)]), np.zeros(6, dtype=int)
)
assert (np.diff(by_lead) < 0).all() and by_lead[-1] > 0  # row 20
assert losses.softmax_cross_entropy([[0.0, 1e300]], [0])[0] > 1e299  # row 20

# %%
# **At the start all scores are about 0. What is the loss?** All classes get
# :math:`1/C`, so it is :math:`\ln C`: with the ten classes of CIFAR-10, 2.303. As
# with the SVM, a first loss of another size is a bug.

for n_classes in (2, 3, 10, 1000):
    start = LinearProblem(np.eye(n_classes), np.arange(n_classes), loss="softmax")
    np.testing.assert_allclose(
        start.value(np.zeros(start.shape)), np.log(n_classes)
    )  # row 20

# %%
# In the demo, the table has the three probabilities of each point. With W = 0 they
# are equal, and every loss is :math:`\ln 3 = 1.099`. Press *Single step*.
#
# .. demo:: linear
#    :state: loss=softmax&W=0,0,0,0,0,0,0,0,0&alpha=0&step=0.3

# %%
# Large scores
# ------------
# :math:`e^{1000}` overflows. Subtract the largest score first: it cancels in the
# fraction, and nothing overflows. All three ways do it.

huge = np.array([[1000.0, 999.0, 0.0]])
with np.errstate(over="ignore", invalid="ignore"):
    assert np.isnan(np.exp(huge) / np.exp(huge).sum()).any()
np.testing.assert_allclose(
    losses.softmax_cross_entropy(huge, [1]), np.log(1 + np.e)
)  # row 20

# %%
# Things to try
# -------------
# * Add 100 to all scores of an image. What happens to the loss, and why?
# * Multiply all scores by 10, then by 0.1. When do the probabilities look like a
#   single choice, when like a lottery?
#
# Two tasks
# ---------
# **1. Probabilities that do not overflow.**
#
# .. code-block:: python
#
#     def softmax(s):
#         """Probabilities (C,) of scores (C,), of any size."""
#         raise NotImplementedError
#
#     assert np.allclose(softmax(s), probabilities)
#     assert np.allclose(softmax(np.array([1000.0, 999.0])), [0.7310586, 0.2689414])
#     assert np.allclose(softmax(np.array([-1000.0, -999.0])), [0.2689414, 0.7310586])
#     assert np.allclose(softmax(np.array([1000.0, -2000.0, -2000.0])), [1, 0, 0])
#
# **2. The slope of the loss.** It is the nicest formula of the lecture: two terms.
#
# .. code-block:: python
#
#     def softmax_slope(s, y):
#         """d loss / d s, an array (C,)."""
#         raise NotImplementedError
#
#     slopes = np.array([softmax_slope(s, c) for c in range(3)])
#     assert np.allclose(
#         slopes, losses.loss_and_gradient("softmax", [s, s, s], range(3))[1]
#     )
#     assert np.allclose(slopes.sum(axis=1), 0)

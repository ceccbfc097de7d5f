r"""
Regularization: prefer the simple W
===================================

A model that passes through every training point has learned the noise too. So the
full loss has two parts: the *data loss* asks the predictions to fit, the *penalty*
asks :math:`W` to be simple, and :math:`\lambda` says how much that is worth
(``alpha`` here):

.. math:: L(W) = \frac{1}{N} \sum_i L_i(f(x_i, W), y_i) + \lambda R(W)

William of Ockham said it first: *among competing hypotheses, the simplest is the
best*.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastcls import LinearProblem, display, reference
from fastcls.penalties import PENALTIES, project

# %%
# What is simple?
# ---------------
# The slide has one image and two :math:`W` that score it the same.

x = np.array([1.0, 1, 1, 1])
w1 = np.array([[1.0, 0, 0, 0]])
w2 = np.array([[0.25, 0.25, 0.25, 0.25]])
assert (w1 @ x)[0] == (w2 @ x)[0] == 1  # row 19


def R(w, penalty, **options):
    """The penalty of w, from the registry that training uses."""
    return PENALTIES[penalty].value(w, **options)


print("L2:", R(w1, "l2"), R(w2, "l2"), " L1:", R(w1, "l1"), R(w2, "l1"))
assert R(w1, "l2") == 1 and R(w2, "l2") == 0.25  # row 19
assert R(w1, "l1") == R(w2, "l1") == 1  # row 19

# %%
# L2, :math:`\sum W^2`, prefers to spread the weight over all pixels. L1,
# :math:`\sum |W|`, sees no difference here; in training it makes weights exactly 0.
# The elastic net mixes them. The slide writes :math:`\beta W^2 + |W|`; ours is
# :math:`r |W| + (1 - r) W^2`, the same with :math:`\beta = (1 - r)/r` up to a
# factor.

r = 0.25
beta = (1 - r) / r
for w in (w1, w2):
    np.testing.assert_allclose(
        R(w, "elasticnet", l1_ratio=r), r * (beta * (w**2).sum() + np.abs(w).sum())
    )  # row 19

# %%
# *Max norm* does not charge, it forbids: a row that is longer than allowed is
# shortened to the limit.

short = project(np.array([[3.0, 4.0], [0.3, 0.4]]), 1.0)
np.testing.assert_allclose(short, [[0.6, 0.8], [0.3, 0.4]])  # row 19

# %%
# Through every point, or simple?
# -------------------------------
# 24 points on a line, two classes; one label in seven is wrong. The features are
# Legendre polynomials up to degree 20, so a linear classifier can bend as often as
# it likes.


def noisy_curve(n, seed, degree=20):
    """Polynomial features of points, and their signs, one in seven wrong."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-1, 1, n)
    classes = ((points > 0) ^ (rng.random(n) < 1 / 7)).astype(int)
    return np.polynomial.legendre.legvander(points, degree)[:, 1:], classes


train, new = noisy_curve(24, 3), noisy_curve(4000, 2)
sweep = display.RegularizationDisplay.from_data(
    *train, *new, alphas=(0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
).plot()

# %%
# Without a penalty the fit is perfect on the 24 points and poor on 4,000 new ones.
# Too strong a penalty leaves only the larger class. Somewhere in between is the best:
# it gives up the wrong labels, which it should.

print("on training points", sweep.train.round(3).tolist())
print("on new points     ", sweep.new.round(3).tolist())
assert sweep.train[0] == 1.0  # row 19
assert sweep.new[0] < sweep.new.max() - 0.05  # row 19
assert sweep.train[sweep.best] < 1.0 and sweep.alphas[sweep.best] > 0  # row 19
assert (np.diff(sweep.norms) < 0).all()  # row 19

# %%
# The full loss as the slide writes it, row by row, is in ``fastcls.reference``;
# training minimises the same number, compiled.

N, alpha = 24, 0.01
X, y = train
problem = LinearProblem(X, y, loss="softmax", penalty="l2", alpha=alpha)
W = np.random.default_rng(1).normal(size=problem.shape)
value, gradient, _ = reference.evaluate_linear(X, y, W, loss="softmax", alpha=alpha)
np.testing.assert_allclose(problem.value(W), value)  # row 19
np.testing.assert_allclose(
    problem.value_and_gradient(W)[1], gradient, atol=1e-9
)  # row 19

# %%
# If you are a Bayesian
# ---------------------
# Believe before seeing any data that each weight is drawn from a normal
# distribution around 0 with variance :math:`\sigma^2`. The most probable :math:`W`
# afterwards maximises likelihood times prior. Its negative logarithm is :math:`N`
# times our full loss, up to a constant, exactly if
#
# .. math:: \sigma^2 = \frac{1}{2 N \alpha}
#
# Factors of 2 and of :math:`N` are easily lost here. So we check them: differences
# of both sides, between two :math:`W`.

data_only = LinearProblem(X, y, loss="softmax", penalty=None)
variance = 1 / (2 * N * alpha)


def log_posterior(W):
    """Log likelihood plus log prior, without the constant that does not depend on W."""
    return -N * data_only.value(W) - (W**2).sum() / (2 * variance)


rng = np.random.default_rng(0)
A, B = rng.normal(size=(2, *problem.shape))
np.testing.assert_allclose(
    log_posterior(A) - log_posterior(B), N * (problem.value(B) - problem.value(A))
)  # row 19

# %%
# So a strong penalty is a firm belief that weights are small, and more data makes
# the same ``alpha`` a firmer one.

fig, ax = plt.subplots(figsize=(4.2, 2.6), layout="constrained")
grid = np.linspace(-3, 3, 301)
for strength, line, colour in (
    (0.005, "-", "#0072b2"),
    (0.02, "--", "#d55e00"),
    (0.1, "-.", "#009e73"),
):
    s2 = 1 / (2 * N * strength)
    ax.plot(
        grid,
        np.exp(-(grid**2) / (2 * s2)) / np.sqrt(2 * np.pi * s2),
        line,
        color=colour,
        label=f"alpha = {strength}",
    )
ax.set(
    xlabel="weight",
    ylabel="density",
    title="What alpha believes of a weight (N = 24)",
    xlim=(-3, 3),
    ylim=(0, None),
)
ax.legend(fontsize=8)

# %%
# The slide also names dropout, batch normalization and stochastic depth. They
# regularize deep networks; a linear classifier has no layers to drop, and they are
# outside this library.
#
# Things to try
# -------------
# * Give ``RegularizationDisplay.from_data`` other seeds. Is the best ``alpha``
#   always the same?
# * ``penalty="l1"`` with ``solver="sgd"``: how many weights of the digits become
#   exactly 0?
#
# Two tasks
# ---------
# **1. The slope of the penalty.** What does L2 add to the gradient? The name
# *weight decay* comes from it.
#
# .. code-block:: python
#
#     def l2_slope(W, alpha):
#         """d (alpha * sum W^2) / d W."""
#         raise NotImplementedError
#
#     both = problem.value_and_gradient(A)[1], data_only.value_and_gradient(A)[1]
#     assert np.allclose(both[0] - both[1], l2_slope(A, alpha))
#
# **2. The step of L1.** The best :math:`w` for :math:`\frac{1}{2} (w - v)^2 + t
# |w|` moves :math:`v` towards 0 by :math:`t`, and stops there.
#
# .. code-block:: python
#
#     def shrink(v, t):
#         """argmin over w of (w - v)^2 / 2 + t |w|, for an array v."""
#         raise NotImplementedError
#
#     assert np.allclose(
#         shrink(np.array([-2.0, -0.1, 0.0, 0.3, 5.0]), 0.25),
#         [-1.75, 0, 0, 0.05, 4.75],
#     )

r"""
Follow the slope
================

Stand on a hillside in fog: you cannot see the valley, but you feel with your feet
which way is down. In one dimension that is the derivative. With many weights it is
the *gradient*, the list of all partial derivatives:

.. math:: \frac{\partial L}{\partial W_i} = \lim_{h \to 0} \frac{L(W + h e_i) - L(W)}{h}

This page computes it as the slide does, one number at a time, and shows why nobody
trains that way.
"""

# sphinx_gallery_thumbnail_number = 2

import matplotlib.pyplot as plt
import numpy as np

from fastcls import LinearProblem, gradcheck, reference

# %%
# The slide's nine numbers
# ------------------------
# The slide moves one weight after the other by :math:`h = 0.0001` and looks at what
# the loss does.

h = 0.0001
loss = 1.25347
moved = np.array([1.25322, 1.25353, 1.25347])
np.testing.assert_allclose((moved - loss) / h, [-2.5, 0.6, 0], atol=1e-9)  # row 23

# %%
# A loss with this value and these slopes, at the slide's nine weights, gives all
# nine numbers back:

W = np.array([0.34, -1.11, 0.78, 0.12, 0.55, 2.81, -3.1, -1.5, 0.33])
slide = np.array([-2.5, 0.6, 0, 0.2, 0.7, -0.5, 1.1, 1.3, -2.1])


def slide_loss(V):
    """1.25347 at W, and from there as steep as the slide says."""
    return loss + slide @ (V - W)


found = reference.forward_difference(slide_loss, W, h)
print(found.round(3).tolist())
np.testing.assert_allclose(found, slide, atol=1e-9)  # row 23

# %%
# Now a real loss. The nine weights serve 3 classes and 3 features, and there are 40
# images. The slide's loop is in ``fastcls.reference``; our gradient is computed
# from a formula, for all weights at once.

W = W.reshape(3, 3)
rng = np.random.default_rng(0)
X, y = rng.normal(size=(40, 3)), rng.integers(0, 3, 40)
problem = LinearProblem(X, y, loss="softmax")

slow = reference.forward_difference(problem.value, W, h)
value, analytic = problem.value_and_gradient(W)
print(f"loss {value:.5f}")
print(np.round(slow, 4).tolist())
print(np.round(analytic, 4).tolist())
np.testing.assert_allclose(slow, analytic, atol=h)  # row 23

# %%
# They agree to about :math:`h`: the forward difference looks only ahead, and the
# curvature between :math:`W` and :math:`W + h` is its error. Look in both
# directions, and the error falls to :math:`h^2`. A smaller :math:`h` helps until
# rounding takes over.

steps = 10.0 ** np.arange(-12, 0)
exact = reference.evaluate_linear(X, y, W, loss="softmax")[1]
errors = {
    method: [
        np.abs(
            gradcheck.numerical_gradient(problem.value, W, h=step, method=method)
            - exact
        ).max()
        for step in steps
    ]
    for method in ("forward", "central")
}
assert min(errors["central"]) < 1e-9 < min(errors["forward"]) < 1e-6  # row 23
np.testing.assert_allclose(analytic, exact, atol=1e-12)  # row 23

fig, ax = plt.subplots(figsize=(4.2, 2.8), layout="constrained")
ax.loglog(
    steps, errors["forward"], "o-", color="#0072b2", label="forward (the slide)"
)
ax.loglog(steps, errors["central"], "^--", color="#d55e00", label="central")
ax.set(
    xlabel="h",
    ylabel="largest error of an entry",
    title="Small h: less curvature, more rounding",
)
ax.legend()

# %%
# .. admonition:: Where the slide slips
#
#    With losses rounded to five decimals and :math:`h = 0.0001`, a slope is known
#    to about 0.1. The slide's third number, 0, may be anything between -0.1 and
#    0.1.

rounding = 2 * 0.000005 / h
np.testing.assert_allclose(rounding, 0.1)  # row 23

# %%
# Why nobody trains that way
# --------------------------
# A linear classifier for CIFAR-10 with the bias trick has 10 x 3073 weights. One
# forward-difference gradient needs one loss for each of the 30,730 weights and one at
# :math:`W` itself, and each loss needs all images. We compute all 30,731, on no more
# than 10 images of noise.

images = rng.integers(0, 256, (10, 3072), dtype=np.uint8)
large = LinearProblem(
    images,
    np.arange(10),
    loss="softmax",
    fit_intercept=True,
    center=images.mean(axis=0),
    scale=255.0,
)
assert large.shape == (10, 3073)  # row 23
assert np.prod(large.shape) == 30_730  # row 23

calls = 0


def counting(weights):
    """The loss, and one more call on the counter."""
    global calls
    calls += 1
    return large.value(weights)


from time import process_time

start = process_time()
numerical = reference.forward_difference(counting, np.zeros(large.shape))
seconds_numerical = process_time() - start
assert calls == 30_730 + 1  # row 23

start = process_time()
for _ in range(20):
    analytic_large = large.value_and_gradient(np.zeros(large.shape))[1]
seconds_analytic = max(process_time() - start, 1e-9) / 20
np.testing.assert_allclose(numerical, analytic_large, atol=1e-3)  # row 23

# %%
# Both say the same, to :math:`h`. In processor time, measured while this page was
# built:

ratio = seconds_numerical / seconds_analytic
print(f"30,731 losses: {seconds_numerical:.1f} s")
print(f"one analytic gradient: {1e3 * seconds_analytic:.2f} ms")
print(f"so one numerical gradient pays for {ratio:,.0f} analytic ones,")
print(f"and one analytic gradient costs as much as {calls / ratio:.1f} losses")
assert ratio > 100  # row 23

# %%
# Which way is steepest?
# ----------------------
# The slope in *any* direction :math:`d` is the dot product of :math:`d` and the
# gradient. Among all directions of length 1, the loss falls fastest along that of
# :math:`-\nabla L`. We try 2,000.

gradient = problem.value_and_gradient(W)[1]
directions = rng.normal(size=(2000, 3, 3))
directions /= np.sqrt((directions**2).sum(axis=(1, 2), keepdims=True))
slopes = (directions * gradient).sum(axis=(1, 2))

step = 1e-5
measured = [
    (problem.value(W + step * d) - problem.value(W - step * d)) / (2 * step)
    for d in directions[:50]
]
np.testing.assert_allclose(measured, slopes[:50], atol=1e-8)  # row 23

steepest = -np.linalg.norm(gradient)
down = -gradient / np.linalg.norm(gradient)
assert slopes.min() > steepest  # row 23
np.testing.assert_allclose(
    (problem.value(W + step * down) - problem.value(W - step * down)) / (2 * step),
    steepest,
    atol=1e-8,
)  # row 23

fig, ax = plt.subplots(figsize=(4.2, 2.6), layout="constrained")
ax.hist(slopes, bins=40, color="#0072b2")
ax.axvline(steepest, color="#d55e00", linewidth=2)
ax.text(
    steepest + 0.05,
    0.95,
    "against the\ngradient",
    color="#d55e00",
    va="top",
    transform=ax.get_xaxis_transform(),  # its height: a share of the figure's
)
ax.set(
    xlabel="slope of the loss",
    ylabel="directions",
    title="2,000 random directions and the steepest",
)

# %%
# Things to try
# -------------
# * Draw 500 new directions for ``large``, with its 30,730 weights. How steep is the
#   best of them, compared with the gradient? It is almost level: in many dimensions
#   guessing does not train.
# * Build ``problem`` with ``loss="hinge"``, and scale ``W`` so that one margin
#   :math:`s_j - s_y + 1` is nearly 0. Where do forward and central difference disagree
#   now? (The page's assertions about errors then fail: they are about softmax.)
#
# Two tasks
# ---------
# **1. The central difference.**
#
# .. code-block:: python
#
#     def central_difference(f, W, h=1e-5):
#         """Numerical gradient of f at W, one entry at a time, looking in both directions."""
#         raise NotImplementedError
#
#     before = W.copy()
#     found = central_difference(problem.value, W)
#     assert np.allclose(found, analytic, rtol=0, atol=1e-8)
#     assert (W == before).all()  # each entry is put back
#
# **2. One number from one direction.** Check a gradient with only two losses,
# whatever its size.
#
# .. code-block:: python
#
#     def slope_error(f, gradient, W, direction, h=1e-5):
#         """|measured - promised| slope of f along direction."""
#         raise NotImplementedError
#
#     assert slope_error(problem.value, analytic, W, directions[0]) < 1e-8
#     for factor in (1.1, 0.9):  # too steep, too flat
#         assert slope_error(problem.value, factor * analytic, W, down) > 0.01

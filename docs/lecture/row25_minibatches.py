r"""
Gradient descent, and why minibatches
=====================================

Walk downhill: compute the gradient, take a small step against it, repeat.

.. math:: W \leftarrow W - \eta \, \nabla L(W), \qquad \nabla L(W) = \frac{1}{N} \sum_{i=1}^{N} \nabla L_i(W)

The sum runs over *all* images, and each step needs it anew. With a million images
that is a long wait for one small step. So estimate the gradient from a *minibatch*:
32, 64, 128 or 256 images, drawn at random. The estimate is noisy, but a hundred
noisy steps are worth more than one exact step.
"""

# sphinx_gallery_thumbnail_number = 2

import os

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator

from fastcls import LinearProblem, SoftmaxClassifier, display, reference
from fastcls.datasets import load_cifar10, load_digits

folder = os.environ.get("FASTCLS_CIFAR10")
data = load_cifar10(folder) if folder else load_digits()
X, y = data.X[:5000], data.y[:5000]
n = len(X)
problem = LinearProblem(
    X, y, loss="softmax", center=X.mean(axis=0), scale=float(X.std())
)
print("CIFAR-10" if folder else "digits", X.shape)

# %%
# How wrong is a minibatch?
# -------------------------
# The full gradient is the reference. For each batch size we draw 60 minibatches and
# measure how far their gradients are from it.

W = np.zeros(problem.shape)
full = problem.value_and_gradient(W)[1]
sizes = np.array([8, 16, 32, 64, 128, 256, 512])
rng = np.random.default_rng(0)


def error_of(size):
    """RMS distance of minibatch gradients from the full one, by its length."""
    batches = [
        problem.value_and_gradient(W, rng.integers(0, n, size))[1]
        for _ in range(60)
    ]
    return np.sqrt(
        np.mean([((g - full) ** 2).sum() for g in batches])
    ) / np.linalg.norm(full)


errors = np.array([error_of(size) for size in sizes])

# %%
# Four times as many images halve the error, as for any average: it falls as
# :math:`1/\sqrt{B}`. But they cost four times as much.

slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
print(f"error ~ B^{slope:.2f}")
assert abs(slope + 0.5) < 0.1  # row 25

fig, ax = plt.subplots(figsize=(4.2, 2.8), layout="constrained")
ax.loglog(sizes, errors, "o-", color="#0072b2", label="measured")
ax.loglog(
    sizes,
    errors[0] * np.sqrt(sizes[0] / sizes),
    ":",
    color="black",
    label="$1/\\sqrt{B}$",
)
ax.set_xticks(sizes, [str(size) for size in sizes])
ax.minorticks_off()
ax.set(
    xlabel="images in the minibatch",
    ylabel="error / length of the gradient",
    title="Four times the images: half the error",
)
ax.legend()

# %%
# That is one half of the bargain; the other is time. For each size, the error and
# the processor time of one gradient, measured while this page was built:

from time import process_time


def seconds_of(size):
    """Processor seconds of one gradient over `size` images."""
    chosen, runs = rng.integers(0, n, size), []
    for _ in range(5):
        start = process_time()
        for _ in range(20):
            problem.value_and_gradient(W, chosen)
        runs.append((process_time() - start) / 20)
    return max(min(runs), 1e-9)


costs = np.array([seconds_of(size) for size in [*sizes, n]])
for size, error, cost in zip([*sizes, n], [*errors, 0.0], costs, strict=True):
    print(f"{size:>5} images: error {error:.3f}, {1e6 * cost:,.0f} microseconds")
assert errors[-1] < errors[0] / 4  # row 25
# many times the images: all of them cost more than 8, in the same run
assert costs[-1] > 2 * costs[0]  # row 25

fig, ax = plt.subplots(figsize=(4.2, 3.1), layout="constrained")
ax.loglog(1e6 * costs[:-1], errors, "o-", color="#0072b2")
for cost, error, size in zip(costs, errors, sizes, strict=False):
    ax.annotate(
        str(size),
        (1e6 * cost, error),
        xytext=(4, 4),
        textcoords="offset points",
        fontsize=8,
    )
ax.axvline(1e6 * costs[-1], color="black", linestyle=":", linewidth=1)
ax.annotate(
    f"all {n:,}: no error",
    (1e6 * costs[-1], errors[0]),
    xytext=(-4, -2),
    textcoords="offset points",
    ha="right",
    fontsize=8,
)
for axis, digits in ((ax.xaxis, (1, 3)), (ax.yaxis, (1, 2, 5))):
    axis.set_major_locator(LogLocator(subs=digits))
    axis.set_major_formatter("{x:,g}")
ax.minorticks_off()
ax.margins(0.08)
ax.set(
    xlabel="microseconds of one gradient",
    ylabel="error / length of the gradient",
    title="What an exact gradient costs",
)

# %%
# The smallest batches cost hardly more than the call itself; beyond them, twice the
# images buy 30 % less error. In the time of one exact step there is room for many
# rough ones.
#
# On average a minibatch is right, whatever its size. The mean over *all* disjoint
# minibatches is the full gradient, to the last digits:

whole = n - n % 64
parts = [
    problem.value_and_gradient(W, slice(i, i + 64))[1] for i in range(0, whole, 64)
]
by_parts = problem.value_and_gradient(W, slice(0, whole))[1]
np.testing.assert_allclose(
    np.mean(parts, axis=0), by_parts, atol=1e-6 * np.abs(by_parts).max()
)  # row 25

# %%
# The slide's loop
# ----------------
# ``fastcls.reference`` has it in four lines: draw rows, evaluate the gradient
# there, step. Our problem supplies the gradient. Each run may read 20 times the
# number of images there are; the smaller the batch, the more steps it takes from
# them.

step_size = 0.002
budget = 20 * n
curves, read = {}, {}


def gradient_of(W, rows):
    """The gradient over a minibatch; the work is counted in images read."""
    read[size] += len(rows)
    return problem.value_and_gradient(W, rows)[1]


for size in (32, 64, 128, 256, n):
    steps, read[size] = budget // size, 0
    run = reference.minibatch_gradient_descent(
        gradient_of,
        W,
        n,
        step_size,
        steps,
        batch_size=size,
        random_state=0,
    )
    every = max(1, steps // 40)
    curves[size] = [(0, problem.value(W))]
    curves[size] += [
        ((i + 1) * size / n, problem.value(at))
        for i, at in enumerate(run)
        if i % every == every - 1
    ]

final = {size: curve[-1][1] for size, curve in curves.items()}
print({size: round(value, 3) for size, value in final.items()})
np.testing.assert_allclose(curves[32][0][1], np.log(10))  # row 25
assert final[32] < final[64] < final[128] < final[256] < final[n]  # row 25
for size, images in read.items():
    assert budget - size < images == budget // size * size <= budget  # row 25

# %%
# The same, the other way round: what do small batches read until their loss is that
# of 20 exact steps?

sooner = {}
for size in (32, 64, 128, 256):
    passes = next(passes for passes, loss in curves[size] if loss <= final[n])
    sooner[size] = passes / 20
    print(
        f"batches of {size:>3}: {sooner[size]:.1%} of the images that exact steps read"
    )
assert sooner[32] <= sooner[64] <= sooner[128] <= sooner[256] < 0.25  # row 25

# %%
# The curves of all batch sizes:

fig, ax = plt.subplots(figsize=(4.2, 3.0), layout="constrained")
styles = zip(
    curves.items(),
    ("-", "--", "-.", ":", "-"),
    ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "black"),
    strict=True,
)
for (size, curve), line, colour in styles:
    ax.plot(
        *np.array(curve).T,
        line,
        color=colour,
        label="all images" if size == n else f"{size} images",
    )
ax.set(
    xlabel="images read / images there are",
    ylabel="loss over all images",
    title="The same reading, more steps",
    xlim=(0, 20),
    ylim=(0, None),
)
ax.legend(title="per step", fontsize=8)

# %%
# Our call
# --------
# ``SoftmaxClassifier`` does this with momentum, a learning rate that falls, and one
# pass over all images per epoch, in a new order each time. It records the loss.

model = SoftmaxClassifier(
    batch_size=64, max_iter=20, alpha=1e-4, random_state=0
).fit(X, y)
history = display.LossHistoryDisplay.from_estimator(
    model, name="softmax, batches of 64"
).plot()
assert len(model.loss_history_) == 20  # row 25
assert model.loss_history_[-1] < model.loss_history_[0] < np.log(10)  # row 25

# %%
# The gradient it follows is that of the plain loop, image by image:

rows = np.arange(32)
by_loop = reference.evaluate_linear(
    (X[rows] - problem.center) / problem.scale, y[rows], W, loss="softmax"
)[1]
np.testing.assert_allclose(
    problem.value_and_gradient(W, rows)[1],
    by_loop,
    atol=1e-5 * np.abs(by_loop).max(),
)  # row 25

# %%
# Things to try
# -------------
# * Give each run the same number of *steps* instead of images. Which batch size
#   wins now, and what did it cost?
# * Make ``step_size`` 0.6, 300 times as large. Which batch size becomes restless first?
#
# Two tasks
# ---------
# **1. One epoch.** The slide draws rows with replacement. Visit each row exactly
# once, in a random order.
#
# .. code-block:: python
#
#     def epoch(n, batch_size, rng):
#         """Yield arrays of row numbers that together hold each of 0 .. n - 1 once."""
#         raise NotImplementedError
#
#     batches = list(epoch(100, 32, np.random.default_rng(0)))
#     assert [len(rows) for rows in batches] == [32, 32, 32, 4]
#     assert (
#         sorted(np.concatenate(batches))
#         == list(range(100))
#         != list(np.concatenate(batches))
#     )
#     assert all(np.ptp(rows) > 32 for rows in batches[:3])  # from all over the rows
#
# **2. Momentum.** Keep a velocity: a fraction of the last step is taken again.
#
# .. code-block:: python
#
#     def momentum_step(W, velocity, gradient, step_size, momentum=0.9):
#         """New W and new velocity."""
#         raise NotImplementedError
#
#     W1, v1 = momentum_step(np.zeros(2), np.zeros(2), np.array([1.0, -2.0]), 0.1)
#     W2, v2 = momentum_step(W1, v1, np.array([1.0, -2.0]), 0.1)
#     assert np.allclose(W1, [-0.1, 0.2])
#     assert np.allclose(W2, [-0.29, 0.58])
#     W3, _ = momentum_step(W1, v1, np.zeros(2), 0.1, momentum=0.5)
#     assert np.allclose(W3, [-0.15, 0.3])  # half of the last step

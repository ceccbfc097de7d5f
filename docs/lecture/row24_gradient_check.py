r"""
The gradient check
==================

The numerical gradient is slow, approximate, and easy to write. The analytic
gradient is fast, exact, and *error-prone*: a forgotten factor does not crash, it
only trains badly. So in practice: use the analytic one, and check it against the
numerical one. The error of an entry is relative,

.. math:: \frac{|n - a|}{\max(|n|, |a|)}

since 0.001 is a lot beside 0.002 and nothing beside 1,000.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastcls import LinearProblem, losses, penalties, reference
from fastcls.gradcheck import check_gradient, numerical_gradient, relative_errors

rng = np.random.default_rng(0)
X = rng.integers(0, 256, (60, 12), dtype=np.uint8)
y = rng.integers(0, 4, 60)

# %%
# One check
# ---------

problem = LinearProblem(
    X,
    y,
    loss="softmax",
    penalty="l2",
    alpha=0.01,
    center=X.mean(axis=0),
    scale=float(X.std()),
    arithmetic="float64",
)
W = 0.3 * rng.normal(size=problem.shape)
report = check_gradient(problem, W)
print(report)
assert report.n_checked == 48 and report.max_relative_error < 1e-6  # row 24

# %%
# Every loss, every penalty, every kind of numbers
# ------------------------------------------------
# The registries list them, so nothing is left out by mistake. In float32 the
# numerical gradient still uses float64; the analytic one is what training uses.

kinds = {"uint8": X, "float32": (X / 100).astype(np.float32), "float64": X / 100}
worst = np.zeros((len(losses.LOSSES), len(kinds)))
n_checks = 0
for i, loss in enumerate(losses.LOSSES):
    for j, rows in enumerate(kinds.values()):
        for penalty in [None, *penalties.PENALTIES]:
            more = {"max_norm": 3.0} if penalty == "max_norm" else {}
            one = LinearProblem(
                rows,
                y,
                loss,
                penalty,
                0.01,
                center=rows.mean(axis=0),
                scale=float(rows.std()),
                **more,
            )
            worst[i, j] = max(
                worst[i, j], check_gradient(one, W).max_relative_error
            )
            n_checks += 1
print(f"{n_checks} gradients checked")
assert n_checks == len(losses.LOSSES) * len(kinds) * (
    1 + len(penalties.PENALTIES)
)  # row 24
assert (worst[:, list(kinds).index("float64")] < 1e-6).all()  # row 24
assert (worst < 1e-2).all()  # row 24

fig, ax = plt.subplots(figsize=(4.2, 2.8), layout="constrained")
ax.imshow(np.log10(worst + 1e-16), cmap="Blues", vmin=-12, vmax=0, aspect="auto")
for (i, j), value in np.ndenumerate(worst):
    ax.text(j, i, f"{value:.0e}", ha="center", va="center", fontsize=9)
ax.set_xticks(range(len(kinds)), list(kinds))
ax.set_yticks(range(len(losses.LOSSES)), list(losses.LOSSES))
ax.set_title("Largest relative error, over all penalties", fontsize=10)

# %%
# Bytes and float32 are trained in float32 arithmetic, which keeps about seven
# digits; entries near 0 have fewer of them right.
#
# Does the check find mistakes?
# -----------------------------
# A check that cannot fail proves nothing. Here are five mistakes that people really
# make, each against the right gradient of the hinge or softmax loss.

hinge = LinearProblem(
    X,
    y,
    loss="hinge",
    penalty="l2",
    alpha=0.01,
    center=X.mean(axis=0),
    scale=float(X.std()),
    arithmetic="float64",
)
Z = (X - problem.center) / problem.scale
n = len(X)
one_hot = np.eye(4)[y]


def softmax_slopes(W):
    """d loss / d scores of every row: the probabilities, minus 1 for the true class."""
    return np.stack(
        [
            reference.softmax_cross_entropy_gradient(s, c)
            for s, c in zip(Z @ W.T, y, strict=True)
        ]
    )


def hinge_slopes(W):
    """d loss / d scores of every row for the SVM."""
    return np.stack(
        [
            reference.multiclass_hinge_gradient(s, c)
            for s, c in zip(Z @ W.T, y, strict=True)
        ]
    )


right = {
    "softmax": (problem, softmax_slopes(W).T @ Z / n + 2 * 0.01 * W),
    "hinge": (hinge, hinge_slopes(W).T @ Z / n + 2 * 0.01 * W),
}
mistakes = {
    "forgot to divide by n": (problem, softmax_slopes(W).T @ Z + 2 * 0.01 * W),
    "forgot the penalty": (problem, softmax_slopes(W).T @ Z / n),
    "penalty without its 2": (problem, softmax_slopes(W).T @ Z / n + 0.01 * W),
    "forgot the -1 of the true class": (
        problem,
        (softmax_slopes(W) + one_hot).T @ Z / n + 2 * 0.01 * W,
    ),
    "true class pays once, not per rival": (
        hinge,
        np.maximum(hinge_slopes(W), -1).T @ Z / n + 2 * 0.01 * W,
    ),
}


def error_of(problem, analytic):
    """Largest relative error away from kinks."""
    numerical = numerical_gradient(problem.value, W)
    return relative_errors(numerical, analytic).max()


errors_of_right = [error_of(of, analytic) for of, analytic in right.values()]
for of, analytic in right.values():
    np.testing.assert_allclose(
        of.value_and_gradient(W)[1], analytic, rtol=1e-9, atol=1e-12
    )  # row 24
    assert error_of(of, analytic) < 1e-4  # row 24
found = {name: error_of(*one) for name, one in mistakes.items()}
for name, error in found.items():
    print(f"{name:<36} error {error:.3f}")
    assert error > 1e-2  # row 24
assert (
    len(found) == 5 and min(found, key=found.get) == "penalty without its 2"
)  # row 24
assert min(found.values()) > 1000 * max(errors_of_right)  # row 24

# %%
# The smallest of the five errors is that of the factor 2, and it is still a
# thousand times that of right code.
#
# Kinks
# -----
# The hinge is not differentiable where a margin is exactly met: the slope on the
# left is another than on the right, and neither is wrong. ``check_gradient``
# recognises such entries and reports them apart, so that right code is not blamed.
# At :math:`W = 0` the Crammer-Singer loss is on a kink everywhere.

flat = check_gradient(LinearProblem(X, y, loss="crammer_singer"), np.zeros((4, 12)))
print(flat.verdict)
assert flat.n_kinks == flat.n_checked  # row 24

# %%
# .. admonition:: Where the slide slips
#
#    It gives :math:`h = 0.0001` for everything. On raw bytes that changes a score
#    by 0.0255, far enough to cross kinks. ``check_gradient`` chooses the step from
#    the data, so that a *score* changes by about 0.0001.
#
# Things to try
# -------------
# * ``arithmetic="float32"`` for the first problem. How many digits are left?
# * Check one direction only: ``check_gradient(problem, W, direction=...)`` costs
#   two losses, whatever the size of :math:`W`.
#
# Two tasks
# ---------
# **1. Relative error.**
#
# .. code-block:: python
#
#     def relative_error(n, a):
#         """|n - a| / max(|n|, |a|), entry by entry; 0 where both are 0."""
#         raise NotImplementedError
#
#     assert np.allclose(
#         relative_error(np.array([1.0, 0, -2, -1.25]), np.array([1.1, 0, 2, -1])),
#         [0.1 / 1.1, 0, 2, 0.2],
#     )
#
# **2. A gradient of your own, checked.** The full softmax loss without a penalty,
# in three lines and no loop over classes.
#
# .. code-block:: python
#
#     def softmax_gradient(W, Z, y):
#         """d mean softmax loss / d W (C, D) for rows Z (N, D)."""
#         raise NotImplementedError
#
#     own = softmax_gradient(W, Z, y) + 2 * 0.01 * W
#     assert relative_errors(numerical_gradient(problem.value, W), own).max() < 1e-4

r"""
A linear classifier, read in three ways
=======================================

A linear classifier keeps no training images. It keeps one weight for each pixel and
class, and one bias for each class. An image :math:`x` with :math:`D` pixels gets
one *score* for each of :math:`C` classes:

.. math:: f(x, W) = W x + b, \qquad W: C \times D, \quad x: D, \quad b: C

The class with the highest score wins. Prediction costs :math:`C \cdot D`
multiplications, however many images were used to train it: the opposite of nearest
neighbours.
"""

# sphinx_gallery_thumbnail_number = 3

import os

import numpy as np
from scipy.ndimage import zoom

from fastcls import LinearProblem, SoftmaxClassifier, display, reference
from fastcls.datasets import load_cifar10, load_digits

# %%
# Four pixels, three classes
# --------------------------
# The slide's image has four pixels. Its three classes are cat, dog and ship.

x = np.array([56, 231, 24, 2], dtype=np.uint8)
W = np.array([[0.2, -0.5, 0.1, 2.0], [1.5, 1.3, 2.1, 0.0], [0.0, 0.25, 0.2, -0.3]])
b = np.array([1.1, 3.2, -1.2])

# %%
# As a loop, so that nothing is hidden:

scores = np.zeros(3)
for c in range(3):
    for pixel in range(4):
        scores[c] += W[c, pixel] * float(x[pixel])
    scores[c] += b[c]

print(dict(zip(["cat", "dog", "ship"], scores.round(2).tolist(), strict=True)))
np.testing.assert_allclose(scores, [-96.8, 437.9, 60.75])  # row 13

# %%
# This :math:`W` takes the cat for a dog, and it is very sure.
#
# The bias trick
# --------------
# Append a pixel that is always 1, and append :math:`b` to :math:`W` as one more
# column. Then one product does it all, and whatever is said about :math:`W` from
# here on holds for the bias too. ``LinearProblem`` does this with
# ``fit_intercept``; it takes the image as bytes.

problem = LinearProblem(x[None], [0], loss="hinge", n_classes=3, fit_intercept=True)
W_and_b = np.column_stack([W, b])

assert W_and_b.shape == problem.shape == (3, 5)  # row 13
np.testing.assert_allclose(problem.scores(W_and_b)[0], scores, rtol=1e-6)  # row 13

# %%
# The compiled loss of this image is that of the plain loop in
# ``fastcls.reference``: :math:`(437.9 + 96.8 + 1) + (60.75 + 96.8 + 1) = 694.25`.

by_loop = reference.evaluate_linear(x[None], np.array([0]), W, b, "hinge")[0]
np.testing.assert_allclose([problem.value(W_and_b), by_loop], 694.25)  # row 13

table = display.ScoresDisplay.from_predictions(
    [0],
    [scores],
    losses=["hinge"],
    class_names=["cat", "dog", "ship"],
    sample_names=["a cat of four pixels"],
).plot()

# %%
# .. admonition:: Where the slide slips
#
#    The slide prints 61.95 for the ship. That is the product alone: the bias of
#    -1.2 was not added.

np.testing.assert_allclose(W[2] @ x, 61.95)  # row 13

# %%
# First reading: a formula
# ------------------------
# Now a :math:`W` that was learned. Without ``FASTCLS_CIFAR10`` the images are
# scikit-learn's handwritten digits, enlarged to 28 x 28 pixels.


def enlarged(digits):
    """Digits (n, 64) at the size of MNIST's, smooth: (n, 784) bytes."""
    images = zoom(15.9 * digits.reshape(-1, 8, 8), (1, 3.5, 3.5), order=1)
    return images.clip(0, 255).astype(np.uint8).reshape(len(digits), 784)


folder = os.environ.get("FASTCLS_CIFAR10")
data = load_cifar10(folder) if folder else load_digits()
X, y = data.X[:5000] if folder else enlarged(data.X), data.y[:5000]
shape = data.image_shape if folder else (28, 28, 1)
# a strong penalty leaves photographs only what is smooth, and so easier to see
model = SoftmaxClassifier(alpha=1.0 if folder else "auto", random_state=0).fit(X, y)
print("CIFAR-10" if folder else "digits", X.shape, "->", model.coef_.shape)

# %%
# The scores of the fitted model are the formula, and nothing else. A second way to
# read the same formula is one pixel at a time: make one pixel brighter by 1, and
# the score of class :math:`c` changes by exactly its weight.

image = X[0].astype(np.float64)
np.testing.assert_allclose(
    model.decision_function(image[None])[0],
    model.coef_ @ image + model.intercept_,
    atol=1e-8,
)  # row 14

pixel = X.shape[1] // 2
brighter = image.copy()
brighter[pixel] += 1
change = model.decision_function([brighter, image])
np.testing.assert_allclose(
    change[0] - change[1], model.coef_[:, pixel], atol=1e-8
)  # row 14

# %%
# Second reading: templates
# -------------------------
# A row of :math:`W` has one number for each pixel, so it is an image too: the
# *template* of its class. The score is the inner product of template and image. On
# grey images, red raises the score and blue lowers it.

templates = display.TemplatesDisplay.from_estimator(
    model, image_shape=shape, class_names=data.class_names
).plot()

# %%
# A template fits its own class. On average, images of a class score higher under
# their own template than other images do:

scores = model.decision_function(X)
own = np.array([scores[y == c, c].mean() for c in range(10)])
others = np.array([scores[y != c, c].mean() for c in range(10)])
assert (own > others).all()  # row 14

# %%
# Third reading: geometry
# -----------------------
# An image of :math:`D` pixels is a point in :math:`D` dimensions. Where the score
# of a class is 0 lies a hyperplane; with two features it is a line. The row
# :math:`w_c` is an arrow that stands upright on this line and points to where the
# score rises.

rng = np.random.default_rng(3)
classes = np.arange(90) % 3
points = np.array([[0.0, 0.0], [3.0, 0.5], [1.0, 2.8]])[classes] + rng.normal(
    0, 0.6, (90, 2)
)
flat = SoftmaxClassifier(random_state=0).fit(points, classes)
regions = display.DecisionRegionDisplay.from_estimator(flat, points, classes).plot()

ax = regions.ax_
box = ax.axis()
for c, (w, bias) in enumerate(zip(flat.coef_, flat.intercept_, strict=True)):
    foot = (
        -bias * w / (w @ w)
    )  # the point of the line that is nearest to the origin
    along = np.array([-w[1], w[0]]) / np.linalg.norm(w)
    ends = np.array([foot - 20 * along, foot + 20 * along])
    ax.plot(*ends.T, color="black", linewidth=1.2)
    middle = foot + along * ((points.mean(axis=0) - foot) @ along)
    ax.annotate(
        "",
        middle + 0.7 * w / np.linalg.norm(w),
        middle,
        arrowprops={"arrowstyle": "->", "linewidth": 1.8},
    )

    on_line, one_step = flat.decision_function(
        [middle, middle + w / np.linalg.norm(w)]
    )[:, c]
    np.testing.assert_allclose(on_line, 0, atol=1e-9)  # row 14
    np.testing.assert_allclose(one_step, np.linalg.norm(w), rtol=1e-9)  # row 14
ax.axis(box)
ax.set_title("Lines of score 0, arrows uphill", fontsize=10)

# %%
# One step of length 1 along the arrow raises the score by the length of the arrow,
# wherever you start. So a longer :math:`w_c` means a steeper score, not another
# line. Change a number of ``W`` and see its line turn, or press *Run* and watch the
# loss fall:
#
# .. demo:: linear
#
# Things to try
# -------------
# * Train with ``alpha=10.0``, then with ``alpha=1e-6``. Which templates are smooth?
# * Set ``fit_intercept=False, center=False`` for the points of the plane: all lines
#   then go through the origin.
#
# Two tasks
# ---------
# **1. The bias trick.** Compute the scores with one matrix product; do not add
# ``b``.
#
# .. code-block:: python
#
#     def scores_with_trick(W, b, x):
#         """Scores (C,) of one image x (D,)."""
#         raise NotImplementedError
#
#     assert np.allclose(scores_with_trick(W, b, x), [-96.8, 437.9, 60.75])
#
# **2. The distance to a line.** How far is a point from where the score of class
# ``c`` is 0? The sign says on which side.
#
# .. code-block:: python
#
#     def distance_to_line(w, bias, point):
#         """Signed distance; positive where the score is positive."""
#         raise NotImplementedError
#
#     assert np.isclose(
#         distance_to_line(np.array([3.0, 4.0]), -5.0, np.array([0.0, 0.0])), -1.0
#     )
#     assert np.isclose(
#         distance_to_line(np.array([3.0, 4.0]), -5.0, np.array([3.0, 4.0])), 4.0
#     )
#     assert np.isclose(
#         distance_to_line(flat.coef_[2], flat.intercept_[2], middle), 0.0
#     )

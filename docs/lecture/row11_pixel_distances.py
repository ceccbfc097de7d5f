r"""
Why k-NN on pixels is never used
================================

*Very slow at test time* was the first reason, and the filter answers it. Two
reasons are left, and no speed helps against them: distances between pixels do not
mean what we see, and in many dimensions almost nothing is near.
"""

# sphinx_gallery_thumbnail_number = 1

import os

import numpy as np
from sklearn.datasets import load_sample_images

from fastcls import display, pairwise_distances, reference
from fastcls.datasets import load_cifar10

# %%
# Three pictures, one distance
# ----------------------------
# A patch of 32 x 32 pixels from a photograph that comes with scikit-learn (with
# ``FASTCLS_CIFAR10``, an image of CIFAR-10). ``SameDistanceDisplay`` shifts it by
# one pixel, and then builds a box and a tint that are *exactly* as far from the
# original: the squared distances of bytes are whole numbers.

folder = os.environ.get("FASTCLS_CIFAR10")
photographs = load_sample_images().images
patches = np.stack(
    [
        photo[i : i + 32, j : j + 32]
        for photo in photographs
        for i in range(0, 416, 32)
        for j in range(0, 640, 32)
    ]
).reshape(-1, 3072)
images = load_cifar10(folder).X if folder else patches
image = images[4 if folder else 330]

same = display.SameDistanceDisplay.from_image(image, image_shape=(32, 32, 3)).plot()
original, *altered = same.images.reshape(4, -1)
found = pairwise_distances([original], altered, "sqeuclidean")[0]
print("squared distances", found.astype(int).tolist())

assert (
    found == same.squared_distance
).all() and same.squared_distance > 0  # row 11
np.testing.assert_array_equal(
    found, reference.squared_l2(original, np.array(altered))
)  # row 11
assert len({one.tobytes() for one in same.images}) == 4  # row 11

# %%
# For L2 the three are equally good copies. To us one is the same picture, one is
# spoiled, and one has another light.
#
# It is not a trick of one image. A shift of a single pixel, which nobody notices,
# moves a patch of a photograph by a good part of the distance to a different patch:

rows = np.ascontiguousarray(images[:1000])
squares = rows.reshape(-1, 32, 32, 3).astype(int)
moved = np.sqrt(((squares[:, :, 1:] - squares[:, :, :-1]) ** 2).sum(axis=(1, 2, 3)))
between = pairwise_distances(rows, rows, "l2")
np.fill_diagonal(between, np.inf)
share = np.median(moved / between.min(axis=1))
print(
    f"shift by one pixel: {share:.0%} of the distance to the nearest other image (median)"
)
assert share > 0.1  # row 11

# %%
# The curse of dimensionality
# ---------------------------
# For neighbours to be near, points must cover the space. With four points along
# each axis, a line takes 4 points, a square 16, a cube 64; an image of 3,072 pixels
# would take :math:`4^{3072}`.

needed = [
    len(np.stack(np.meshgrid(*[np.arange(4)] * d), axis=-1).reshape(-1, d))
    for d in (1, 2, 3)
]
assert needed == [4, 16, 64]  # row 12

curse = display.CurseDisplay.from_uniform(random_state=0, data=rows).plot()

# %%
# The curve is measured: random points in a cube, and how far the nearest is compared
# with an average one. In one dimension the nearest is very near; in a thousand it is
# hardly nearer than any other. Then "nearest" says little.

for d, value in zip(curse.dimensions[::3], curse.nearest[::3], strict=True):
    print(f"{d:>5} dimensions: the nearest is at {value:.0%} of the mean distance")
assert curse.needed[:3] == needed  # row 12
assert (np.diff(curse.nearest) > 0).all()  # row 12
assert curse.nearest[0] < 0.05 and curse.nearest[-1] > 0.8  # row 12

# %%
# There is a consolation, the triangle in the figure: real images have 3,072 pixels
# and still near neighbours. Neighbouring pixels are alike, so images fill only a
# thin sheet of their space. That is also why the filter of this library can rule
# out most of them.

n_dimensions, share = curse.own
print(f"real images, {n_dimensions:,} dimensions: {share:.2f}")
assert n_dimensions == 3072 and share < curse.nearest[-1]  # row 12

# %%
# Things to try
# -------------
# * ``shift=2`` in ``SameDistanceDisplay``: how dark does the box get?
# * Measure the curse under L1 with ``pairwise_distances``. Is it milder?
#
# Two tasks
# ---------
# **1. A tint at a given distance.** Adding the same :math:`t` to all :math:`D`
# values moves an image by a known L2 distance. Which :math:`t` moves it by
# ``distance``?
#
# .. code-block:: python
#
#     def tint_for(distance, n_values):
#         """The t >= 0 for which |x + t - x| (L2, n_values numbers) is distance."""
#         raise NotImplementedError
#
#     t = tint_for(500.0, 3072)
#     assert t > 0 and np.isclose(np.linalg.norm(np.full(3072, t)), 500.0)
#     assert np.isclose(tint_for(6.0, 9), 2.0)
#
# **2. Corners.** Which share of a cube of side 2 lies within distance 1 of its
# centre? Estimate it from random points.
#
# .. code-block:: python
#
#     def share_in_ball(d, n, rng):
#         """Share of n uniform points of [-1, 1]^d with L2 norm at most 1."""
#         raise NotImplementedError
#
#     inside = [
#         share_in_ball(d, 20_000, np.random.default_rng(0)) for d in (1, 2, 3, 10)
#     ]
#     assert (
#         np.allclose(inside[:3], [1, np.pi / 4, np.pi / 6], atol=0.02)
#         and inside[3] < 0.01
#     )

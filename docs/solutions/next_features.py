"""Solutions of the tasks of docs/lecture/next/next_features.py.

Things to try:

* 1,764 numbers, and worse ones: with the hues, 10-NN falls from 51 % to 41 % and softmax from 55 % to 51 %. A cell of 16 pixels
  counts few edges, and a shift of two pixels moves many of them to its neighbour. (CIFAR-10, 5,000 images: 45.2 % becomes 45.5 %, 48.3 % becomes 46.5 %.)
* Neither: without it, 10-NN gains 3 points and softmax loses less than one. Both descriptions are shares, so their columns are of
  one size already: 0.10 is the mean deviation of the edges, 0.11 that of the hues. Other features would need it.
"""

import numpy as np


def colour_histogram(images, bins=4):
    """Shares of the colours in rows (n, 3072) of bytes: (n, bins ** 3)."""
    ranges = images.reshape(len(images), -1, 3).astype(int) * bins // 256
    colours = ranges @ [bins**2, bins, 1]
    counts = [np.bincount(one, minlength=bins**3) for one in colours]
    return np.stack(counts) / colours.shape[1]


def directions(grey, bins=9):
    """Shares (bins,) of the directions in a grey image (h, w); they sum to 1."""
    down, right = np.gradient(grey)
    degrees = np.degrees(np.arctan2(down, right)) % 180
    counts = np.histogram(degrees, bins, (0, 180), weights=np.hypot(down, right))[0]
    return counts / counts.sum()

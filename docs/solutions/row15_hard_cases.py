"""Solutions of the tasks of docs/lecture/row15_hard_cases.py.

Things to try:

* Up to 99 %: 20,000 images hold nearly all 4,096 that exist, so the nearest is the image itself.
* About 10, in place of 1 or 3: single neighbours now lie, and a vote of more of them does not.
"""

import numpy as np


def in_a_mode(X, centres):
    """0 or 1 for each point of X (N, 2): within 0.8 of one of the centres (3, 2)?"""
    distances = np.linalg.norm(X[:, None] - centres, axis=2)
    return (distances <= 0.8).any(axis=1).astype(int)


def parity_features(X):
    """Features (N, any number) of images X (0 or 255) in which the parity is linear."""
    white = (X // 255).sum(axis=1, dtype=int)
    # a point that turns half round per pixel
    return np.cos(np.pi * white)[:, None]

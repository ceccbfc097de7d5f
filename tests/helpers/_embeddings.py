"""Small embeddings for tests: classes overlap, so no accuracy is 0 or 1."""

import numpy as np


def embeddings(n=700, d=12, classes=7, seed=0, dtype=np.float32, spread=0.35):
    """Rows around one point for each class, not around the origin, with string labels."""
    rng = np.random.default_rng(seed)
    y = rng.integers(classes, size=n)
    X = rng.standard_normal((classes, d))[y] * spread + rng.standard_normal((n, d)) + 0.5
    return X.astype(dtype), np.array([f"class {code}" for code in y])


def halves(n_test=150, **options):
    X, y = embeddings(**options)
    return X[n_test:], y[n_test:], X[:n_test], y[:n_test]


def unit(X):
    lengths = np.linalg.norm(X, axis=1, keepdims=True)
    return X / np.where(lengths > 0, lengths, 1)


def nearest_means(train, y, test, center=True, normalize=True):
    mean = train.astype(np.float64).mean(axis=0) if center else 0.0
    train, test = train - mean, test - mean
    if normalize:
        train, test = unit(train), unit(test)
    classes = np.unique(y)
    means = np.stack([train[y == c].mean(axis=0) for c in classes])
    return classes[np.square(test[:, None] - means).sum(axis=2).argmin(axis=1)]

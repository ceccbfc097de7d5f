"""The numbers of an evaluation by scikit-learn's functions, and probabilities to evaluate."""

import numpy as np
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score

from fastcls._scoring.numbers import softmax


def calibration_error(hits, confidence):
    """Expected calibration error with 15 equal bins (low, high], bin by bin."""
    error = 0.0
    for at in range(15):
        inside = (confidence > at / 15) & (confidence <= (at + 1) / 15)
        if inside.any():
            error += inside.mean() * abs(hits[inside].mean() - confidence[inside].mean())
    return error


def by_scikit_learn(truth, shares):
    """Numbers from the probabilities of the classes 0, 1, ..., of rows that may hold a class that the model lacks."""
    named = shares.argmax(axis=1)
    present = [code for code in np.unique(truth) if 0 <= code < shares.shape[1]]
    ranked = [1] if shares.shape[1] == 2 else present
    own = np.where((truth >= 0), shares[np.arange(len(truth)), np.maximum(truth, 0)], 0.0)
    return {
        "top1": np.mean(named == truth),
        "balanced_accuracy": balanced_accuracy_score(truth, named),
        "macro_f1": f1_score(truth, named, average="macro"),
        "weighted_f1": f1_score(truth, named, average="weighted"),
        "average_precision": np.mean([average_precision_score(truth == code, shares[:, code]) for code in ranked]),
        "log_loss": np.mean(-np.log(np.clip(own, np.finfo(float).eps, 1))),
        "calibration_error": calibration_error(named == truth, shares.max(axis=1)),
    }


def random_shares(n=400, n_classes=4, seed=0, digits=None):
    """Probabilities, and labels that agree with them more often than not; with ties if rounded."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(n_classes, size=n, p=np.arange(1, n_classes + 1) / np.arange(1, n_classes + 1).sum())
    scores = rng.standard_normal((n, n_classes)) + 1.2 * np.eye(n_classes)[truth]
    shares = softmax(scores)
    if digits is not None:
        shares = np.round(shares, digits)
        shares[:, 0] += 1 - shares.sum(axis=1)
    return truth, shares

"""Solutions of the tasks of docs/lecture/row10_cross_validation.py."""

import numpy as np


def one_error_rule(accuracy, ks):
    """Largest k whose mean over folds is at least best mean - standard error of the best; accuracy is (n_ks, n_folds)."""
    means = accuracy.mean(axis=1)
    best = means.argmax()
    error = accuracy[best].std(ddof=1) / np.sqrt(accuracy.shape[1])
    return max(
        k for k, mean in zip(ks, means, strict=True) if mean >= means[best] - error
    )


def half_width(hits, n):
    """1.96 standard errors of hits / n."""
    share = hits / n
    return 1.96 * np.sqrt(share * (1 - share) / n)

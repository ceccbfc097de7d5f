"""The k-NN evaluation of DINO's script, in torch. It runs in a separate Python, see bench/protocols.py.

    python protocols_rival.py FOLDER THREADS ROUNDS     one line of JSON: seconds of each round, top-1 and top-5 in percent

The method is that of facebookresearch/dino's eval_knn.py: for every k, a hundredth of the queries at a time, a matrix
product with all training rows, the k largest, one-hot labels weighted by exp(similarity / 0.07), summed and sorted. "once"
searches for the largest k and uses it for the votes of all k. Rows are float32 of length 1 before the clock starts.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

KS, TEMPERATURE, CHUNKS = (10, 20, 100, 200), 0.07, 100


def hits(similarity, labels, truth, k, n_classes):
    """Numbers of top-1 and top-5 hits."""
    n = len(truth)
    one_hot = torch.zeros(n * k, n_classes).scatter_(1, labels[:, :k].reshape(-1, 1), 1).view(n, k, n_classes)
    votes = (one_hot * (similarity[:, :k] / TEMPERATURE).exp().unsqueeze(2)).sum(1)
    right = votes.sort(1, descending=True).indices == truth.view(-1, 1)
    return np.array([int(right[:, :1].sum()), int(right[:, : min(5, k)].sum())])


def chunks(Q, truth):
    step = len(Q) // CHUNKS
    return ((Q[start : start + step], truth[start : start + step]) for start in range(0, len(Q), step))


def published(X, y, Q, truth, n_classes):
    columns, found = X.t(), {}
    for k in KS:
        found[k] = np.zeros(2, dtype=np.int64)
        for some, right in chunks(Q, truth):
            similarity, places = (some @ columns).topk(k, dim=1)
            found[k] += hits(similarity, y[places], right, k, n_classes)
    return found


def once(X, y, Q, truth, n_classes):
    columns, found = X.t(), {k: np.zeros(2, dtype=np.int64) for k in KS}
    for some, right in chunks(Q, truth):
        similarity, places = (some @ columns).topk(max(KS), dim=1)
        labels = y[places]
        for k in KS:
            found[k] += hits(similarity, labels, right, k, n_classes)
    return found


def main(folder, n_threads, rounds):
    torch.set_num_threads(n_threads)
    X, y, Q, truth = (torch.from_numpy(np.load(Path(folder, f"{name}.npy"))) for name in ("X", "y", "Q", "truth"))
    n_classes, figures = int(y.max()) + 1, {}
    with torch.no_grad():
        for way in (published, once):
            way(X, y, Q[:500], truth[:500], n_classes)
            seconds = []
            for _ in range(rounds):
                begun = time.perf_counter()
                found = way(X, y, Q, truth, n_classes)
                seconds.append(time.perf_counter() - begun)
            percent = {k: (100 * hit / len(Q)).tolist() for k, hit in found.items()}
            figures[way.__name__] = {"seconds": seconds, "percent": percent}
    print(json.dumps({**figures, "torch": torch.__version__}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

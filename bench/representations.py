"""``python -m bench.representations CIFAR10 FOLDER`` writes four representations of CIFAR-10 for ``fastcls compare``.

pixels.npy, hog.npy, colours.npy and convolution.npy (a random convolution's features), for the test rows the same names
with -test; y.npy and y-test.npy. CIFAR10 is whatever ``fastcls.datasets.load`` reads.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from fastcls import datasets

from . import unseen

MADE = {"hog": unseen.gradients, "colours": unseen.colours, "convolution": unseen.convolutions}


def main() -> None:
    """Write the files."""
    data, folder = datasets.load(sys.argv[1]), Path(sys.argv[2])
    assert data.X_test is not None
    assert data.y_test is not None
    folder.mkdir(parents=True, exist_ok=True)
    n = len(data.X)
    rows = np.concatenate([data.X, data.X_test])
    planes = np.ascontiguousarray(rows.reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2)).reshape(len(rows), -1)
    for name, made in [("pixels", rows), *((name, of((planes, planes[:1]))[0]) for name, of in MADE.items())]:
        np.save(folder / f"{name}.npy", made[:n])
        np.save(folder / f"{name}-test.npy", made[n:])
    np.save(folder / "y.npy", data.y)
    np.save(folder / "y-test.npy", data.y_test)


if __name__ == "__main__":
    main()

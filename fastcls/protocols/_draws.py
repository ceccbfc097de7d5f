"""Random rows: the draws of published scripts, reproduced exactly, and our own.

Row numbers depend only on the labels and the seed. The published draws need neither torch nor mteb: torch's generator for
the CPU is the Mersenne Twister of NumPy's ``RandomState``, seeded in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

_AT_ONCE = 1024  # rows whose labels are compared with the full ones at once


def draw(codes: np.ndarray, per_class: int | float, rng: np.random.Generator) -> np.ndarray:
    """Row numbers, ascending, of random rows of each class: a number (all rows of a smaller class), or a share of them."""
    mixed = rng.permutation(len(codes))
    return np.sort(_first_of_each(codes, mixed, per_class))


def _first_of_each(codes: np.ndarray, mixed: np.ndarray, per_class: int | float) -> np.ndarray:
    """The first rows of each class (a number, or a share of them), in the order in which `mixed` lists them."""
    by_class = np.argsort(codes[mixed], kind="stable")  # class by class, each in the order of `mixed`
    counts = np.bincount(codes[mixed])
    rank = np.arange(len(mixed)) - (np.cumsum(counts) - counts)[codes[mixed[by_class]]]  # within the class
    wanted = np.array([per_class_of(per_class, n) for n in counts.tolist()])
    return mixed[np.sort(by_class[rank < wanted[codes[mixed[by_class]]]])]


def shuffled_orders(n_rows: int, seed: int, *, restarts: bool) -> Iterator[np.ndarray]:
    """The running orders of MTEB: each experiment shuffles the order of the one before.

    Parameters
    ----------
    restarts : bool
        Whether every shuffle starts from a new ``RandomState(seed)``: True in mteb 2, False in mteb 1, which shuffled with
        NumPy's global generator, seeded once.
    """
    order, generator = np.arange(n_rows), np.random.RandomState(seed)
    while True:
        if restarts:
            generator = np.random.RandomState(seed)
        generator.shuffle(order)
        yield order.copy()


def mteb_draws(
    codes: np.ndarray, per_class: int | float, n_draws: int, seed: int, *, restarts: bool = True
) -> list[np.ndarray]:
    """Rows of each experiment of MTEB, in its order: the first `per_class` rows of each label in the running order.

    References
    ----------
    embeddings-benchmark/mteb, mteb/abstasks/classification.py, _undersample_data.
    """
    orders = shuffled_orders(len(codes), seed, restarts=restarts)
    return [_first_of_each(codes, next(orders), per_class) for _ in range(n_draws)]


def mteb_label_draws(labels: np.ndarray, per_label: int, n_draws: int, seed: int) -> list[np.ndarray]:
    """Rows of each experiment of MTEB with several labels per row, in its order.

    Each experiment shuffles all rows, with one generator for all experiments, and takes a row if one of its labels has been
    taken fewer than `per_label` times; then all its labels count.

    Parameters
    ----------
    labels : ndarray of shape (n_rows, n_labels), uint8

    References
    ----------
    embeddings-benchmark/mteb, mteb/abstasks/multilabel_classification.py, _undersample_data_indices; mteb/_set_seed.py.
    """
    generator = np.random.default_rng(seed)
    draws = []
    for _ in range(n_draws):
        order = np.arange(len(labels))
        generator.shuffle(order)
        taken, rows = np.zeros(labels.shape[1], dtype=np.int64), []
        for start in range(0, len(order), _AT_ONCE):
            block = order[start : start + _AT_ONCE]
            is_wanted = taken < per_label  # what is full stays full, so that most rows need no look
            for row in block[labels[block][:, is_wanted].any(axis=1)].tolist():
                own = labels[row].view(bool)
                if (taken[own] < per_label).any():
                    rows.append(row)
                    taken[own] += 1
        draws.append(np.array(rows, dtype=np.int64))
    return draws


class TorchGenerator:
    """The permutations of torch's CPU generator after ``manual_seed(seed)``, which takes the lower 32 bits of any seed.

    Place i of a permutation is exchanged with place i + (next 32 bits modulo the number of places left).

    References
    ----------
    pytorch/pytorch, aten/src/ATen/native/TensorFactories.cpp, randperm_cpu; aten/src/ATen/core/MT19937RNGEngine.h.
    """

    def __init__(self, seed: int) -> None:
        self._twister = np.random.RandomState(seed & 0xFFFFFFFF)

    def permutation(self, n: int) -> np.ndarray:
        """``torch.randperm(n)``."""
        steps = self._bits(n - 1) % np.arange(n, 1, -1)
        order = list(range(n))
        for at, step in enumerate(steps.tolist()):
            order[at], order[at + step] = order[at + step], order[at]
        return np.array(order, dtype=np.int64)

    def uniform(self, n: int, bound: float) -> np.ndarray:
        """``torch.empty(n).uniform_(-bound, bound)``: float32, from 24 bits each."""
        numbers = (self._bits(n) & 0xFFFFFF).astype(np.float32) * np.float32(2.0**-24)
        return numbers * np.float32(2 * bound) - np.float32(bound)

    def epoch(self, n: int) -> np.ndarray:
        """The order of one epoch of ``DataLoader(shuffle=True)``: each takes a base seed, then a seed of its permutation."""
        self._bits(2)
        high, low = self._bits(2).tolist()
        return TorchGenerator(((high << 32) | low) % 2**63).permutation(n)

    def _bits(self, n: int) -> np.ndarray:
        """The next n outputs of 32 bits."""
        return self._twister.randint(0, 2**32, size=max(n, 0), dtype=np.uint32).astype(np.int64)


def rows_of_classes(codes: np.ndarray) -> list[np.ndarray]:
    """The row numbers of each class, ascending."""
    return np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])


def dino_draw(codes: np.ndarray, wanted: int | float, seed: int) -> np.ndarray:
    """Rows of one try of DINOv2 and DINOv3, ascending: the first of a permutation of the rows of each class.

    Parameters
    ----------
    wanted : int or float
        Rows of each class, or a share of them, of which at least one row is taken.

    References
    ----------
    facebookresearch/dinov2, dinov2/eval/knn.py, filter_train; facebookresearch/dinov3, dinov3/eval/data.py,
    _subset_dataset_per_class. Try t has seed t.
    """
    generator, found = TorchGenerator(seed), []
    for rows in rows_of_classes(codes):
        found.append(rows[generator.permutation(len(rows))[: per_class_of(wanted, len(rows))]])
    return np.sort(np.concatenate(found))


def per_class_of(wanted: int | float, n_rows: int) -> int:
    """How many of the n_rows of a class to take: a number, or a share of them, at least one."""
    return max(int(n_rows * wanted), 1) if isinstance(wanted, float) else wanted


def dinov3_split(codes: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (training, validation) of DINOv3's logistic regression, in its order: shuffled, a share of each class set aside.

    A class of one row is trained on.

    References
    ----------
    facebookresearch/dinov3, dinov3/eval/data.py, split_train_val_datasets.
    """
    return _first_set_aside(len(codes), share, seed, lambda order: rows_of_classes(codes[order]))


def dinov3_label_split(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """`dinov3_split` with several labels per row, uint8 (n_rows, n_labels): the share is that of the rows of each label."""
    return _first_set_aside(
        len(labels), share, seed, lambda order: [np.flatnonzero(of_label) for of_label in labels[order].T]
    )


def _first_set_aside(
    n_rows: int, share: float, seed: int, rows_of: Callable[[np.ndarray], Sequence[np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """The rows in random order, without and with the first ones of each class; one alone is trained on."""
    order = TorchGenerator(seed).permutation(n_rows)
    held = np.zeros(n_rows, dtype=bool)
    for places in rows_of(order):
        held[places[: max(1, int(share * len(places))) if len(places) > 1 else 0]] = True
    return order[~held], order[held]


def dinov2_split(codes: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (training, validation) of DINOv2's logistic regression: the first of a permutation are set aside.

    References
    ----------
    facebookresearch/dinov2, dinov2/eval/log_regression.py, eval_log_regression.
    """
    order = TorchGenerator(seed).permutation(len(codes))
    n = int(len(codes) * share)
    return order[n:], order[:n]

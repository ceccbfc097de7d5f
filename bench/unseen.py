"""Data sets that nobody tuned for, made from what CIFAR-10, Python and its packages hold, and kept in the cache folder.

They are as good as the machine's packages: another version of Python or Matplotlib gives slightly other rows.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

Pair = tuple[np.ndarray, np.ndarray]
N_QUERIES = 5000


class LackError(Exception):
    """A package that a set is made from is absent, or holds too little."""


def _split(rows: np.ndarray, most: int) -> Pair:
    """At most `most` rows in random order, the first `N_QUERIES` as queries."""
    rows = rows[np.random.default_rng(0).permutation(len(rows))[: most + N_QUERIES]]
    if len(rows) < 10_000 + N_QUERIES:
        raise LackError(f"only {len(rows):,} rows can be made on this machine")
    return rows[N_QUERIES:], rows[:N_QUERIES]


def photographs() -> Pair:
    """Patches of 32 x 32 pixels, 3,072 uint8, of the photographs in scikit-image and scikit-learn.

    Rows come from the left three quarters of a picture, queries from what is right of them, so no pixel is in both.
    """
    try:
        import skimage
        from PIL import Image
    except ImportError as lack:
        raise LackError(str(lack)) from None
    import sklearn.datasets

    folders = Path(skimage.__file__).parent / "data", Path(sklearn.datasets.__file__).parent / "images"
    sides: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for path in sorted(path for folder in folders for path in folder.glob("*.[jp][pn]g")):
        picture = np.asarray(Image.open(path).convert("RGB"))
        if min(picture.shape[:2]) < 256:
            continue
        at = picture.shape[1] * 3 // 4
        for side, part in zip(sides, (picture[:, :at], picture[:, at:]), strict=True):
            windows = np.lib.stride_tricks.sliding_window_view(part, (32, 32), axis=(0, 1))[::6, ::6]
            side.append(windows.transpose(0, 1, 3, 4, 2).reshape(-1, 3072))
    rng = np.random.default_rng(0)
    rows, queries = (np.concatenate(side) for side in sides)
    return rows[rng.permutation(len(rows))[:40_000]], queries[rng.permutation(len(queries))[:N_QUERIES]]


def glyphs() -> Pair:
    """Characters in the fonts of Matplotlib, 28 x 28 pixels, 784 uint8: some thousand classes."""
    try:
        import matplotlib
        from matplotlib.ft2font import FT2Font
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as lack:
        raise LackError(str(lack)) from None
    made = []
    for path in sorted(Path(matplotlib.get_data_path(), "fonts", "ttf").glob("DejaVu*.ttf")):
        font = ImageFont.truetype(str(path), 20, layout_engine=ImageFont.Layout.BASIC)
        for code in sorted(FT2Font(str(path)).get_charmap()):
            picture = Image.new("L", (28, 28))
            ImageDraw.Draw(picture).text((14, 14), chr(code), fill=255, font=font, anchor="mm")
            made.append(np.asarray(picture).ravel())
    rows = np.stack(made)
    return _split(rows[rows.any(axis=1)], 30_000)


def _pictures(rows: np.ndarray) -> np.ndarray:
    """Rows of CIFAR-10 as (n, channels, 32, 32)."""
    return rows.reshape(-1, 3, 32, 32)


def _in_blocks(of: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> np.ndarray:
    return np.concatenate([of(_pictures(rows[first : first + 1000])) for first in range(0, len(rows), 1000)])


def colours(cifar10: Pair) -> Pair:
    """CIFAR-10 as histograms of 64 colours in each quarter of the picture: 256 float32, which L1 is made for."""

    def of(pictures: np.ndarray) -> np.ndarray:
        red, green, blue = (pictures[:, channel] >> 6 for channel in range(3))
        quarter = (np.arange(32) // 16)[:, None] * 2 + np.arange(32) // 16
        bins = (red * 16 + green * 4 + blue).astype(np.int64) + 64 * quarter
        bins += 256 * np.arange(len(pictures))[:, None, None]
        return np.bincount(bins.ravel(), minlength=256 * len(pictures)).reshape(-1, 256).astype(np.float32) / 256

    rows, queries = cifar10
    return _in_blocks(of, rows), _in_blocks(of, queries[:N_QUERIES])


def gradients(cifar10: Pair) -> Pair:
    """CIFAR-10 as histograms of oriented gradients: 9 directions, cells of 8 x 8, blocks of 2 x 2 cells; 324 float32."""

    def of(pictures: np.ndarray) -> np.ndarray:
        grey = pictures.astype(np.float32).mean(axis=1)
        down, right = np.gradient(grey, axis=(1, 2))
        size, way = np.hypot(down, right), (np.arctan2(down, right) % np.pi) * (9 / np.pi)
        low = np.floor(way).astype(np.int64)
        part = (way - low).astype(np.float32)
        cells = np.zeros((len(grey), 4, 4, 9), dtype=np.float32)
        for direction in range(9):
            share = (low % 9 == direction) * (1 - part) + ((low + 1) % 9 == direction) * part
            cells[..., direction] = (share * size).reshape(-1, 4, 8, 4, 8).sum(axis=(2, 4))
        blocks = np.lib.stride_tricks.sliding_window_view(cells, (2, 2), axis=(1, 2)).reshape(len(grey), 9, 36)
        return (blocks / (np.linalg.norm(blocks, axis=2, keepdims=True) + 1e-3)).reshape(-1, 324)

    rows, queries = cifar10
    return _in_blocks(of, rows), _in_blocks(of, queries[:N_QUERIES])


def convolutions(cifar10: Pair) -> Pair:
    """CIFAR-10 through one layer of 128 filters, patches of other pictures, pooled over quarters: 512 float16."""
    rng = np.random.default_rng(0)
    rows, queries = cifar10

    def patches(pictures: np.ndarray) -> np.ndarray:
        windows = np.lib.stride_tricks.sliding_window_view(pictures, (6, 6), axis=(2, 3))[:, :, 1:27:2, 1:27:2]
        wide = windows.transpose(0, 2, 3, 1, 4, 5).reshape(len(pictures), 13 * 13, 108).astype(np.float32)
        wide -= wide.mean(axis=2, keepdims=True)
        return wide / (wide.std(axis=2, keepdims=True) + 10)

    known = patches(_pictures(rows[:500])).reshape(-1, 108)
    filters = known[rng.choice(len(known), 128, replace=False)]
    filters /= np.linalg.norm(filters, axis=1, keepdims=True)

    def of(pictures: np.ndarray) -> np.ndarray:
        answers = np.maximum(patches(pictures) @ filters.T - 1, 0).reshape(-1, 13, 13, 128)
        halves = slice(0, 7), slice(6, 13)
        pooled = [answers[:, down, right].mean(axis=(1, 2)) for down in halves for right in halves]
        return np.concatenate(pooled, axis=1).astype(np.float16)

    return _in_blocks(of, rows), _in_blocks(of, queries[:N_QUERIES])


def sources() -> Pair:
    """20 lines at a time of Python's standard library: TF-IDF of hashed words, 256 principal directions, unit float32."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
    from sklearn.preprocessing import normalize

    def pieces() -> Iterator[str]:
        for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
            if "site-packages" not in path.parts:
                lines = path.read_text(errors="replace").splitlines()
                yield from ("\n".join(lines[first : first + 20]) for first in range(0, len(lines), 20))

    counts = HashingVectorizer(n_features=2**16, alternate_sign=False, norm=None).transform(pieces())
    words = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
    found = TruncatedSVD(256, n_iter=3, random_state=0).fit_transform(words).astype(np.float32)
    return _split(normalize(found), 40_000)


def programs() -> Pair:
    """Pages of 4,096 bytes of this system's libraries and programs as square roots of their byte histograms, 256 float32."""
    made: list[np.ndarray] = []
    for path in sorted(Path("/usr").glob("[lb]i[bn]*/**/*")):
        if len(made) >= 60_000:
            break
        if path.is_file() and not path.is_symlink() and path.stat().st_size > 1 << 18:
            pages = np.fromfile(path, np.uint8, count=1 << 22)
            pages = pages[: len(pages) // 4096 * 4096].reshape(-1, 4096)
            made += [np.bincount(page, minlength=256) for page in pages[:: max(1, len(pages) // 200)]]
    if not made:
        raise LackError("no large file under /usr")
    return _split(np.sqrt(np.stack(made).astype(np.float32) / 4096), 40_000)


#: made from CIFAR-10, and from the machine alone
OF_CIFAR10: dict[str, Callable[[Pair], Pair]] = {"colours": colours, "gradients": gradients, "convolutions": convolutions}
OF_MACHINE: dict[str, Callable[[], Pair]] = {
    "photographs": photographs,
    "glyphs": glyphs,
    "sources": sources,
    "programs": programs,
}
NAMES = [*OF_MACHINE, *OF_CIFAR10]


def rows(name: str, cifar10: Callable[[], Pair], folder: Path) -> Pair:
    """(training rows, queries), made once and then read from `folder`."""
    files = [folder / f"{name}-{part}.npy" for part in ("rows", "queries")]
    if not all(file.is_file() for file in files):
        made = OF_CIFAR10[name](cifar10()) if name in OF_CIFAR10 else OF_MACHINE[name]()
        folder.mkdir(parents=True, exist_ok=True)
        for file, part in zip(files, made, strict=True):
            np.save(file, np.ascontiguousarray(part))
    train, queries = (np.load(file) for file in files)
    return train, queries

"""CIFAR-10 and CIFAR-100 in every version give the same arrays, and no code in a file is ever run."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import random
import struct
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from _refused import check_refused

from fastcls import datasets
from fastcls._validation.errors import InputError
from fastcls.datasets import Dataset, _archive, _planes
from fastcls.datasets._pickles import read_pickle

FINE = tuple(f"fine {i}" for i in range(100))
COARSE = tuple(f"coarse {i}" for i in range(20))
CLASSES = tuple(f"class {i}" for i in range(10))


class Images:
    """Random images in (h, w, c) order with labels of both data sets: 25 to train on, 7 to test."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.X = rng.integers(0, 256, (32, 32, 32, 3), dtype=np.uint8)
        self.y, self.fine, self.coarse = (rng.integers(0, n, 32) for n in (10, 100, 20))
        self.planes = self.X.transpose(0, 3, 1, 2).reshape(32, 3072)

    parts: tuple[slice, ...] = (*(slice(5 * i, 5 * i + 5) for i in range(5)), slice(25, 32))


def python2_pickle(record: dict[str, object]) -> bytes:
    """The record as Python 2's cPickle wrote the official files: protocol 2, str as strings of bytes."""

    def text(value: bytes) -> bytes:
        return (b"U" + bytes([len(value)]) if len(value) < 256 else b"T" + struct.pack("<I", len(value))) + value

    def coded(value: object) -> bytes:
        if isinstance(value, np.ndarray):
            shape = b"".join(b"M" + struct.pack("<H", size) for size in value.shape)
            return (
                b"cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87R"
                b"(K\x01" + shape + b"\x86cnumpy\ndtype\nq\x03U\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN"
                b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89" + text(value.tobytes()) + b"tb"
            )
        if isinstance(value, list):
            items = [b"K" + bytes([v]) if isinstance(v, int) else text(v) for v in value]
            return b"]q\x09(" + b"".join(items) + b"e"
        return text(value)  # type: ignore[arg-type]

    return b"\x80\x02}q\x00(" + b"".join(text(k.encode()) + coded(v) for k, v in record.items()) + b"u."


def python3_pickle(protocol: int) -> Callable[[dict], bytes]:
    return lambda record: pickle.dumps({key.encode(): value for key, value in record.items()}, protocol=protocol)


PICKLERS: dict[str, Callable[[dict], bytes]] = {
    "python 2": python2_pickle,
    **{f"python 3, protocol {p}": python3_pickle(p) for p in (2, 3, 4)},
}


def cifar10_binary(images: Images) -> dict[str, bytes]:
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    records = np.column_stack([images.y.astype(np.uint8), images.planes])
    files = {name: records[part].tobytes() for name, part in zip(names, images.parts, strict=True)}
    return files | {"batches.meta.txt": "\n".join(CLASSES).encode() + b"\n\n"}


def cifar10_python(images: Images, dump: Callable[[dict], bytes] = python2_pickle) -> dict[str, bytes]:
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    files = {}
    for name, part in zip(names, images.parts, strict=True):
        labels = images.y[part].tolist()
        record = {"batch_label": name.encode(), "labels": labels, "data": images.planes[part], "filenames": [b"a.png"] * 5}
        files[name] = dump(record)
    return files | {"batches.meta": dump({"label_names": [name.encode() for name in CLASSES]})}


def cifar100_binary(images: Images) -> dict[str, bytes]:
    records = np.column_stack([images.coarse.astype(np.uint8), images.fine.astype(np.uint8), images.planes])
    files = {"train.bin": records[:25].tobytes(), "test.bin": records[25:].tobytes()}
    return files | {"fine_label_names.txt": "\n".join(FINE).encode(), "coarse_label_names.txt": "\n".join(COARSE).encode()}


def cifar100_python(images: Images, dump: Callable[[dict], bytes] = python2_pickle) -> dict[str, bytes]:
    files = {}
    for name, part in (("train", slice(0, 25)), ("test", slice(25, 32))):
        labels = {"fine_labels": images.fine[part].tolist(), "coarse_labels": images.coarse[part].tolist()}
        files[name] = dump({**labels, "data": images.planes[part]})
    names = {"fine_label_names": [n.encode() for n in FINE], "coarse_label_names": [n.encode() for n in COARSE]}
    return files | {"meta": dump(names)}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def archive(path: Path, files: dict[str, bytes], folder: str = "x", mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


CIFAR10: dict[str, Callable[[Images], dict[str, bytes]]] = {
    "binary": cifar10_binary,
    **{name: lambda images, dump=dump: cifar10_python(images, dump) for name, dump in PICKLERS.items()},
}
CIFAR100: dict[str, Callable[[Images], dict[str, bytes]]] = {
    "binary": cifar100_binary,
    **{name: lambda images, dump=dump: cifar100_python(images, dump) for name, dump in PICKLERS.items()},
}
PLACES: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {
    "folder": lambda d, files: write(d / "c", files),
    "tar.gz": lambda d, files: archive(d / "c.tar.gz", files),
    "tar.gz, last batch first": lambda d, files: archive(d / "c.tgz", dict(reversed(files.items()))),
    "tar": lambda d, files: archive(d / "c.tar", files, mode="w"),
}


def check_same(data: Dataset, images: Images, y: np.ndarray, names: tuple[str, ...]) -> None:
    assert data.X_test is not None
    assert data.y_test is not None
    assert data.X.flags.c_contiguous
    np.testing.assert_array_equal(data.X, images.X[:25].reshape(25, -1))
    np.testing.assert_array_equal(data.X_test, images.X[25:].reshape(7, -1))
    np.testing.assert_array_equal(data.y, y[:25])
    np.testing.assert_array_equal(data.y_test, y[25:])
    assert data.class_names == names
    assert data.image_shape == (32, 32, 3)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("version", CIFAR10)
def test_every_version_of_cifar10_gives_the_same_arrays(version: str, place: str, tmp_path: Path) -> None:
    images = Images()
    path = PLACES[place](tmp_path, CIFAR10[version](images))
    check_same(datasets.load(path), images, images.y, CLASSES)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("version", CIFAR100)
def test_every_version_of_cifar100_gives_the_same_arrays(version: str, place: str, tmp_path: Path) -> None:
    images = Images()
    path = PLACES[place](tmp_path, CIFAR100[version](images))
    check_same(datasets.load(path), images, images.fine, FINE)
    check_same(datasets.load(path, labels="coarse"), images, images.coarse, COARSE)


@pytest.mark.parametrize("folder", ["cifar-10-batches-bin", "cifar-10-batches-py", "cifar-100-binary", "cifar-100-python"])
def test_the_parent_of_an_official_folder_is_accepted(folder: str, tmp_path: Path) -> None:
    images = Images()
    make = {"bin": cifar10_binary, "-py": cifar10_python, "ary": cifar100_binary, "hon": cifar100_python}[folder[-3:]]
    write(tmp_path / folder, make(images))
    np.testing.assert_array_equal(datasets.load(tmp_path).X, images.X[:25].reshape(25, -1))


def test_records_read_in_chunks_equal_those_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_planes, "_CHUNK", 20)
    monkeypatch.setattr(_planes, "_SHARE", 200)
    records = np.random.default_rng(0).integers(0, 10, (432, 3073), dtype=np.uint8)
    write(tmp_path, {name: records.tobytes() for name in cifar10_binary(Images()) if name.endswith(".bin")})
    data = datasets.load(tmp_path)
    wanted = records[:, 1:].reshape(-1, 3, 1024).transpose(0, 2, 1).reshape(-1, 3072)
    np.testing.assert_array_equal(data.X, np.tile(wanted, (5, 1)))
    np.testing.assert_array_equal(data.y, np.tile(records[:, 0], 5))


@pytest.mark.process
def test_the_layouts_of_the_shared_copy_are_identical(
    shared_data: Callable[[str], Path], cifar10_folder: Path, tmp_path: Path
) -> None:
    """Both official versions in full; of the folder of images the first of every class, decoded and then kept."""
    first, other = (datasets.load(cifar10_folder / name) for name in ("cifar-10-batches-bin", "cifar-10-batches-py"))
    assert first.X.shape == (50_000, 3072)
    with tarfile.open(shared_data("cifar10_jpeg.tar.xz")) as archive:
        for member in archive:
            number = Path(member.name).stem
            if member.isfile() and int(number) < (200 if member.name.startswith("train") else 40):
                path = tmp_path / "images" / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.extractfile(member).read())
    images, kept = (datasets.load(tmp_path / "images", cache=tmp_path / "kept") for _ in range(2))
    assert isinstance(kept.X, np.memmap)
    assert len(images.X) >= 1990
    for data in (other, images, kept):
        assert data.class_names == first.class_names
        for key in ("X", "y", "X_test", "y_test"):
            found = getattr(data, key)
            np.testing.assert_array_equal(found, getattr(first, key)[: len(found)])


# ---------------------------------------------------------------- what is refused, and never run


class Canary:
    """A pickle of this creates the file when it is run."""

    def __init__(self, path: Path, call: Callable = os.system) -> None:
        self.call, self.path = call, path

    def __reduce__(self) -> tuple:
        return self.call, (f"touch {self.path}",)


def evil_pickles(bird: Path) -> dict[str, bytes]:
    """Pickles that would create the file `bird`, by every way from a name to a call."""
    command = f"touch {bird}".encode()
    batch = {b"labels": [0], b"data": Canary(bird)}
    return {
        **{f"reduce, protocol {p}": pickle.dumps(batch, protocol=p) for p in range(6)},
        "eval": pickle.dumps({b"data": Canary(bird, eval)}, protocol=2),
        "inst": b"(S'" + command + b"'\nios\nsystem\n.",
        "obj": b"(cos\nsystem\nU" + bytes([len(command)]) + command + b"o.",
        "newobj": b"\x80\x02csubprocess\nPopen\nU" + bytes([len(command)]) + command + b"\x85\x81.",
        "stack global": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c" + bytes([len(command)]) + command + b"\x85R.",
        "two steps of a name": b"\x80\x04\x8c\x05numpy\x8c\x0dos.system.real\x93.",
        "extension": b"\x80\x02\x82\x01.",
        "persistent": b"Psystem\n.",
        "build on a name": b"\x80\x02cnumpy\nndarray\n}U\x01a" + b"K\x01sb.",
        "call of ndarray": b"\x80\x02cnumpy\nndarray\nK\x01\x85\x85R.",
        "another numpy name": b"\x80\x02cnumpy\nfromfile\n.",
        "another codec": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00hex\x86R.",
        "escape in a name": b"\x80\x02c\x1b[31mos\nsystem\n.",
    }


EVIL = list(evil_pickles(Path("x")))


@pytest.mark.parametrize("place", ["folder", "tar.gz"])
@pytest.mark.parametrize("name", EVIL)
def test_a_pickle_that_asks_for_anything_else_is_refused_and_not_run(name: str, place: str, tmp_path: Path) -> None:
    bird = tmp_path / "bird"
    files = cifar10_python(Images()) | {"data_batch_1": evil_pickles(bird)[name]}
    path = PLACES[place](tmp_path, files)
    check_refused(lambda: datasets.load(path), "nothing in it was executed")
    assert not bird.exists()


def test_the_canary_detects_execution(tmp_path: Path) -> None:
    for name in ("reduce, protocol 2", "reduce, protocol 4", "inst", "obj", "stack global"):
        bird = tmp_path / name.replace(" ", "")
        try:
            pickle.loads(evil_pickles(bird)[name])
        finally:
            assert bird.exists(), name


def test_a_refused_name_is_shown_escaped() -> None:
    check_refused(lambda: read_pickle(b"\x80\x02cos\nsystem\n.", "f"), "names 'os.system'")
    check_refused(lambda: read_pickle(b"\x80\x02c\x1b[2J\nx\n.", "f"), r"\x1b[2J")


SOUND = python2_pickle({"labels": [1, 2], "data": np.zeros((2, 3072), np.uint8)})


@pytest.mark.parametrize("seed", range(5))
def test_damage_anywhere_is_refused_or_harmless(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(2000):
        damaged = bytearray(SOUND)
        for _ in range(rng.randrange(1, 4)):
            head_or_tail = rng.choice([rng.randrange(200), rng.randrange(len(SOUND) - 20, len(SOUND))])
            damaged[head_or_tail] = rng.randrange(256)
        content = bytes(damaged[: rng.choice([len(damaged), rng.randrange(len(damaged))])])
        try:
            found: object = read_pickle(content, "f")
        except InputError as error:
            found = str(error)
        assert isinstance(found, dict) or (isinstance(found, str) and found.isprintable())


def test_memory_is_bounded_by_the_file() -> None:
    bombs = {
        "memo far away": b"\x80\x02}r\xff\xff\xff\xff.",
        "string longer than the file": b"\x80\x02}T\xff\xff\xff\xffabc.",
        "array larger than its bytes": SOUND.replace(b"M\x02\x00M\x00\x0c", b"M\xff\xffM\xff\xff"),
        "tuples of tuples": b"\x80\x02K\x01" + b"q\x00h\x00\x86" * 60 + b"\x85R.",
        "deep": b"\x80\x02K\x01" + b"\x85" * 100_000 + b"R.",
    }
    tracemalloc.start()
    for name, bomb in bombs.items():
        if name == "memo far away":
            assert read_pickle(bomb, name) == {}
        else:
            check_refused(lambda bomb=bomb, name=name: read_pickle(bomb, name), "nothing in it was executed")  # type: ignore[misc]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


def damaged_batch(**changed: object) -> bytes:
    images = Images()
    record = {"labels": images.y[:5].tolist(), "data": images.planes[:5]} | changed
    return pickle.dumps({k.encode(): v for k, v in record.items()}, protocol=3)


PLANES = Images().planes
BATCH_CASES = {
    "no dictionary": (pickle.dumps([1], protocol=2), "a pickle of a list"),
    "truncated": (damaged_batch()[:-1], "truncated"),
    "one byte too many": (damaged_batch() + b"x", "damaged or truncated"),
    "empty": (b"", "truncated"),
    "no data": (pickle.dumps({b"labels": [1]}, protocol=2), "is missing or no array"),
    "wrong width": (damaged_batch(data=PLANES[:5, :-1].copy()), "is of shape (5, 3071)"),
    "floats": (damaged_batch(data=PLANES[:5].astype(np.float32)), "dtype 'f4'"),
    "no list of labels": (damaged_batch(labels=b"abcde"), "labels has no list"),
    "fewer labels": (damaged_batch(labels=[1, 2]), "2 labels for 5 images"),
    "label 10": (damaged_batch(labels=[0, 1, 2, 3, 10]), "label 10 at record 4; wanted labels 0 to 9"),
    "label -1": (damaged_batch(labels=[0, -1, 2, 3, 4]), "label -1 at record 1"),
    "label of text": (damaged_batch(labels=[0, "1", 2, 3, 4]), "has values that are not integers"),
    "header that lies": (
        python2_pickle({"labels": [1, 2], "data": PLANES[:2]}).replace(b"M\x02\x00M\x00\x0c", b"M\x03\x00M\x00\x0c"),
        "shape (3, 3072) with 6,144 bytes",
    ),
}


@pytest.mark.parametrize(("content", "words"), list(BATCH_CASES.values()), ids=list(BATCH_CASES))
def test_a_damaged_batch_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    check_refused(lambda: datasets.load(write(tmp_path, cifar10_python(Images()) | {"data_batch_2": content})), words)


CIFAR100_CASES: dict[str, tuple[str, bytes, str]] = {
    "one byte short": ("train.bin", bytes(3073), "3,073 bytes, not a positive multiple of 3,074"),
    "one byte long": ("test.bin", bytes(3075), "not a positive multiple"),
    "fine label": ("train.bin", b"\x00\x64" + bytes(3072), "label 100 at record 0; wanted labels 0 to 99"),
    "coarse label": ("test.bin", b"\x14\x00" + bytes(3072), "label 20 at record 0; wanted labels 0 to 19"),
    "names": ("fine_label_names.txt", b"a\nb", "has 2 lines; wanted 100 class names"),
}


@pytest.mark.parametrize(("name", "content", "words"), list(CIFAR100_CASES.values()), ids=list(CIFAR100_CASES))
@pytest.mark.parametrize("place", PLACES)
def test_damaged_cifar100_is_refused(name: str, content: bytes, words: str, place: str, tmp_path: Path) -> None:
    path = PLACES[place](tmp_path, cifar100_binary(Images()) | {name: content})
    check_refused(lambda: datasets.load(path), words)


def test_a_kind_of_label_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, cifar100_binary(Images()))
    check_refused(lambda: datasets.load(path, labels="medium"), "wanted 'fine' (100 classes) or 'coarse' (20)")
    check_refused(lambda: datasets.load(path, labels=[1, 2]), "of type list")


# ---------------------------------------------------------------- archives


def with_member(path: Path, change: Callable[[tarfile.TarInfo], None], first: bool) -> Path:
    """An archive of sound files with one member more, before or behind them."""
    files = [*cifar10_binary(Images()).items()]
    files.insert(0 if first else len(files), ("more", b"hello"))
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files:
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(data)
            if name == "more":
                change(info)
            tar.addfile(info, io.BytesIO(data))
    return path


def _set(**values: object) -> Callable[[tarfile.TarInfo], None]:
    def change(info: tarfile.TarInfo) -> None:
        for key, value in values.items():
            setattr(info, key, value)

    return change


MEMBERS = {
    "path upwards": (_set(name="../../x"), "is a path that leads out of the archive"),
    "path upwards in the middle": (_set(name="a/../../x"), "leads out"),
    "absolute path": (_set(name="/tmp/x"), "leads out"),
    "path of Windows": (_set(name="..\\..\\x"), "leads out"),
    "drive of Windows": (_set(name="C:\\x"), "leads out"),
    "symlink": (_set(type=tarfile.SYMTYPE, linkname="/etc/passwd", size=0), "is a link"),
    "symlink by a wanted name": (
        _set(name="b/data_batch_1.bin", type=tarfile.SYMTYPE, linkname="/etc/passwd", size=0),
        "is a link",
    ),
    "hard link": (_set(type=tarfile.LNKTYPE, linkname="/etc/passwd", size=0), "is a link"),
    "device": (_set(type=tarfile.CHRTYPE, size=0), "not a regular file"),
    "pipe": (_set(type=tarfile.FIFOTYPE, size=0), "not a regular file"),
    "a batch twice": (_set(name="elsewhere/data_batch_1.bin"), "more than once"),
    "escape in a name": (_set(name="\x1b[31m/../x"), r"\x1b[31m/../x"),
}


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(("change", "words"), list(MEMBERS.values()), ids=list(MEMBERS))
def test_an_archive_with_paths_or_links_is_refused_and_writes_nothing(
    change: Callable, words: str, first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = tmp_path / "a" / "b"
    room.mkdir(parents=True)
    path = with_member(room / "c.tar.gz", change, first)
    monkeypatch.chdir(room)
    before = sorted(tmp_path.rglob("*"))
    check_refused(lambda: datasets.load(path), words)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_truncated_or_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "cifar-10-binary.tar.gz", cifar10_binary(Images()))
    sound = path.read_bytes()
    for content in (sound[:-1], sound[:-9], sound[: len(sound) // 2], sound[:-6] + b"xx" + sound[-4:]):
        path.write_bytes(content)
        check_refused(lambda: datasets.load(path), "damaged or truncated")
    for content in (b"hello", b"", gzip.compress(b"hello")):
        path.write_bytes(content)
        check_refused(lambda: datasets.load(path), "damaged or truncated")
    check_refused(
        lambda: datasets.load(archive(path, {"a.doc": b""})), "is an archive: unpack it, with python -m tarfile -e "
    )
    check_refused(lambda: datasets.load_cifar10(path), "none of the files")


@pytest.mark.parametrize("name", ["data_batch_3.bin", "readme.html"])
def test_a_gzip_bomb_is_refused_before_memory_is_taken(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a cap of 32 MB instead of 256: to compress as much as that takes seconds."""
    assert _archive.MAX_BYTES == 256 << 20
    monkeypatch.setattr(_archive, "MAX_BYTES", 32 << 20)
    path = tmp_path / "bomb.tar.gz"
    files = cifar10_binary(Images())
    size = 33 << 20 if name == "readme.html" else 31 << 20  # over the cap alone, and together with the others
    with gzip.open(path, "wb", compresslevel=1) as out, tarfile.open(fileobj=out, mode="w|") as tar:
        for member, data in [*files.items(), (name if name not in files else "other", None), ("other2", None)]:
            info = tarfile.TarInfo(f"c/{member}")
            info.size = size if data is None else len(data)
            tar.addfile(info, io.BytesIO(data) if data is not None else _Zeros(size))
    assert path.stat().st_size < 1_000_000
    tracemalloc.start()
    with pytest.raises(InputError, match="more than 33,554,432"):
        datasets.load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8_000_000


class _Zeros(io.RawIOBase):
    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1) -> bytes:
        size = min(size, self.left)
        self.left -= size
        return bytes(size)

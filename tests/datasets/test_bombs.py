"""A small file that claims or expands to a lot of data is refused before memory is allocated; pipes never block."""

import bz2
import gzip
import json
import lzma
import os
import struct
import sys
import zipfile
import zlib

import numpy as np
import pytest
from _rows import python

from fastcls import KNeighborsClassifier, datasets
from fastcls._runtime import memory
from fastcls._storage.atomic import read_small
from fastcls._validation.errors import InputError
from fastcls.cli._folder import OutputFolder, own_files

MB = 1 << 20
POSIX = pytest.mark.skipif(os.name != "posix", reason="no pipes in the file system here")

# Every file is loaded in one process that has little memory: what is not refused is a MemoryError or ends it.
LOAD = """
import resource, sys
from fastcls import datasets
from fastcls._validation.errors import InputError
(size,) = [int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmSize:")]
resource.setrlimit(resource.RLIMIT_AS, (size + (160 << 20),) * 2)
for path in sys.argv[1:]:
    try:
        datasets.load(path)
        print("loaded", path)
    except InputError as error:
        print("refused", len(str(error).splitlines()), path)
"""


def _header(shape, dtype="|u1"):
    text = str({"descr": dtype, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def _zip(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, (head, n_zeros) in members.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                file.write(head)
                for _ in range(n_zeros // MB):
                    file.write(bytes(MB))
                file.write(bytes(n_zeros % MB))


def _gzipped(path, head, n_zeros):
    member = gzip.compress(bytes(16 * MB), 1)  # several members are one file
    path.write_bytes(gzip.compress(head) + member * (n_zeros // (16 * MB)))


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory as on Linux")
def test_bombs_are_refused_with_little_memory(tmp_path):
    small = (_header((3, 2)), 6)
    labels = (_header((3,)), 3)
    _zip(tmp_path / "rows.npz", X=(_header((250, MB)), 250 * MB), y=(_header((250,)), 250))
    _zip(tmp_path / "labels.npz", X=small, y=(_header((250 * MB,)), 250 * MB))
    _zip(tmp_path / "names.npz", X=small, y=labels, class_names=(_header((100 * MB,), "<U1"), 250 * MB))
    _zip(tmp_path / "header.npz", X=(b"\x93NUMPY\x02\x00" + struct.pack("<I", 250 * MB), 250 * MB), y=labels)
    for name, n_images, n_labels in (("idx", 250, 250), ("idx_labels", 1, 250 * MB), ("idx_beyond", 1, 1)):
        folder = tmp_path / name
        folder.mkdir()
        images = 16 * (n_images * MB // (16 * MB) + 1) * MB if name != "idx_beyond" else 250 * MB
        side = 1024 if name == "idx" else 4
        _gzipped(folder / "train-images-idx3-ubyte.gz", struct.pack(">4I", 0x803, n_images, side, side), images)
        _gzipped(folder / "train-labels-idx1-ubyte.gz", struct.pack(">2I", 0x801, n_labels), 250 * MB)
    paths = sorted(tmp_path.iterdir())
    lines = python(LOAD, *paths).splitlines()
    assert lines == [f"refused 1 {path}" for path in paths]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packing_that_numpy_does_not_write_is_refused(method, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", method) as archive:
        archive.writestr("X.npy", _header((MB, 1)) + bytes(MB))
        archive.writestr("y.npy", _header((MB,)) + bytes(MB))
    with pytest.raises(InputError, match="NumPy does not write"):
        datasets.load(tmp_path / "a.npz")


def test_data_too_large_for_memory_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", X=np.zeros((40, MB), np.uint8), y=np.arange(40) % 2)
    monkeypatch.setattr(memory, "available", lambda: 100.0 * MB)
    with pytest.raises(InputError, match="does not fit into memory"):
        datasets.load(tmp_path / "a.npz")


PACKED = {
    "gzip": lambda: gzip.compress(bytes(4 * MB), 1) * 64,
    "zlib": lambda: zlib.compress(bytes(64 * MB), 1),
    "bz2": lambda: bz2.compress(bytes(4 * MB)) * 64,
    "lzma": lambda: lzma.compress(bytes(64 * MB), preset=0),
    "blosc": lambda: bytes([2, 1, 1, 1]) + struct.pack("<III", 1 << 30, 1 << 20, 64) + bytes(48),
    "lz4": lambda: struct.pack("<I", 1 << 30) + bytes(60),
    "zstd": lambda: b"\x28\xb5\x2f\xfd" + bytes([0xA0]) + struct.pack("<I", 1 << 30) + bytes(40),
    "zstd without a size": lambda: b"\x28\xb5\x2f\xfd" + bytes([0x00, 0x58]) + bytes(40),
}


@pytest.mark.parametrize("name", PACKED)
def test_a_chunk_that_expands_beyond_its_shape_is_refused_unread(name, tmp_path, monkeypatch):
    zarr = pytest.importorskip("zarr")
    numcodecs = pytest.importorskip("numcodecs")
    codec = name.split()[0]
    X, y = np.arange(2000, dtype=np.uint8).reshape(100, 20), np.arange(100) % 3
    group = zarr.create_group(str(tmp_path / "set.zarr"), zarr_format=2)
    for key, array in (("X", X), ("y", y)):
        made = group.create_array(
            key,
            shape=array.shape,
            dtype=array.dtype,
            chunks=(30, *array.shape[1:]),
            compressors=numcodecs.get_codec({"id": codec}),
        )
        made[:] = array
    assert np.array_equal(datasets.load(tmp_path / "set.zarr").X, X)
    chunk = tmp_path / "set.zarr" / "X" / "1.0"
    assert chunk.is_file()
    chunk.write_bytes(PACKED[name]())
    original = zarr.Array.__getitem__

    def getitem(self, rows):
        assert self.ndim == 1, "it was unpacked"
        return original(self, rows)

    monkeypatch.setattr(zarr.Array, "__getitem__", getitem)
    words = "does not state its size" if "without" in name else "expands to more"
    with pytest.raises(InputError, match=words):
        datasets.load(tmp_path / "set.zarr")


def test_a_chunk_in_a_shard_that_expands_beyond_its_shape_is_refused(tmp_path):
    zarr = pytest.importorskip("zarr")
    X, y = np.arange(2000, dtype=np.uint8).reshape(100, 20), np.arange(100) % 3
    group = zarr.create_group(str(tmp_path / "set.zarr"))
    for key, array in (("X", X), ("y", y)):
        made = group.create_array(
            key,
            shape=array.shape,
            dtype=array.dtype,
            chunks=(10, *array.shape[1:]),
            shards=(50, *array.shape[1:]),
            compressors=zarr.codecs.GzipCodec(),
        )
        made[:] = array
    assert np.array_equal(datasets.load(tmp_path / "set.zarr").X, X)
    assert np.array_equal(np.concatenate(list(datasets.array_parts(tmp_path / "set.zarr" / "X", part_bytes=1))), X)
    shard = tmp_path / "set.zarr" / "X" / "c" / "1" / "0"
    content = shard.read_bytes()
    bomb = gzip.compress(bytes(4 * MB), 1)
    index = bytearray(content[-84:])
    index[32:48] = struct.pack("<QQ", len(content) - 84, len(bomb))
    shard.write_bytes(content[:-84] + bomb + index)
    with pytest.raises(InputError, match="expands to more"):
        datasets.load(tmp_path / "set.zarr")


@POSIX
@pytest.mark.parametrize("name", ["X/.zattrs", "X/c/0/9", "y/.zmetadata"])
def test_a_pipe_in_a_zarr_array_is_not_waited_for(name, tmp_path):
    zarr = pytest.importorskip("zarr")
    group = zarr.create_group(str(tmp_path / "set.zarr"))
    for key, array in (("X", np.zeros((9, 2), np.uint8)), ("y", np.arange(9) % 2)):
        group.create_array(key, data=array)
    (tmp_path / "set.zarr" / name).parent.mkdir(exist_ok=True, parents=True)
    os.mkfifo(tmp_path / "set.zarr" / name)
    with pytest.raises(InputError, match="pipe"):
        datasets.load(tmp_path / "set.zarr")


# small files of a user's folder ---------------------------------------------------------------------------------------


def _deep(opening, closing):
    return f'{{"schema": 1, "command": "fastcls run x", "models": {opening * 100_000}{closing * 100_000}}}'


@pytest.mark.parametrize("text", [_deep("[", "]"), _deep('{"a":', "}"), "[" * 100_000], ids=["lists", "objects", "open"])
def test_deeply_nested_results_json_is_not_ours(text, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.json").write_text(text)
    assert own_files(tmp_path / "out") == set()
    with pytest.raises(InputError, match="results"):
        OutputFolder(tmp_path / "out", force=True)


@POSIX
@pytest.mark.parametrize("name", ["results.json", "report.html"])
def test_a_pipe_under_a_results_name_is_not_waited_for(name, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "results.json").write_text(json.dumps({"schema": 1, "command": "fastcls run x", "models": {}}))
    (out / name).unlink(missing_ok=True)
    os.mkfifo(out / name)
    with pytest.raises(InputError, match=name):
        OutputFolder(out, force=True)


def test_a_small_file_is_read_only_if_it_is_small(tmp_path):
    (tmp_path / "a").write_bytes(bytes(100))
    assert len(read_small(tmp_path / "a", 100)) == 100
    with pytest.raises(OSError, match="larger"):
        read_small(tmp_path / "a", 99)


def test_metadata_nested_too_deeply_is_refused(tmp_path):
    deep = []
    for _ in range(100_000):
        deep = [deep]
    model = KNeighborsClassifier(1).fit(np.eye(3), [0, 1, 2])
    with pytest.raises(InputError, match="nested"):
        model.save(tmp_path / "m", metadata={"deep": deep})
    assert not list(tmp_path.iterdir())

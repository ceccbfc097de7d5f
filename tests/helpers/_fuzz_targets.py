"""What is fuzzed: for each format a few small valid inputs, how they are mutated, and the call that reads them."""

import importlib
import io
import json
import pickle
import struct
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _fuzz_bytes import mutated_bytes, mutated_gzip, mutated_json, mutated_tar, mutated_zip

import fastcls
from fastcls import datasets
from fastcls.datasets import _image
from fastcls.demo import _serve

#: An input: the files of a folder, by name.
Files = dict[str, bytes]


@dataclass(frozen=True)
class Target:
    """One format.

    Attributes
    ----------
    seeds : callable
        Valid inputs.
    read : callable
        Reads the folder that holds an input, and uses what it found; returns its bytes in memory.
    fixed : names of files that are never changed
    packed : function that changes the content of a packed file, used for half of the mutations
    tokens : words of the format
    needs : module that is needed
    """

    seeds: Callable[[], list[Files]]
    read: Callable[[Path], int]
    fixed: tuple[str, ...] = ()
    packed: Callable[..., bytes] | None = None
    tokens: Sequence[bytes] = ()
    needs: str = "numpy"

    def mutated(self, rng: np.random.Generator, files: Files, pool: Sequence[Files]) -> Files:
        """An input with one file changed; rarely, with a file gone."""
        names = [name for name in files if name not in self.fixed]
        name = names[rng.integers(len(names))]
        if rng.random() < 0.01 and len(files) > 1:
            return {key: content for key, content in files.items() if key != name}
        other = pool[rng.integers(len(pool))]
        packed = self.packed if self.packed is not None and rng.random() < 0.6 else mutated_bytes
        options = (self.tokens, list(other.values())) if packed is not mutated_json else ()
        return {**files, name: packed(rng, files[name], *options)}


# data sets ------------------------------------------------------------------------------------------------------------


def _rows(dtype, n=12, d=6):
    rng = np.random.default_rng(0)
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=(n, d)).astype(dtype)
    return rng.integers(0, 100, size=(n, d)).astype(dtype)


Y = np.arange(12) % 3


def _load(name: str = "", **options: Any) -> Callable[[Path], int]:
    def read(folder: Path) -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = datasets.load(folder / name, **options)
        total = 0
        for X, y in ((data.X, data.y), (data.X_test, data.y_test)):
            if X is None:
                continue
            array = np.asarray(X)
            total += array.nbytes + (0 if y is None else np.asarray(y).nbytes)
            array.view(np.uint8).reshape(-1)[:: max(1, array.nbytes // 4096)].sum()  # every page is touched
            assert y is None or len(y) == len(X)
        assert len(data.class_names) >= 1
        return total

    return read


def _npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def _npy_folders() -> list[Files]:
    found = [{"X.npy": _npy(_rows(dtype)), "y.npy": _npy(Y)} for dtype in ("uint8", "float32", "float16", "int64")]
    found.append({"X.npy": _npy(np.asfortranarray(_rows("uint8"))), "y.npy": _npy(np.array(["a", "bb", "c"] * 4))})
    images = _npy(np.zeros((6, 4, 4, 3), np.uint8))
    return [*found, {"X.npy": images, "y.npy": _npy(Y[:6]), "X_test.npy": images, "y_test.npy": _npy(Y[:6])}]


def _npz_files() -> list[Files]:
    found = []
    for save in (np.savez, np.savez_compressed):
        out = io.BytesIO()
        save(out, X=_rows("uint8"), y=Y, class_names=np.array(["a", "b", "c"]), image_shape=np.array([2, 3]))
        found.append({"a.npz": out.getvalue()})
    return found


def _idx(packed: bool) -> list[Files]:
    import gzip

    files = {}
    for part, n in (("train", 8), ("t10k", 4)):
        files[f"{part}-images-idx3-ubyte"] = struct.pack(">4I", 0x803, n, 4, 4) + bytes(range(16)) * n
        files[f"{part}-labels-idx1-ubyte"] = struct.pack(">2I", 0x801, n) + bytes([0, 1] * (n // 2))
    return [{f"{name}.gz": gzip.compress(content, 1) for name, content in files.items()} if packed else files]


def _cifar(protocol: int | None) -> Files:
    """Two images a batch; protocol None: the binary version."""
    files: Files = {}
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    for name in names:
        data, labels = np.zeros((2, 3072), np.uint8), [1, 3]  # they pack well
        if protocol is None:
            files[f"{name}.bin"] = b"".join(bytes([label]) + row.tobytes() for label, row in zip(labels, data, strict=True))
        else:
            record = {b"batch_label": name.encode(), b"labels": labels, b"data": data, b"filenames": [b"a.png", b"b.png"]}
            files[name] = pickle.dumps(record, protocol)
    classes = [f"c{number}".encode() for number in range(10)]
    if protocol is None:
        return {**files, "batches.meta.txt": b"\n".join(classes)}
    return {**files, "batches.meta": pickle.dumps({b"label_names": classes}, protocol)}


def _tar() -> list[Files]:
    import tarfile

    found = []
    for files in (_cifar(2), _cifar(None)):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(f"cifar/{name}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        found.append({"c.tar.gz": out.getvalue()})
    return found


def _safetensors() -> list[Files]:
    from safetensors.numpy import save

    found = [{"a.safetensors": save({"X": _rows(dtype), "y": Y})} for dtype in ("uint8", "float32", "float16")]
    bf16 = json.dumps({"X": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]},
                       "y": {"dtype": "U8", "shape": [2], "data_offsets": [8, 10]}}).encode()  # fmt: skip
    return [*found, {"a.safetensors": struct.pack("<Q", len(bf16)) + bf16 + bytes(8) + b"\0\1"}]


def _mutated_safetensors(rng, content, tokens=(), others=()):
    """Another description of the arrays, of the right length."""
    length = int.from_bytes(content[:8], "little")
    body = mutated_json(rng, content[8 : 8 + length]) if length < len(content) else content
    return struct.pack("<Q", len(body)) + body + content[8 + length :]


def _csv() -> list[Files]:
    rows = "\n".join(f"{a},{a / 2},{'cat' if a % 2 else 'dog'}" for a in range(9))
    return [
        {"a.csv": f"w,h,label\n{rows}\n".encode()},
        {"a.csv": rows.encode()},
        {"a.csv": rows.replace(",", ";").replace("dog", '"d;""og"').encode()},
        {"a.csv": b"\xef\xbb\xbfid,split,a,b,y\r\n1,train,0,1,0\r\n2,train,1,2,1\r\n3,test,1,3,1\r\n"},
    ]


def _table(write: str) -> Callable[[], list[Files]]:
    def seeds() -> list[Files]:
        import pyarrow as pa
        import pyarrow.feather
        import pyarrow.parquet

        lists = pa.table({"features": pa.array(_rows("float32").tolist(), pa.list_(pa.float32())), "label": Y})
        fixed = pa.FixedSizeListArray.from_arrays(pa.array(_rows("uint8").reshape(-1)), 6)
        found = []
        tables = (
            lists,
            pa.table({"vec": fixed, "label": pa.array(["a", "b", None, "c"] * 3).fill_null("d").dictionary_encode()}),
            pa.table(
                {
                    "a": _rows("float64")[:, 0],
                    "b": pa.array([*range(12)], pa.int16()),
                    "y": Y,
                    "split": ["train", "test"] * 6,
                }
            ),
        )
        for table in tables:
            for compression in ("none", "snappy") if write == "parquet" else ("uncompressed", "zstd"):
                out = io.BytesIO()
                if write == "parquet":
                    pa.parquet.write_table(table, out, compression=compression)
                else:
                    pa.feather.write_feather(table, out, compression=compression)
                found.append({f"a.{write}": out.getvalue()})
        return found

    return seeds


def _hdf5() -> list[Files]:
    import h5py

    found = []
    for options in ({}, {"chunks": (4, 6), "compression": "gzip"}, {"chunks": (5, 3), "shuffle": True, "fletcher32": True}):
        out = io.BytesIO()
        with h5py.File(out, "w") as file:
            file.create_dataset("train/features", data=_rows("float32"), **options)
            file["train/labels"] = Y
        found.append({"a.h5": out.getvalue()})
    return found


def _zarr() -> list[Files]:
    import zarr

    found = []
    for version in (2, 3):
        with tempfile.TemporaryDirectory() as folder:
            group = zarr.create_group(f"{folder}/a.zarr", zarr_format=version)
            group.create_array("X", data=_rows("uint8"), chunks=(5, 6))
            group.create_array("y", data=Y)
            root = Path(folder)
            found.append({str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()})
    return found


def _mutated_zarr(rng, content, tokens=(), others=()):
    return mutated_json(rng, content) if content[:1] == b"{" else mutated_gzip(rng, content, tokens, others)


def _images() -> list[Files]:
    from PIL import Image

    found = []
    for kind, mode in (
        ("png", "RGB"),
        ("jpeg", "RGB"),
        ("gif", "P"),
        ("bmp", "L"),
        ("png", "I;16"),
        ("tiff", "RGB"),
        ("webp", "RGB"),
    ):
        files = {}
        for number in range(4):
            out = io.BytesIO()
            Image.new(mode, (5, 4)).save(out, kind)
            files[f"{'ab'[number % 2]}/{number}.{kind}"] = out.getvalue()
        found.append(files)
    return found


def _read_images(folder: Path) -> int:
    """With a lower limit of pixels: pictures of a few bytes may have 64 million."""
    before, _image.MAX_PIXELS = _image.MAX_PIXELS, 1 << 20
    try:
        return _load(cache=False, on_error="skip")(folder)
    finally:
        _image.MAX_PIXELS = before


# models and checkpoints -----------------------------------------------------------------------------------------------


def _models() -> list[Files]:
    rng, found = np.random.default_rng(0), []
    with tempfile.TemporaryDirectory() as folder:
        for model in (
            fastcls.KNeighborsClassifier(2),
            fastcls.KNeighborsClassifier(2, algorithm="filter", metric="cosine"),
            fastcls.NearestClassMean(),
            fastcls.SoftmaxClassifier(max_iter=1, random_state=0, alpha=1e-3),
        ):
            X = rng.normal(size=(40, 24)).astype(np.float32)
            model.fit(X, np.arange(40) % 3).save(f"{folder}/m", metadata={"a": 1})
            found.append({"m": Path(folder, "m").read_bytes()})
    return found


def _read_model(folder: Path) -> int:
    model = fastcls.load(folder / "m")
    size = (folder / "m").stat().st_size
    model.predict(np.zeros((3, model.n_features_in_), np.float32))
    return 40 * size


TRAINED: dict[str, Any] = {"random_state": 0, "alpha": 1e-3, "n_jobs": 1, "resume": True}
X_TRAINED = np.random.default_rng(0).normal(size=(40, 6))


def _train(folder: Path, solver: str, max_iter: int) -> int:
    model = fastcls.SoftmaxClassifier(solver=solver, max_iter=max_iter, checkpoint=folder / "c", **TRAINED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X_TRAINED, np.arange(40) % 3)
    assert np.isfinite(model.coef_).all()
    return 1 << 20


def _checkpoints(solver: str) -> Callable[[], list[Files]]:
    def seeds() -> list[Files]:
        with tempfile.TemporaryDirectory() as folder:
            _train(Path(folder), solver, 2)
            return [{"c": Path(folder, "c").read_bytes()}]

    return seeds


# what a page posts to a demo ------------------------------------------------------------------------------------------


def _posted() -> list[Files]:
    knn = b"metric=l2&k=3&classes=4&weights=distance&points=10,-20,0;60,70,1;-90,30,2;5,5,3;0,-99,1"
    linear = b"loss=hinge&alpha=0.1&step=0.1&classes=2&points=1,2,0;3,-4,1&W=1,2,3,-1,-2,0.5"
    return [
        {"knn": knn, "query": b"x=0&y=100"},
        {"linear": linear},
        {"knn": knn.replace(b"l2", b"both"), "query": b"x=1&y=1"},
    ]


def _read_posted(folder: Path) -> int:
    """All answers of the demo whose state was posted, as its server computes them."""
    given = {path.name: path.read_bytes()[: _serve._LONGEST].decode("utf-8", "replace") for path in folder.iterdir()}
    demo = "linear" if "linear" in given else "knn"
    kind, names = _serve._ANSWERS[demo]
    state, answers = _serve._whole_state(demo, given.get(demo, "")), kind()
    return (1 << 22) + sum(len(getattr(answers, name)(state, given.get("query", ""))) for name in names)


_FIELDS = [b"&", b"=", b";", b",", b"metric=both", b"weights=uniform", b"k=9", b"W=", b"points=", b"1e3", b"-0", b"99999"]
_PICKLE = [bytes([code]) for code in b"(.0]})lcRbtuqrhjK\x8c\x93\x94\x80\x95\x81\x82"] + [
    b"cnumpy\nndarray\n",
    b"cos\nsystem\n",
    b"cnumpy.core.multiarray\n_reconstruct\n",
    b"cnumpy\ndtype\n",
    b"c_codecs\nencode\n",
    b"]" * 99,
    b"h\x01" * 40 + b"\x85" * 40,
]
_HEADER = [
    b"'descr'",
    b"'fortran_order': True",
    b"'shape': (1,)",
    b"'<f8'",
    b"'|O'",
    b"'<U9'",
    b"'<i8'",
    b"'<M8'",
    b"(2**40,)",
]
_TYPES = [b'"F64"', b'"BF16"', b'"U8"', b'"shape":[', b'"data_offsets":[0,', b'"__metadata__"']
_CELLS = [b"label", b"nan", b"inf", b'"', b";", b"\t", b"1,5", b"\r\n", b"split", b"test", b"id", b"1e400", b"9" * 400]

TARGETS = {
    "npy": Target(_npy_folders, _load(), tokens=_HEADER),
    "npz": Target(_npz_files, _load("a.npz"), packed=mutated_zip, tokens=_HEADER),
    "idx": Target(lambda: _idx(False), _load()),
    "idx-gz": Target(lambda: _idx(True), _load(), packed=mutated_gzip),
    "pickle": Target(lambda: [_cifar(protocol) for protocol in (2, 3, 4)], _load(), tokens=_PICKLE),
    "cifar-bin": Target(lambda: [_cifar(None)], _load()),
    "tar": Target(_tar, _load("c.tar.gz"), packed=mutated_tar, tokens=_PICKLE),
    "safetensors": Target(_safetensors, _load("a.safetensors"), packed=_mutated_safetensors, tokens=_TYPES),
    "csv": Target(_csv, _load("a.csv"), tokens=_CELLS),
    "parquet": Target(_table("parquet"), _load("a.parquet"), needs="pyarrow"),
    "feather": Target(_table("feather"), _load("a.feather"), needs="pyarrow"),
    "hdf5": Target(_hdf5, _load("a.h5"), needs="h5py"),
    "zarr": Target(_zarr, _load("a.zarr"), packed=_mutated_zarr, needs="zarr"),
    "images": Target(_images, _read_images, needs="PIL"),
    "demo": Target(_posted, _read_posted, tokens=_FIELDS),
    "model": Target(_models, _read_model, packed=_mutated_safetensors, tokens=_TYPES),
    "checkpoint-sgd": Target(_checkpoints("sgd"), lambda folder: _train(folder, "sgd", 2), packed=_mutated_safetensors),
    "checkpoint-lbfgs": Target(
        _checkpoints("lbfgs"), lambda folder: _train(folder, "lbfgs", 2), packed=_mutated_safetensors
    ),
}


def can_run(name: str) -> bool:
    """Whether the library of a format is installed."""
    return importlib.util.find_spec(TARGETS[name].needs) is not None


def as_zip(cases: dict[str, Files]) -> bytes:
    """Inputs as one archive, the same bytes for the same inputs."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for case, files in sorted(cases.items()):
            for name, content in sorted(files.items()):
                archive.writestr(zipfile.ZipInfo(f"{case}/{name}"), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def from_zip(path: Path) -> dict[str, Files]:
    """The inputs in an archive, by their names."""
    found: dict[str, Files] = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            case, _, file = name.partition("/")
            found.setdefault(case, {})[file] = archive.read(name)
    return found

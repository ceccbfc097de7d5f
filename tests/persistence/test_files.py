"""Writing a file never destroys a device, pipe, link, folder, input or model."""

import os
import socket
import stat
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from _rows import python_process

import fastcls
from fastcls import onnx, persistence
from fastcls._storage.atomic import is_special, replacing, write_text
from fastcls._validation.errors import InputError

POSIX = pytest.mark.skipif(os.name != "posix", reason="no pipes in the file system here")
ROOT = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root makes a device node")

X = np.random.default_rng(0).integers(0, 256, size=(60, 8)).astype(np.uint8)
Y = np.arange(60) % 3


def _model(name):
    made = persistence._class_of(name)()
    if "random_state" in made.get_params():
        made.set_params(random_state=0)
    return made.fit(X, Y)


def _predict(path):
    """The command's own function: a process of its own for each case would only cost time."""
    from fastcls.cli._predict import predict

    folder = Path(path).parent / "of_predict"
    folder.mkdir(exist_ok=True)
    _model("KNeighborsClassifier").save(folder / "m")
    np.save(folder / "q.npy", X)
    predict(folder / "m", [str(folder / "q.npy")], out=Path(path), as_json=False)


def _export(path):
    pytest.importorskip("onnx")
    onnx.export(_model("SoftmaxClassifier"), path)


def _page(path):
    from fastcls.cli._demo import show

    show("knn", None, 0, False, export=Path(path), force=True)


#: Every way to write one file: name -> function of the path.
WRITERS = {
    **{f"{name}.save": lambda path, name=name: _model(name).save(path) for name in persistence.classes()},
    "text": lambda path: write_text("text", Path(path), "the report"),
    "onnx.export": _export,
    "predict --out": _predict,
    "demo --export": _page,
}
EVERY = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


@POSIX
@EVERY
def test_a_pipe_is_written_to_and_not_replaced(write, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    anchor = os.open(pipe, os.O_RDWR)  # there is a reader from the start, whenever the thread opens
    reader.start()
    try:
        write(pipe)
    finally:
        os.close(anchor)
        reader.join(60)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    plain = tmp_path / "plain"
    write(plain)
    size = plain.stat().st_size
    assert len(got[0]) == size
    assert size > 0
    assert {entry.name for entry in tmp_path.iterdir()} <= {"pipe", "plain", "of_predict"}


@POSIX
@EVERY
def test_a_pipe_that_nobody_reads_is_refused_at_once(write, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="no process reads"):
        write(tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@POSIX
@ROOT
@EVERY
def test_a_device_is_written_to_and_not_replaced(write, tmp_path):
    device = tmp_path / "device"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except OSError:
        pytest.skip("no device nodes can be made here")
    before = device.stat()
    try:
        device.write_bytes(b"")
    except OSError:
        pytest.skip("no device can be opened here")
    write(device)
    after = device.stat()
    assert (after.st_ino, after.st_mode, after.st_rdev) == (before.st_ino, before.st_mode, before.st_rdev)


@POSIX
@EVERY
def test_a_link_is_kept_and_its_target_is_replaced(write, tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() != b"old"


@POSIX
@EVERY
def test_folders_sockets_and_links_in_a_circle_are_refused(write, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "broken").symlink_to("nowhere/file")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket"))  # a path of a socket is short
        for name, why in (
            ("folder", "it is a folder"),
            ("circle", ""),
            ("broken", "no such folder"),
            ("socket", "a socket"),
        ):
            before = (tmp_path / name).lstat()
            with pytest.raises(InputError, match=f"cannot write .*{why}"):
                write(tmp_path / name)
            assert (tmp_path / name).lstat().st_ino == before.st_ino


@EVERY
def test_only_a_model_can_replace_a_model(write, tmp_path, request):
    _model("KNeighborsClassifier").save(tmp_path / "m")
    before = (tmp_path / "m").read_bytes()
    if ".save" in request.node.name:
        write(tmp_path / "m")
        fastcls.load(tmp_path / "m")
        return
    with pytest.raises(InputError, match="is a model"):
        write(tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == before


@POSIX
@pytest.mark.process
def test_an_open_file_descriptor_is_written_to(tmp_path):
    with open(tmp_path / "out", "w+b") as file:
        write_text("text", Path(f"/dev/fd/{file.fileno()}"), "the report")
        assert file.read() == b"text"
    code = "from fastcls._storage.atomic import write_text; write_text('text', '/dev/stdout', 'the report')"
    assert python_process(code).stdout == "text"


def test_predictions_never_replace_an_input_by_whatever_path(tmp_path, monkeypatch):
    from fastcls.cli._predict import predict

    monkeypatch.chdir(tmp_path)
    _model("KNeighborsClassifier").save("m.st")
    np.save("q.npy", X)
    os.link("q.npy", "same.npy")
    os.link("m.st", "same.st")
    Path("link.npy").symlink_to("q.npy")
    Path("data").mkdir()
    np.save("data/X.npy", X)
    np.save("data/y.npy", Y)
    before = {path: path.read_bytes() for path in map(Path, ("m.st", "q.npy", "data/X.npy"))}
    for out in ("q.npy", "./q.npy", "same.npy", "same.st", "m.st", "link.npy"):
        with pytest.raises(InputError, match="input"):
            predict(Path("m.st"), ["q.npy"], out=Path(out), as_json=False)
    with pytest.raises(InputError, match="file of the data"):
        predict(Path("m.st"), ["data"], out=Path("data/X.npy"), as_json=False)
    for path, content in before.items():
        assert path.read_bytes() == content
    for _ in range(2):
        predict(Path("m.st"), ["q.npy"], out=Path("p.csv"), as_json=False)


@pytest.mark.parametrize("linked", [False, True])
def test_a_model_replaces_no_file_that_holds_its_rows(linked, tmp_path):
    np.save(tmp_path / "X.npy", X)
    model = fastcls.KNeighborsClassifier(1).fit(np.load(tmp_path / "X.npy", mmap_mode="r"), Y)
    out = tmp_path / ("other" if linked else "X.npy")
    if linked:
        os.link(tmp_path / "X.npy", out)
    for rows in ("embedded", "external"):
        with pytest.raises(InputError, match="input"):
            model.save(out, rows=rows)
    assert np.array_equal(np.load(tmp_path / "X.npy"), X)


@POSIX
def test_a_model_is_saved_over_the_file_that_it_is_mapped_from(tmp_path):
    big = np.random.default_rng(0).integers(0, 256, size=(40_000, 32)).astype(np.uint8)
    y = np.arange(len(big)) % 7
    fastcls.KNeighborsClassifier(1).fit(big, y).save(tmp_path / "m")
    model = fastcls.load(tmp_path / "m")
    os.link(tmp_path / "m", tmp_path / "first")
    model.save(tmp_path / "m", metadata={"second": True})  # never searched: its rows are still unread
    model.partial_fit(big[:9], y[:9]).save(tmp_path / "m")
    assert np.array_equal(model.predict(big[:50]), y[:50])
    assert fastcls.load(tmp_path / "m").n_samples_fit_ == len(big) + 9
    assert fastcls.load(tmp_path / "first").n_samples_fit_ == len(big)


@POSIX
def test_a_file_created_meanwhile_is_not_replaced(tmp_path):
    def write():
        with replacing(tmp_path / "f", "the text") as temporary:
            temporary.write_text("text")
            os.mkfifo(tmp_path / "f")

    with pytest.raises(InputError, match="was created there meanwhile"):
        write()
    assert [entry.name for entry in tmp_path.iterdir()] == ["f"]


@POSIX
@POSIX
def test_a_block_that_writes_nothing_writes_nothing_to_a_device():
    with replacing("/dev/null", "the report"):
        pass


@POSIX
def test_devices_pipes_and_open_files_are_special_and_files_and_folders_are_not(tmp_path):
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("file")
    for path in ("/dev/null", tmp_path / "pipe"):
        assert is_special(path)
    for path in (tmp_path / "file", tmp_path / "link", tmp_path, tmp_path / "nothing", "a\0b"):
        assert not is_special(path)
    if sys.platform == "linux":
        with open(tmp_path / "file") as opened:
            assert is_special(f"/dev/fd/{opened.fileno()}")


def test_a_closed_pipe_gives_one_clear_line(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)

    def write():
        with replacing(tmp_path / "pipe", "the text") as temporary:
            temporary.write_text("text" * 100_000)
            os.close(reader)

    with pytest.raises(InputError, match="after part of the output was written"):
        write()


@POSIX
def test_downloads_and_the_cache_wait_for_no_pipe(tmp_path):
    pytest.importorskip("pooch")
    from fastcls.datasets import fetch
    from fastcls.datasets._cache import Decoded, ImageCache

    os.mkfifo(tmp_path / "train-images-idx3-ubyte.gz")
    with pytest.raises(InputError, match="is not a regular file"):
        fetch("mnist", folder=tmp_path, mirror="http://127.0.0.1:9/")
    decoded = Decoded(np.zeros((3, 4, 4, 1), np.uint8), [], {})
    cache = ImageCache([], None, tmp_path)
    cache.write(decoded)
    assert cache.read(3) is not None
    cache.path.with_suffix(".json").unlink()
    os.mkfifo(cache.path.with_suffix(".json"))
    assert cache.read(3) is None


@pytest.mark.parametrize("name", ["m.st/", "tr.npy/", "new/", ".", "..", ""])
def test_a_path_that_names_a_folder_replaces_no_file(tmp_path, name):
    """A trailing slash must not lead to the file of that name."""
    X = np.eye(6)
    np.save(tmp_path / "tr.npy", X)
    model = fastcls.SoftmaxClassifier(max_iter=2).fit(X, [0, 1] * 3)
    model.save(tmp_path / "m.st")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    target = os.path.join(tmp_path, name) if name else ""
    for write in (model.save, lambda path: onnx.export(model, path)):
        with pytest.raises(InputError, match="folder" if name else "path=''; wanted"):
            write(target)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

"""Official files from a web server on the loopback address: complete, broken off, damaged, or from another server."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pooch", reason="fetching needs the extra 'fetch' (pooch)")

from fastcls import datasets
from fastcls._validation.errors import InputError
from fastcls.datasets import _fetch
from fastcls.datasets._cache import cache_folder


def idx(array: np.ndarray) -> bytes:
    return gzip.compress(struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.tobytes(), mtime=0)


RNG = np.random.default_rng(0)
PIXELS, TEST_PIXELS = (RNG.integers(0, 256, (n, 28, 28), dtype=np.uint8) for n in (400, 50))
LABELS, TEST_LABELS = (np.arange(n, dtype=np.uint8) % 10 for n in (400, 50))
FILES = {
    "train-images-idx3-ubyte.gz": idx(PIXELS),
    "train-labels-idx1-ubyte.gz": idx(LABELS),
    "t10k-images-idx3-ubyte.gz": idx(TEST_PIXELS),
    "t10k-labels-idx1-ubyte.gz": idx(TEST_LABELS),
}
IMAGES = next(iter(FILES))


class Server:
    """A web server that can misbehave on request and keeps the names that were requested."""

    def __init__(self) -> None:
        self.cut: int | None = None  # the connection is closed after so many bytes of the images,
        self.n_cut = 1000  # so many times
        self.replaced: dict[str, bytes] = {}
        self.endless = False
        self.requests: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}/data"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.rpartition("/")[2]
        self.requests.append(name)
        content = self.replaced.get(name, FILES.get(name))
        if content is None:
            handler.send_error(404)
            return
        handler.send_response(200)
        if not self.endless:
            handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        stop = len(content)
        if name == IMAGES and self.cut is not None and self.n_cut:
            stop, self.n_cut = self.cut, self.n_cut - 1
        handler.wfile.write(content[:stop])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    origin = _fetch.ORIGINS["mnist"]
    sums = {name: hashlib.md5(content).hexdigest() for name, content in FILES.items()}
    monkeypatch.setitem(_fetch.ORIGINS, "mnist", origin._replace(addresses=(server.address + "/",), files=sums))
    monkeypatch.setattr(_fetch, "_RETRIES", 0)  # pooch waits a second before it tries again
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield server
    server.http.shutdown()
    server.http.server_close()


def check_refused(act: object, words: str) -> None:
    with pytest.raises(InputError) as refused:
        act()  # type: ignore[operator]
    assert words in str(refused.value), str(refused.value)
    assert str(refused.value).isprintable()


def check_whole(data: datasets.Dataset) -> None:
    np.testing.assert_array_equal(data.X, PIXELS.reshape(400, -1))
    np.testing.assert_array_equal(data.y_test, TEST_LABELS)


def test_files_are_fetched_once_and_read(server: Server, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    check_whole(datasets.fetch_mnist(folder=tmp_path, progress=lambda done, total: calls.append((done, total))))
    assert set(server.requests) == set(FILES)
    assert len(server.requests) == 4
    assert (len(FILES[IMAGES]), len(FILES[IMAGES])) in calls
    check_whole(datasets.fetch("mnist", folder=tmp_path))
    assert len(server.requests) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    check_whole(datasets.load(tmp_path))  # no network any more


def test_a_broken_transfer_is_repeated(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fetch, "_RETRIES", 1)
    server.cut, server.n_cut = 100_000, 1
    check_whole(datasets.fetch_mnist(folder=tmp_path))
    assert server.requests.count(IMAGES) == 2


def test_nothing_is_left_of_a_transfer_that_broke_off_for_good(server: Server, tmp_path: Path) -> None:
    server.cut = 100_000
    check_refused(lambda: datasets.fetch_mnist(folder=tmp_path), "cannot download")
    assert not any(tmp_path.iterdir())
    server.cut = None
    check_whole(datasets.fetch_mnist(folder=tmp_path))


@pytest.mark.parametrize("content", [FILES[IMAGES][:-1] + b"x", FILES[IMAGES][:-1], FILES[IMAGES] + b"x", b"<html>", b""])
def test_a_corrupted_answer_is_refused_and_nothing_of_it_is_left(content: bytes, server: Server, tmp_path: Path) -> None:
    server.replaced[IMAGES] = content
    check_refused(lambda: datasets.fetch_mnist(folder=tmp_path), "not the published file")
    assert not any(tmp_path.iterdir())


def test_a_truncated_answer_without_a_length_is_refused(server: Server, tmp_path: Path) -> None:
    server.endless, server.cut = True, 5000
    check_refused(lambda: datasets.fetch_mnist(folder=tmp_path), "not the published file")
    assert not any(tmp_path.iterdir())


def test_an_answer_without_end_is_cut(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_fetch, "_MAX_BYTES", 100_000)
    server.endless = True
    check_refused(lambda: datasets.fetch_mnist(folder=tmp_path), "sends more than 100,000 bytes")


def test_a_damaged_file_in_the_folder_is_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / IMAGES).write_bytes(b"damaged")
    check_whole(datasets.fetch_mnist(folder=tmp_path))


def test_the_next_address_is_tried_and_all_failures_are_named(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = _fetch.ORIGINS["mnist"]
    nobody = "http://127.0.0.1:9/"
    monkeypatch.setitem(_fetch.ORIGINS, "mnist", sound._replace(addresses=(nobody, *sound.addresses)))
    check_whole(datasets.fetch_mnist(folder=tmp_path))
    check_refused(lambda: datasets.fetch_mnist(folder=tmp_path / "new", mirror=nobody), "127.0.0.1")


def test_a_mirror_is_used_instead(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_fetch.ORIGINS, "mnist", _fetch.ORIGINS["mnist"]._replace(addresses=("http://127.0.0.1:9/",)))
    check_whole(datasets.fetch_mnist(folder=tmp_path, mirror=server.address))


def test_the_cache_folder_is_the_stated_one(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTCLS_CACHE", str(tmp_path / "kept"))
    check_whole(datasets.fetch_mnist())
    assert sorted(path.name for path in (tmp_path / "kept" / "mnist").iterdir()) == sorted(FILES)
    monkeypatch.delenv("FASTCLS_CACHE")
    if os.name == "posix":
        monkeypatch.setenv("XDG_CACHE_HOME", "/x")
        assert cache_folder() == Path("/x/fastcls")


def test_what_cannot_be_fetched_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_refused(lambda: datasets.fetch("imagenet"), "choose one of 'mnist', 'fashion_mnist', 'cifar10', 'cifar100'")
    check_refused(lambda: datasets.fetch(3), "cannot fetch an int")
    check_refused(lambda: datasets.fetch("mnist", mirror="file:///etc"), "mirror is not an address")
    check_refused(lambda: datasets.fetch("mnist", mirror=5), "mirror is not an address")  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "pooch", None)
    check_refused(lambda: datasets.fetch("mnist", folder=tmp_path), "pip install 'fastcls[fetch]'")


def test_a_folder_that_cannot_be_written_is_refused(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    check_refused(lambda: datasets.fetch_mnist(folder=tmp_path / "file"), "cannot download")


@pytest.mark.process
def test_loading_needs_no_network_and_no_pooch() -> None:
    code = (
        "import sys\nfrom fastcls import datasets\ndatasets.load('digits')\n"
        "assert not {'pooch', 'requests', 'urllib3'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)

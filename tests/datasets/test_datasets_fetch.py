"""Official files from a web server on the loopback address: complete, broken off, damaged, or of another server's mind."""

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
    """A web server that can be told to misbehave; it keeps the requests it got."""

    def __init__(self) -> None:
        self.cut: int | None = None  # the connection is closed after so many bytes of the images
        self.replaced: dict[str, bytes] = {}
        self.ranges = True
        self.endless = False
        self.requests: list[tuple[str, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}/data"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.rpartition("/")[2]
        wanted = handler.headers.get("Range")
        self.requests.append((name, wanted))
        content = self.replaced.get(name, FILES.get(name))
        if content is None:
            handler.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        if start and start >= len(content):
            handler.send_error(416)
            return
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if not self.endless:
            handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        stop = self.cut if name == IMAGES and self.cut is not None else len(content)
        handler.wfile.write(content[start:stop])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    origin = _fetch.ORIGINS["mnist"]
    sums = {name: hashlib.md5(content).hexdigest() for name, content in FILES.items()}
    monkeypatch.setitem(_fetch.ORIGINS, "mnist", origin._replace(addresses=(server.address + "/",), files=sums))
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
    assert {name for name, _ in server.requests} == set(FILES)
    assert len(server.requests) == 4
    assert (len(FILES[IMAGES]), len(FILES[IMAGES])) in calls
    check_whole(datasets.fetch("mnist", folder=tmp_path))
    assert len(server.requests) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    check_whole(datasets.load(tmp_path))  # no network any more


def test_a_broken_transfer_goes_on_where_it_broke_off(server: Server, tmp_path: Path) -> None:
    server.cut = 100_000
    check_refused(lambda: datasets.fetch_mnist(folder=tmp_path), "could not be fetched")
    assert not (tmp_path / IMAGES).exists()
    part = tmp_path / f"{IMAGES}.part"
    assert part.read_bytes() == FILES[IMAGES][: part.stat().st_size]
    assert part.stat().st_size > 80_000  # of the 100,000 that came, no more than one piece is lost
    kept = part.stat().st_size
    server.cut = None
    check_whole(datasets.fetch_mnist(folder=tmp_path))
    assert (IMAGES, f"bytes={kept}-") in server.requests
    assert not part.exists()


def test_a_server_that_cannot_resume_sends_all_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / f"{IMAGES}.part").write_bytes(FILES[IMAGES][:1000])
    server.ranges = False
    check_whole(datasets.fetch_mnist(folder=tmp_path))


def test_a_part_that_is_whole_already_is_taken_and_a_wrong_one_is_thrown_away(server: Server, tmp_path: Path) -> None:
    (tmp_path / f"{IMAGES}.part").write_bytes(FILES[IMAGES])
    check_whole(datasets.fetch_mnist(folder=tmp_path))
    for wrong in (b"x" * 1000, FILES[IMAGES] + b"x"):
        (tmp_path / IMAGES).unlink()
        (tmp_path / f"{IMAGES}.part").write_bytes(wrong)
        check_refused(lambda: datasets.fetch_mnist(folder=tmp_path), "not the published file")
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
    monkeypatch.setattr(_fetch, "_MOST", 100_000)
    server.endless = True
    check_refused(lambda: datasets.fetch_mnist(folder=tmp_path), "sends more than 100,000 bytes")


def test_a_damaged_file_in_the_folder_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / IMAGES).write_bytes(b"damaged")
    check_whole(datasets.fetch_mnist(folder=tmp_path))


def test_the_next_address_is_tried_and_all_failures_are_told(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = _fetch.ORIGINS["mnist"]
    nobody = "http://127.0.0.1:9/"
    monkeypatch.setitem(_fetch.ORIGINS, "mnist", sound._replace(addresses=(nobody, *sound.addresses)))
    check_whole(datasets.fetch_mnist(folder=tmp_path))
    check_refused(lambda: datasets.fetch_mnist(folder=tmp_path / "new", mirror=nobody), "127.0.0.1")


def test_a_mirror_is_asked_instead(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    check_refused(lambda: datasets.fetch("imagenet"), "wanted one of 'mnist', 'fashion_mnist', 'cifar10', 'cifar100'")
    check_refused(lambda: datasets.fetch(3), "got an int")
    check_refused(lambda: datasets.fetch("mnist", mirror="file:///etc"), "no address")
    check_refused(lambda: datasets.fetch("mnist", mirror=5), "no address")  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "pooch", None)
    check_refused(lambda: datasets.fetch("mnist", folder=tmp_path), "pip install 'fastcls[fetch]'")


def test_a_folder_that_cannot_be_written_is_refused(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    check_refused(lambda: datasets.fetch_mnist(folder=tmp_path / "file"), "could not be fetched")


@pytest.mark.process
def test_loading_needs_no_network_and_no_pooch() -> None:
    code = (
        "import sys\nfrom fastcls import datasets\ndatasets.load('digits')\n"
        "assert not {'pooch', 'requests', 'urllib3'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)

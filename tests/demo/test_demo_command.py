"""The demos as a command and a server: refusals, accepted requests, and the end."""

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import fastcls.demo
from fastcls._validation.errors import InputError
from fastcls.demo import _text
from fastcls.demo._linear_state import LinearState

HOME = Path(fastcls.__file__).parent.parent


@pytest.mark.process
def test_state_is_read_without_bokeh():
    """The controllers are plain Python."""
    code = (
        "import sys, json; import fastcls.demo._knn_state, fastcls.demo._linear_state; "
        "print(json.dumps([name for name in ('bokeh', 'tornado') if name in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(HOME)},
    )
    assert json.loads(done.stdout) == []


@pytest.mark.parametrize(
    "ask",
    ["fastcls.demo.knn()", "fastcls.demo.linear()", "from fastcls.cli._demo import show; show('knn', None, 0, False, None)"],
)
def test_without_bokeh_one_line_says_what_to_install(ask, monkeypatch):
    monkeypatch.setattr(fastcls.demo, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'install with: pip install "fastcls\[demo\]"'):
        exec(ask, {"fastcls": fastcls})


def command(*arguments):
    return [sys.executable, "-m", "fastcls.cli", "demo", *arguments]


def run(*arguments, cwd):
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=60, cwd=cwd, env={**os.environ, "PYTHONPATH": str(HOME)}
    )


@pytest.mark.process
def test_a_port_in_use_is_refused_in_one_line(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = run("knn", "--no-browser", "--port", port, cwd=tmp_path)
    assert done.returncode == 2
    wanted = f"fastcls: port {port} is in use: choose another with --port, or any free one with --port 0"
    assert done.stderr.splitlines() == [wanted]


@pytest.mark.process
def test_a_bad_state_is_refused_in_one_line(tmp_path):
    done = run("linear", "--no-browser", "--state", "loss=none", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "wanted one of hinge" in done.stderr


@pytest.mark.process
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_server_listens_here_only_refuses_other_origins_and_ends_on_interrupt(tmp_path):
    server = subprocess.Popen(
        command("knn", "--no-browser", "--port", "0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(HOME)},
    )
    try:
        url = re.search(r"http://127\.0\.0\.1:\d+/", server.stdout.readline())[0]
        with urllib.request.urlopen(url, timeout=10) as answer:
            page = answer.read().decode()
        assert not re.search(r"(?:src|href)=\"https?://(?!127\.0\.0\.1)", page)
        token = re.search(r'"token":"([^"]+)"', page)[1]
        assert handshake(url, url.rstrip("/"), token) == 101
        for stranger in ("http://example.com", "http://127.0.0.1:1", url.rstrip("/") + ".example.com"):
            assert handshake(url, stranger, token) == 403
        port = url.rstrip("/").rpartition(":")[2]
        for host in ("localhost", "LOCALHOST", f"localhost:{port}", "127.0.0.1"):
            assert status(url, "/", f"Host: {host}") == 200
        # what a page of another site sends whose name leads here since it was loaded, to every route
        for path in ("/", "/autoload.js", "/metadata", "/ws", "/static/js/bokeh.min.js", "/favicon.ico", "/nothing"):
            for host in (
                f"evil.example:{port}",
                "evil.example",
                "localhost.evil.example",
                "127.0.0.1.evil.example",
                "[::ffff:7f00:1",
                "127.0.0.1@evil.example",
                "0.0.0.0",
                "10.0.0.1",
            ):
                assert status(url, path, f"Host: {host}") in (400, 403), (path, host)
            assert status(url, path, "Host: localhost", f"Origin: http://evil.example:{port}") == 403
        assert handshake(url, f"http://evil.example:{port}", token, host=f"evil.example:{port}") == 403
        assert handshake(url, url.rstrip("/"), token, host=f"evil.example:{port}") == 403
        for protocol in MALFORMED:
            assert handshake(url, url.rstrip("/"), token, protocol=protocol.format(token=token)) == 403, protocol
        assert handshake(url, url.rstrip("/"), token) == 101
    finally:
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=20)
    assert server.returncode == 0
    assert errors.splitlines() == ["fastcls: the demo has ended"]


@pytest.mark.process
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_the_page_is_served_while_the_command_that_opens_it_still_runs(tmp_path):
    keeps = tmp_path / "browser"
    keeps.write_text("#!/bin/sh\nexec sleep 8\n")
    keeps.chmod(0o755)
    server = subprocess.Popen(
        command("knn", "--port", "0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HOME), "BROWSER": f"{keeps} %s"},
        cwd=tmp_path,
    )
    try:
        url = re.search(r"http://127\.0\.0\.1:\d+/", server.stdout.readline())[0]
        with urllib.request.urlopen(url, timeout=6) as answer:
            assert answer.status == 200
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0


def test_a_run_leaves_a_point_that_is_dragged_alone_and_locks_the_weights_it_writes():
    pytest.importorskip("bokeh")
    from bokeh.document import Document

    from fastcls.demo._linear_view import LinearView

    view = LinearView(Document(), LinearState(), [])
    boxes = [box for row in view.weights for box in row]
    first, W = dict(view.points.data), view.controller.state.W
    view.run.active = True
    assert all(box.disabled for box in boxes)
    view._got("drag", 0, 123, 45)
    view._tick()
    assert view.points.data == first  # the page has moved it by itself, and may be further by now
    assert (view.controller.state.W != W).any()
    assert view.frame.command.value == _text.command("linear", view.controller.state.text())
    view._reset()
    assert not view.run.active
    assert not any(box.disabled for box in boxes)
    assert (view.controller.state.W == W).all()


def encoded(**payload):
    return base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("=")


#: Sec-WebSocket-Protocol headers that no page of the demo sends; for each, Bokeh would log a traceback
MALFORMED = [
    "",
    "bokeh",
    "bokeh,",
    "{token}",
    "other, {token}",
    "bokeh, {token}, {token}",
    "bokeh, nonsense",
    "bokeh, é",
    f"bokeh, {encoded()}",
    f"bokeh, {encoded(session_id='a')}",
    f"bokeh, {encoded(session_id='a', session_expiry='never')}",
    f"bokeh, {encoded(session_id='a', session_expiry=1)}",  # expired
    f"bokeh, {encoded(session_id=['a'], session_expiry=4_000_000_000)}",
    f"bokeh, {encoded(session_expiry=4_000_000_000)}",
]


def handshake(url, origin, token, host=None, protocol=None):
    """The status of the answer to a websocket request of a page of this origin."""
    host = host or url.split("/")[2]
    lines = [
        "GET /ws HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        f"Sec-WebSocket-Protocol: {f'bokeh, {token}' if protocol is None else protocol}",
        f"Origin: {origin}",
    ]
    return answered(url, lines)


def status(url, path, *headers):
    """The status of a plain request."""
    return answered(url, [f"GET {path} HTTP/1.1", *headers, "Connection: close"])


def answered(url, lines):
    with socket.create_connection(url.split("/")[2].split(":"), timeout=10) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return int(connection.recv(100).split()[1])


def test_a_notebook_shows_a_frame_of_this_machine_and_stop_ends_it():
    shown = fastcls.demo.knn("k=3")
    try:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", shown.url)
        assert f'src="{shown.url}"' in shown._repr_html_()
        with urllib.request.urlopen(shown.url, timeout=10) as answer:
            assert answer.status == 200
    finally:
        shown.stop()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(shown.url, timeout=5)
    with pytest.raises(InputError, match="wanted a whole number"):
        fastcls.demo.knn("k=99")


@pytest.mark.process
@pytest.mark.parametrize(
    ("name", "state", "shown"),
    [
        ("knn", "metric=both&k=3", "Leave-one-out accuracy, L1: K = 1:"),
        ("linear", "loss=softmax&classes=2&W=1,0,0.5,-1,2,0", "Score of orange: -1 x +2 y +0."),
    ],
)
def test_an_export_is_one_page_without_addresses(name, state, shown, tmp_path):
    done = run(name, "--state", state, "--export", "page.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"<(?:script|link)[^>]*(?:src|href)=\"(?!data:)", page)
    assert f"fastcls demo {name} --state" in page
    assert shown in page


@pytest.mark.process
def test_an_export_replaces_a_file_only_with_force(tmp_path):
    page = "mine"
    (tmp_path / "page.html").write_text(page)
    done = run("knn", "--export", "page.html", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["fastcls: page.html exists: choose another file, or replace it with --force"]
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page
    done = run("knn", "--export", "page.html", "--force", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "page.html").read_text(encoding="utf-8") != page
    done = run("knn", "--export", "missing/page.html", cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot write the page" in done.stderr

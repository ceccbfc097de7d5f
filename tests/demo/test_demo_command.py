"""The demos as a command, a file and a server: refusals, accepted requests, and the end."""

import base64
import hashlib
import html.parser
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

import fastcls.demo
from fastcls._validation.errors import InputError
from fastcls.demo import _assemble, _knn, _linear
from fastcls.demo._knn import KnnState
from fastcls.demo._linear import LinearState

HOME = Path(fastcls.__file__).parent.parent
KNN = "metric=both&k=3&classes=2&points=-100,0,0;100,0,1;120,30,1;-290,-290,0"
LINEAR = "classes=2&W=1,0,0,-1,0,0&points=100,0,0;-200,0,1&alpha=0"


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
def test_the_page_is_served_while_the_browser_still_opens_until_an_interrupt(tmp_path):
    keeps = tmp_path / "browser"
    keeps.write_text("#!/bin/sh\nexec sleep 8 >/dev/null 2>&1\n")
    keeps.chmod(0o755)
    server = subprocess.Popen(
        command("knn", "--port", "0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HOME), "BROWSER": f"{keeps} %s"},
        cwd=tmp_path,
    )
    try:
        url = re.search(r"http://127\.0\.0\.1:\d+/", server.stdout.readline())[0]
        with urllib.request.urlopen(url, timeout=6) as answer:
            assert answer.status == 200
        still_open = socket.create_connection(url.split("/")[2].split(":"), timeout=10)
    finally:
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=20)
    still_open.close()
    assert server.returncode == 0
    assert errors.splitlines() == ["fastcls: the demo has ended"]


@pytest.fixture(scope="module")
def shown():
    """A server for each demo, in threads of this process."""
    servers = {"knn": fastcls.demo.knn(KNN), "linear": fastcls.demo.linear(LINEAR)}
    yield servers
    for server in servers.values():
        server.stop()


def ask(url, path, body="", origin="own", host=None, method="POST", length=None):
    """(status, body) of the answer to a request, which is sent as bytes: urllib would correct it."""
    address = url.split("/")[2]
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host or address}", "Connection: close"]
    if origin is not None:
        lines.append(f"Origin: {url.rstrip('/') if origin == 'own' else origin}")
    if method == "POST":
        lines.append(f"Content-Length: {len(body.encode()) if length is None else length}")
    with socket.create_connection(address.split(":"), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "", body]).encode())
        received = b""
        while more := connection.recv(1 << 16):
            received += more
    head, _, content = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), content


def test_the_server_answers_from_the_compiled_core(shown):
    state = KnnState.of_text(KNN)
    status, pictures = ask(shown["knn"].url, "/pictures", KNN)
    assert status == 200
    assert pictures == _knn.picture(state, "l1").tobytes() + _knn.picture(state, "l2").tobytes()
    votes = json.loads(ask(shown["knn"].url, "/votes?x=0&y=100", KNN)[1])
    assert votes["l2"]["neighbors"] == [2, 0, 1]
    assert (votes["l2"]["totals"], votes["l2"]["winner"], votes["l2"]["tied"]) == ([1.0, 2.0], 1, False)
    assert json.loads(ask(shown["knn"].url, "/accuracies", KNN)[1])["l1"] == list(_knn.accuracies(state, "l1"))
    state = LinearState.of_text(LINEAR)
    assert ask(shown["linear"].url, "/pictures", LINEAR)[1] == _linear.picture(state).tobytes()
    losses = json.loads(ask(shown["linear"].url, "/losses", LINEAR)[1])
    assert (losses["total"], losses["scores"]) == (0.0, [[1.0, -1.0], [-2.0, 2.0]])


def test_what_is_no_question_of_the_page_is_refused(shown):
    url = shown["knn"].url
    for path, body in (
        ("/pictures", ""),  # without points
        ("/pictures", "k=99"),
        ("/pictures", LINEAR),
        ("/pictures", "\0\xff" * 20),
        ("/votes?x=0", KNN),
        ("/votes?x=0&y=1e9", KNN),
        ("/votes?x=0&y=0&y=0", KNN),
    ):
        status, answer = ask(url, path, body)
        assert (status, answer.count(b"\n")) == (400, 1), (path, body, answer)
    for path in ("/losses", "/nothing", "/", "//", "/pictures/../pictures"):
        assert ask(url, path, KNN)[0] == 404, path
    assert ask(url, "/pictures", KNN, length=10**9)[0] == 413
    for length in ("-1", "x", "", "1_0", "٣"):
        assert ask(url, "/pictures", KNN, length=length)[0] == 413, length
    assert ask(url, "/nothing", method="GET")[0] == 404
    assert ask(url, "/", method="PUT")[0] == 501
    assert ask(url, "/pictures", KNN)[0] == 200  # and it still answers


def test_it_answers_under_its_own_names_only_and_computes_for_its_own_pages_only(shown):
    url = shown["knn"].url
    port = url.rstrip("/").rpartition(":")[2]
    for host in ("localhost", "LOCALHOST", f"localhost:{port}", "127.0.0.1"):
        assert ask(url, "/", method="GET", host=host, origin=None)[0] == 200
        assert ask(url, "/pictures", KNN, host=host, origin=f"http://{host}")[0] == 200
    # what a page of another site sends whose name leads here since it was loaded
    for host in (
        f"evil.example:{port}",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "[::ffff:7f00:1",
        "127.0.0.1@evil.example",
        "0.0.0.0",
        "10.0.0.1",
        "",
    ):
        assert ask(url, "/", method="GET", host=host or " ", origin=None)[0] == 403, host
        assert ask(url, "/pictures", KNN, host=host or " ", origin=f"http://{host}")[0] == 403, host
    for origin in (
        None,
        "null",
        "http://evil.example",
        f"http://localhost:{port}",
        "http://127.0.0.1:1",
        f"https://127.0.0.1:{port}",
    ):
        assert ask(url, "/pictures", KNN, origin=origin)[0] == 403, origin
    assert ask(url, "/", method="GET", origin=f"http://evil.example:{port}")[0] == 403


def test_a_notebook_shows_a_frame_of_this_machine_and_stop_ends_it():
    shown = fastcls.demo.knn("k=3")
    try:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", shown.url)
        assert f'src="{shown.url}"' in shown._repr_html_()
        with urllib.request.urlopen(shown.url, timeout=10) as answer:
            assert answer.status == 200
            assert "connect-src 'self'" in answer.headers["Content-Security-Policy"]
    finally:
        shown.stop()
    shown.stop()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(shown.url, timeout=5)
    with pytest.raises(InputError, match="wanted a whole number"):
        fastcls.demo.knn("k=99")


class Elements(html.parser.HTMLParser):
    """Elements of a page with their attributes, and the texts of scripts and style sheets."""

    def __init__(self, page):
        super().__init__()
        self.found, self.texts = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.found and self.found[-1][0] in ("script", "style") and data.strip():
            self.texts.append((*self.found[-1], data))


@pytest.mark.parametrize("demo", ["knn", "linear"])
def test_an_exported_page_loads_nothing_and_allows_only_its_own_script_and_style(demo, tmp_path):
    fastcls.demo.export(demo, {"knn": KNN, "linear": LINEAR}[demo], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    elements = Elements(page)
    addresses = [attrs[name] for _, attrs in elements.found for name in ("src", "href", "action", "data") if name in attrs]
    assert addresses == ["data:,"]
    assert not [name for _, attrs in elements.found for name in attrs if name.startswith("on") or name == "style"]
    policy = next(attrs["content"] for tag, attrs in elements.found if attrs.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert "connect-src" not in rules
    for tag, attrs, text in elements.texts:
        if attrs.get("type") == "application/json":
            assert json.loads(text)["engine"] == "local"
            continue
        wanted = f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        assert rules[f"{tag}-src"] == wanted
    assert len(elements.texts) == 3
    # nothing is read as code or as HTML, or asked of another machine
    for word in (
        "eval(",
        "Function(",
        "innerHTML",
        "outerHTML =",
        "insertAdjacentHTML",
        "document.write",
        "http://",
        "https://",
    ):
        assert word not in page.replace("http://www.w3.org/2000/svg", ""), word


def test_no_text_of_a_state_can_end_its_element(monkeypatch):
    monkeypatch.setattr(KnnState, "text", lambda self: "</script><script>alert(1)//<!--")
    page = _assemble.page(KnnState(), "local")
    assert page.count("</script>") == 2
    config = next(text for _, attrs, text in Elements(page).texts if attrs.get("type") == "application/json")
    assert json.loads(config)["state"] == "</script><script>alert(1)//<!--"


def test_the_script_has_every_file_of_its_folder_once():
    folder = Path(_assemble.__file__).parent / "page"
    assert sorted(path.stem for path in folder.glob("*.js")) == sorted(_assemble.SCRIPTS)
    assert {path.name for path in folder.iterdir()} == {f"{name}.js" for name in _assemble.SCRIPTS} | {
        "page.css",
        "page.html.in",
    }
    assert max(len(path.read_text(encoding="utf-8").splitlines()) for path in folder.iterdir()) < 500


@pytest.mark.process
def test_an_export_replaces_a_file_only_with_force(tmp_path):
    page = "mine"
    (tmp_path / "page.html").write_text(page)
    done = run("knn", "--export", "page.html", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["fastcls: page.html exists: choose another file, or replace it with --force"]
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page
    done = run("knn", "--state", "k=7", "--export", "page.html", "--force", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "k=7&" in (tmp_path / "page.html").read_text(encoding="utf-8")
    done = run("knn", "--export", "missing/page.html", cwd=tmp_path)
    assert done.returncode == 2
    assert "cannot write the page" in done.stderr


def test_a_picture_of_the_core_has_one_byte_for_each_pixel():
    assert (
        _knn.picture(KnnState.of_text(KNN), "l1").nbytes
        == 90_000
        == np.prod(_linear.picture(LinearState.of_text(LINEAR)).shape)
    )

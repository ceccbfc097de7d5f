"""A server for this machine only: it gives the page, and answers its questions from the compiled core.

Each request has the whole state as text, which is checked like that of the command line. Between two requests, only the last
picture is kept, to compute what has changed.
"""

from __future__ import annotations

import errno
import json
import signal
import sys
import threading
import webbrowser
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from fastcls._validation.errors import InputError

from . import _assemble, _knn, _linear, _text
from ._knn import KnnState
from ._linear import LinearState
from ._plane import HALF

ADDRESS = "127.0.0.1"
#: names by which pages of this machine ask
_NAMES = (ADDRESS, "localhost")
#: bytes of a request's body: the longest text of a state, with room
_LONGEST = 64_000
#: seconds that a connection may stay silent
_SILENCE = 600

_STATES: dict[str, Any] = {"knn": KnnState, "linear": LinearState}


def read_state(demo: str, text: str | None) -> Any:
    """Return the state of a text, or the initial state of the demo."""
    kind = _STATES[demo]
    return kind.of_text(text) if text else kind()


def _whole_state(demo: str, text: str) -> Any:
    """Return the state that a page posted, which has all its points and weights."""
    state = read_state(demo, text)
    if state.points is None or (demo == "linear" and state.W is None):
        raise InputError("the state has no points or no W; wanted the whole state, as the page posts it")
    return state


def _as_json(values: Any) -> bytes:
    return json.dumps(values, default=np.ndarray.tolist, allow_nan=False).encode()


class _KnnAnswers:
    """The answers of the k-NN demo: each takes the whole state and the query of the address, and returns bytes."""

    def __init__(self) -> None:
        self._regions = {metric: _knn.Regions(metric) for metric in ("l1", "l2")}
        self._one_at_a_time = threading.Lock()  # they remember the last picture

    def pictures(self, state: KnnState, query: str) -> bytes:
        with self._one_at_a_time:
            return b"".join(self._regions[metric].picture(state).tobytes() for metric in state.metrics)

    def votes(self, state: KnnState, query: str) -> bytes:
        given = _text.fields(query, ("x", "y"))
        x, y = (_text.whole(name, given.get(name, ""), -HALF, HALF) for name in ("x", "y"))
        return _as_json({metric: vars(_knn.vote_at(state, metric, x, y)) for metric in state.metrics})

    def accuracies(self, state: KnnState, query: str) -> bytes:
        return _as_json({metric: _knn.accuracies(state, metric) for metric in state.metrics})


class _LinearAnswers:
    """The answers of the linear demo."""

    def pictures(self, state: LinearState, query: str) -> bytes:
        return _linear.picture(state).tobytes()

    def losses(self, state: LinearState, query: str) -> bytes:
        return _as_json(vars(_linear.losses(state)))


#: demo -> its answers, and the paths of its questions, which are methods
_ANSWERS: dict[str, tuple[type, tuple[str, ...]]] = {
    "knn": (_KnnAnswers, ("pictures", "votes", "accuracies")),
    "linear": (_LinearAnswers, ("pictures", "losses")),
}


def _is_ours(authority: str | None) -> bool:
    """Whether host and port name this machine.

    After DNS rebinding, the name of another site points to 127.0.0.1, and its scripts could ask this server as if it were
    their own site. But the browser still sends that name.
    """
    try:
        return authority is not None and urlsplit(f"//{authority}").hostname in _NAMES
    except ValueError:
        return False


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection of a page."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "fastcls", ""
    disable_nagle_algorithm = True
    timeout = _SILENCE
    server: _Server

    def do_GET(self) -> None:
        if self._refuses():
            return
        if urlsplit(self.path).path != "/":
            self._send(HTTPStatus.NOT_FOUND, b"There is only the page itself, at /.\n")
            return
        self._send(
            HTTPStatus.OK, self.server.page, "text/html; charset=utf-8", {"Content-Security-Policy": self.server.policy}
        )

    def do_POST(self) -> None:
        if self._refuses():
            return
        origin = self.headers.get("Origin")
        if origin is None or origin.lower() != f"http://{self.headers['Host']}".lower():
            self._send(HTTPStatus.FORBIDDEN, b"The demo computes only for its own pages.\n", closes=True)
            return
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or int(length) > _LONGEST:
            wanted = f"Wanted a body of at most {_LONGEST} bytes, with its length.\n"
            self._send(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, wanted.encode(), closes=True)
            return
        body = self.rfile.read(int(length))
        asked = urlsplit(self.path)
        answer = self.server.answers.get(asked.path)
        if answer is None:
            self._send(HTTPStatus.NOT_FOUND, b"This demo has no such answer.\n")
            return
        try:
            found = answer(_whole_state(self.server.demo, body.decode("utf-8", "replace")), asked.query)
        except InputError as error:
            self._send(HTTPStatus.BAD_REQUEST, f"{error}\n".encode("utf-8", "replace"))
            return
        self._send(HTTPStatus.OK, found, "application/octet-stream" if asked.path == "/pictures" else "application/json")

    def _refuses(self) -> bool:
        """Refuse requests under a name of another machine."""
        hosts = self.headers.get_all("Host", [])
        origin = self.headers.get("Origin")
        if len(hosts) == 1 and _is_ours(hosts[0]) and (origin is None or _is_ours(origin.partition("://")[2])):
            return False
        refusal = f"The demo answers only to http://{ADDRESS} and http://localhost.\n"
        self._send(HTTPStatus.FORBIDDEN, refusal.encode(), closes=True)
        return True

    def _send(
        self,
        status: HTTPStatus,
        body: bytes,
        kind: str = "text/plain; charset=utf-8",
        headers: dict[str, str] | None = None,
        closes: bool = False,
    ) -> None:
        """Answer; `closes` ends the connection, whose request was not read to its end."""
        self.send_response(status)
        given = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            **(headers or {}),
            **({"Connection": "close"} if closes else {}),
        }
        for name, value in given.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # an open page keeps its connection: the end does not wait for it
    block_on_close = False

    def __init__(self, demo: str, state: Any, port: int) -> None:
        self.demo = demo
        self.page = _assemble.page(state, "server").encode()
        self.policy = _assemble.policy("server")
        kind, names = _ANSWERS[demo]
        answers = kind()
        self.answers: dict[str, Callable[[Any, str], bytes]] = {f"/{name}": getattr(answers, name) for name in names}
        try:
            super().__init__((ADDRESS, port), _Handler)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise InputError(
                    f"port {port} is in use: choose another with --port, or any free one with --port 0"
                ) from None
            raise InputError(
                f"cannot listen on port {port}: {error.strerror or error}; choose another with --port"
            ) from None
        except OverflowError:
            raise InputError(f"cannot listen on port {port}: wanted 0 to 65535; choose another with --port") from None
        self.url = f"http://{ADDRESS}:{self.server_address[1]}/"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True, name=f"fastcls demo {demo}")
        self._thread.start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing if a page goes away in the middle of an answer; other errors are faults."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)

    def end(self) -> None:
        """Stop answering."""
        self.shutdown()
        self.server_close()
        self._thread.join(10)


def serve(demo: str, text: str | None, port: int, browser: bool) -> None:
    """Show a demo until Ctrl-C (or SIGTERM)."""
    server = _Server(demo, read_state(demo, text), port)
    ended = threading.Event()
    is_main = threading.current_thread() is threading.main_thread()  # no other can set handlers, or gets signals
    numbers = (signal.SIGINT, signal.SIGTERM) if is_main else ()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in numbers}
    try:
        print(f"fastcls: the demo is at {server.url} (press Ctrl-C to end it)", flush=True)
        if browser:  # in a thread: with a text browser, `open` returns only when the browser ends
            threading.Thread(target=webbrowser.open, args=(server.url,), daemon=True).start()
        while not ended.wait(0.5):  # without a limit, Windows would not notice Ctrl-C
            pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        server.end()
    print("fastcls: the demo has ended", file=sys.stderr)


class Shown:
    """A running demo, which displays itself in a notebook cell. ``stop`` ends it, and so does the end of Python.

    Attributes
    ----------
    url : str
    """

    def __init__(self, demo: str, text: str | None, height: int) -> None:
        self.height = height
        self._server: _Server | None = _Server(demo, read_state(demo, text), 0)
        self.url = self._server.url

    def stop(self) -> None:
        """End the demo."""
        server, self._server = self._server, None
        if server is not None:
            server.end()

    def __repr__(self) -> str:
        return f"<fastcls demo at {self.url}>"

    def _repr_html_(self) -> str:
        look = f'width="100%" height="{self.height}" style="border: 0" title="fastcls demo"'
        return f'<iframe src="{self.url}" {look}></iframe>'

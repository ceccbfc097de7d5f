"""A Bokeh server for this machine only: in the foreground for the command line, in a thread for notebooks."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.document import Document
from bokeh.server.callbacks import PeriodicCallback
from bokeh.server.server import Server
from bokeh.settings import settings
from bokeh.util.token import check_token_signature, get_session_id, get_token_payload
from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, Rule
from tornado.web import RequestHandler

from fastcls._validation.errors import InputError

from ._knn_state import KnnState
from ._knn_view import KnnView
from ._linear_state import LinearState
from ._linear_view import LinearView

ADDRESS = "127.0.0.1"
_LAST_MESSAGES = 0.05  # s, for Bokeh's last messages to open pages; it logs an error if they are cut off
_DEMOS: dict[str, tuple[Any, Any]] = {"knn": (KnnState, KnnView), "linear": (LinearState, LinearView)}


def read_state(demo: str, text: str | None) -> Any:
    """Return the state of a text, or the initial state of the demo."""
    kind = _DEMOS[demo][0]
    return kind.of_text(text) if text else kind()


def _page(demo: str, state: Any) -> Callable[[Document], None]:
    kind, view = _DEMOS[demo]

    def make(doc: Document) -> None:
        context = doc.session_context
        given = context.request.arguments.get("state", []) if context is not None else []
        shown, notes = state, []
        if given:
            try:
                shown = kind.of_text(given[0].decode("utf-8", "replace"))
            except InputError:  # the page does not repeat the text, which is in the address bar
                notes = ["The state in this page's address is not valid; this is the initial state."]
        view(doc, shown, notes)

    return make


class _ForeignHost(Matcher):
    """Requests for a host name other than this machine's.

    After DNS rebinding, the name of another site points to 127.0.0.1, and its scripts could read this server as if it were
    their own site. But the browser still sends that name.
    """

    def __init__(self) -> None:
        by_user = settings.allowed_ws_origin() or []  # BOKEH_ALLOW_WS_ORIGIN, for a proxy; Bokeh checks it for websockets
        self._names = {ADDRESS, "localhost", *(_name_of(f"//{origin}") for origin in by_user)}

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        named = [f"//{host}" for host in request.headers.get_list("Host")] + request.headers.get_list("Origin")
        is_ours = "*" in self._names or all(_name_of(name) in self._names for name in named)
        return None if is_ours else {}


def _name_of(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


class _InvalidToken(Matcher):
    """Websocket requests without a valid token of this server; Bokeh would log each of them with a traceback."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        return {} if request.path == "/ws" and not self._is_valid(request) else None

    @staticmethod
    def _is_valid(request: HTTPServerRequest) -> bool:
        try:
            protocol, token = (part.strip() for part in request.headers["Sec-WebSocket-Protocol"].split(","))
            is_ours = protocol == "bokeh" and check_token_signature(token) and isinstance(get_session_id(token), str)
            return is_ours and bool(time.time() < get_token_payload(token)["session_expiry"])
        except Exception:  # Bokeh's functions raise whatever their decoders raise
            return False


class _Refused(RequestHandler):
    """Answers with 403 and one line."""

    def initialize(self, text: str) -> None:
        self._text = text

    def prepare(self) -> None:
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{self._text}\n")


#: which requests are refused, and with which answer
_REFUSALS = {
    _ForeignHost: f"The demo answers only to http://{ADDRESS} and http://localhost.",
    _InvalidToken: "The page is out of date: reload it.",
}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _server(demo: str, state: Any, port: int) -> Iterator[Server]:
    """Run a server that listens only on this machine's own address and accepts only its own pages."""
    for name in ("bokeh", "tornado"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("bokeh.server.views.ws").setLevel(logging.CRITICAL)  # a refused page is not an error
    application = Application(FunctionHandler(_page(demo, state)))
    port = port or _free_port()  # with port 0, Bokeh would accept pages from any port of this machine
    try:
        origins = [f"{ADDRESS}:{port}", f"localhost:{port}"]
        server = Server({"/": application}, port=port, address=ADDRESS, allow_websocket_origin=origins)
        before_bokeh = [Rule(matcher(), _Refused, {"text": text}) for matcher, text in _REFUSALS.items()]
        server._tornado.default_router.rules[:0] = before_bokeh
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InputError(f"port {port} is in use: choose another with --port, or any free one with --port 0") from None
        raise InputError(f"cannot listen on port {port}: {error.strerror or error}; choose another with --port") from None
    try:
        yield server
    finally:
        server.stop()


async def _finish_messages(server: Server) -> None:
    """Stop periodic callbacks, and let the last messages to the pages arrive."""
    for session in server.get_sessions("/"):
        for callback in session.document.session_callbacks:
            if isinstance(callback, PeriodicCallback):
                session.document.remove_periodic_callback(callback)
    await asyncio.sleep(4 * _LAST_MESSAGES)


def url_of(server: Server) -> str:
    """Return the address of the page."""
    return f"http://{ADDRESS}:{server.port}/"


def serve(demo: str, text: str | None, port: int, browser: bool) -> None:
    """Show a demo until Ctrl-C (or SIGTERM)."""
    state = read_state(demo, text)

    async def run() -> None:
        with _server(demo, state, port) as server:
            server.start()
            ended = asyncio.Event()
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                with contextlib.suppress(NotImplementedError):  # Windows, where asyncio.run handles Ctrl-C
                    loop.add_signal_handler(number, ended.set)
            print(f"fastcls: the demo is at {url_of(server)} (press Ctrl-C to end it)", flush=True)
            if browser:  # in a thread: with a text browser, `open` returns only when the browser ends
                threading.Thread(target=webbrowser.open, args=(url_of(server),), daemon=True).start()
            await ended.wait()
            await _finish_messages(server)
        await asyncio.sleep(_LAST_MESSAGES)

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())
    print("fastcls: the demo has ended", file=sys.stderr)


class Shown:
    """A running demo, which displays itself in a notebook cell. ``stop`` ends it, and so does the end of Python.

    Attributes
    ----------
    url : str
    """

    def __init__(self, demo: str, text: str | None, height: int) -> None:
        state = read_state(demo, text)
        self.height = height
        self._ready = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(demo, state), daemon=True, name=f"fastcls demo {demo}")
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure

    def _run(self, demo: str, state: Any) -> None:
        async def run() -> None:
            self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
            with _server(demo, state, 0) as server:
                server.start()
                self.url = url_of(server)
                self._ready.set()
                await self._ended.wait()
                await _finish_messages(server)
            await asyncio.sleep(_LAST_MESSAGES)

        try:
            asyncio.run(run())
        except Exception as error:
            self._failure = error
        finally:
            self._ready.set()

    def stop(self) -> None:
        """End the demo."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join(10)

    def __repr__(self) -> str:
        return f"<fastcls demo at {self.url}>"

    def _repr_html_(self) -> str:
        look = f'width="100%" height="{self.height}" style="border: 0" title="fastcls demo"'
        return f'<iframe src="{self.url}" {look}></iframe>'

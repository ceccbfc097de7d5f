"""The demos within the site: ``.. demo:: knn`` shows one in a frame, and the build writes both as pages of ``demos/``."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive, directives

import fastcls.demo

NAMES = ("knn", "linear")
#: what a frame is called, for screen readers
TITLES = {"knn": "Demo: k nearest neighbours", "linear": "Demo: linear classifiers"}


def frame(name: str, state: str, above: str) -> str:
    """A demo in a frame, and a link to it; `above` leads from the page to the site's first folder."""
    address = f"{above}demos/{name}.html" + (f"#{state}" if state else "")
    return (
        f'<iframe class="demo" src="{escape(address)}" title="{TITLES[name]}" loading="lazy"></iframe>\n'
        f'<p class="demo"><a href="{escape(address)}">The demo on a page of its own</a></p>'
    )


class Demo(Directive):
    """``.. demo:: knn`` with the option ``:state:``, the text that 'Copy as command' gives after ``--state``."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {"state": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        name, state = self.arguments[0], self.options.get("state", "")
        if name not in NAMES:
            raise self.error(f"there is no demo {name!r}: there are {', '.join(NAMES)}")
        fastcls.demo.check(name, state)
        above = "../" * self.state.document.settings.env.docname.count("/")
        return [nodes.raw("", frame(name, state, above), format="html")]


def write(app: Any, error: Exception | None) -> None:
    """Write both demos, after the other pages."""
    if error is None and app.builder.name == "html":
        folder = Path(app.outdir) / "demos"
        folder.mkdir(exist_ok=True)
        for name in NAMES:
            fastcls.demo.export(name, None, folder / f"{name}.html")


def setup(app: Any) -> dict[str, bool]:
    app.add_directive("demo", Demo)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True}

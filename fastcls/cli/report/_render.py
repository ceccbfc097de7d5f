"""A template and its values as one self-contained page: escaped, without scripts, with the style sheet inside."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from fastcls.cli._words import after_separators
from fastcls.display import style

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def render(template: str, values: dict[str, Any]) -> str:
    """Return the page as HTML. Names from data are escaped, and characters that cannot be printed are removed."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup, escape

    def breakable(name: str) -> Markup:
        """A name whose lines may end after its separators."""
        return Markup("<wbr>").join(escape(style.clean(part)) for part in after_separators(name))

    def printed(value: Any) -> Any:
        return value if isinstance(value, Markup) or not isinstance(value, str) else style.clean(value)

    here = files("fastcls.cli.report")
    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=printed, trim_blocks=True)
    environment.filters["breakable"] = breakable
    page = environment.from_string((here / template).read_text(encoding="utf-8"))
    css = Markup((here / "report.css").read_text(encoding="utf-8"))
    return page.render(css=css, policy=POLICY, **values)

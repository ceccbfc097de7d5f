"""Docstrings on their way into the reference: plain text stays plain text, and what scikit-learn adds stays out."""

from __future__ import annotations

import re
from typing import Any

#: what markup leaves alone: ``code``, `names`, lines of examples
_CODE = re.compile(r"(``.*?``|`[^`]*`|^\s*(?:>>>|\.\.\.).*$)")
#: signs of formulas (|x - y|) and names of attributes (coef_) that reStructuredText would take for markup
_MARKUP = re.compile(r"\||(?<=\w)_(?![\w`])")


def as_text(_app: Any, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """Escape what reStructuredText would misread: a docstring is read in an editor first, without backslashes."""
    for at, line in enumerate(lines):
        if line.lstrip().startswith(".. ") or re.fullmatch(r"[\s=|+-]*", line):
            continue
        parts = _CODE.split(line)
        lines[at] = "".join(part if i % 2 else _MARKUP.sub(r"\\\g<0>", part) for i, part in enumerate(parts))


def is_left_out(_app: Any, _what: str, name: str, member: Any, skip: bool, _options: Any) -> bool | None:
    """Leave out members that scikit-learn gives to each of its estimators."""
    return True if (getattr(member, "__module__", None) or "").startswith("sklearn.") else None


def without_private(
    _app: Any, _what: str, _name: str, _object: Any, _options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """A signature without its private parameters."""
    return (re.sub(r", _\w+=[^,()]+", "", signature) if signature else signature), returns


def setup(app: Any) -> dict[str, bool]:
    """Connect them to autodoc, after numpydoc."""
    app.connect("autodoc-process-signature", without_private, priority=900)
    app.connect("autodoc-process-docstring", as_text, priority=900)
    app.connect("autodoc-skip-member", is_left_out)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""A demo's page as one text: HTML, style sheet and script of `page/`, with the state and the engine.

The page loads nothing and evaluates no text. Its content security policy allows its own script and style sheet by their
hashes; the page of a server may also post to that server.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from . import _knn, _linear
from ._knn import KnnState
from ._linear import LinearState
from ._plane import CLASS_NAMES, CLASSES, HALF, PIXELS, SEEDS

_FOLDER = Path(__file__).parent / "page"
#: in this order, each uses only names of those before it
SCRIPTS = (
    "config",
    "state",
    "draw",
    "knn",
    "linear",
    "engines",
    "elements",
    "plane",
    "chart",
    "frame",
    "knn_model",
    "knn_view",
    "linear_model",
    "linear_table",
    "linear_view",
    "start",
)
_TITLES = {"knn": "k nearest neighbours", "linear": "Linear classifier"}
#: limits, and names with their labels, as the page needs them
_LIMITS: dict[str, dict[str, Any]] = {
    "knn": {
        "k": _knn.K,
        "points": _knn.POINTS,
        "fewest": 1,
        "temperature": _knn.TEMPERATURE,
        "metrics": _knn.METRICS,
        "weights": _knn.WEIGHTS,
        "presets": _knn.PRESETS,
    },
    "linear": {
        "points": _linear.POINTS[1:],
        "fewest": _linear.POINTS[0],
        "alpha": _linear.ALPHA,
        "step": _linear.STEP,
        "largest": _linear.LARGEST,
        "losses": _linear.LOSSES,
        "presets": _linear.PRESETS,
    },
}


@lru_cache(maxsize=1)
def _parts() -> dict[str, str]:
    """The page's skeleton, style sheet and script."""
    script = "".join((_FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    return {
        "page": (_FOLDER / "page.html.in").read_text(encoding="utf-8"),
        "style": "\n" + (_FOLDER / "page.css").read_text(encoding="utf-8"),
        "script": f'\n(() => {{\n"use strict"\n{script}}})()\n',
    }


def _source(text: str) -> str:
    """The hash of an element's text, for the policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def policy(engine: str) -> str:
    """Return the content security policy of the page."""
    parts = _parts()
    rules = {
        "default-src": "'none'",
        "script-src": _source(parts["script"]),
        "style-src": _source(parts["style"]),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    if engine == "server":
        rules["connect-src"] = "'self'"
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def page(state: KnnState | LinearState, engine: str) -> str:
    """Return the page of a state.

    Parameters
    ----------
    state : KnnState or LinearState
    engine : {"local", "server"}
        local: the page computes by itself; server: it asks the server that it came from.
    """
    demo = "knn" if isinstance(state, KnnState) else "linear"
    plane = {"half": HALF, "pixels": PIXELS, "classNames": CLASS_NAMES, "classes": CLASSES, "seeds": SEEDS}
    config = {"demo": demo, "title": _TITLES[demo], "engine": engine, "state": state.text()} | plane | _LIMITS[demo]
    parts = _parts()
    values = {
        "policy": policy(engine),
        "title": _TITLES[demo],
        "style": parts["style"],
        "script": parts["script"],
        # so that no text of the state can end the element
        "config": json.dumps(config).replace("<", "\\u003c"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], parts["page"])

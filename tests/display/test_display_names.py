"""Names of classes, models and samples are drawn literally, in every display and in the report."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="displays draw with matplotlib (the extra 'run')")
import matplotlib as mpl
from _outcomes import make_outcome, random_data
from matplotlib.text import Text

from fastcls import display
from fastcls.cli.report._figures import THEME, draw
from fastcls.display import style
from fastcls.display._regions import Regions

ASCII = [chr(c) for c in range(33, 127)]
#: every printable character of ASCII, alone, at both ends and in pairs as a drawing library's marks stand
PAIRED = [f"{c}x{c}" for c in ASCII]
DENSE = ["".join(2 * c for c in ASCII[at : at + 5]) for at in range(0, len(ASCII), 5)]
MARKS = [
    "$$x$$",
    "$\\frac$",
    "a$b$c$",
    "\\$5 \\$6",
    "__all__",
    "_",
    "_x",
    "%d %s",
    "{0}",
    "#0072b2",
    "url(#x)",
    "<b>&amp;",
    "&",
    "</svg>",
    ' id="a"',
    "font: 9px x",
    "[red]",
    "[/]",
    "]]>",
    "-->",
    "x^2_3",
    "\\",
    "\\n",
    "~",
    "`",
    "a|b",
    "None",
    "0",
]
SCRIPTS = [
    "e\u0301te\u0301",
    "שלום",
    "مرحبا",
    "می\u200cخوام",
    "👩\u200d🔬",
    "☺\ufe0f",
    "日本語",
    "ﬁ",
    "ß",
    "नमस्ते",
    "\u00a0x",
]
#: names with something that cannot be drawn: it is replaced, and the figure is drawn
BROKEN = [
    "",
    " ",
    "\t",
    "a\nb",
    "a\tb",
    "\x00",
    "\x1b[31m",
    "\x7f",
    "\u202eabc",
    "\ud800",
    "a\udcffb",
    "\ufffe",
    "\u2028",
    "x" * 5000,
    "a" + "\u0301" * 500,
    "\u0301",
]


def texts_of(figure: Any) -> list[Text]:
    return [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


def confusion(names: list[str]) -> Any:
    codes = np.arange(len(names))
    return display.plot_confusion(codes, codes, class_names=names, title=names[0] if names[0].strip() else "t")


def scores(names: list[str]) -> Any:
    n = len(names)
    table = np.random.default_rng(0).normal(size=(2, n))
    losses = {"hinge": np.ones(2)}
    return display.ScoresDisplay(table, np.zeros(2, int), losses, class_names=names, sample_names=names[-2:]).plot()


def templates(names: list[str]) -> Any:
    return display.TemplatesDisplay(np.ones((len(names), 2, 2, 1)), names).plot()


def neighbors(names: list[str]) -> Any:
    n = len(names)
    images = np.zeros((1, 2, 2, 1), np.uint8)
    return display.NeighborsDisplay(
        images,
        np.zeros((1, n, 2, 2, 1), np.uint8),
        np.ones((1, n)),
        np.array([names], dtype=object),
        query_names=names[:1],
        same_class=np.ones((1, n), bool),
        predicted_names=names[-1:],
    ).plot()


def regions(names: list[str]) -> Any:
    n = len(names)
    classes = np.array(names, dtype=object)
    plane = Regions(np.zeros((4, 4), int), classes, (0.0, 1.0, 0.0, 1.0))
    return display.DecisionRegionDisplay(plane, np.zeros((n, 2)), classes, title=names[0]).plot()


def challenges(names: list[str]) -> Any:
    tiles, line = np.zeros((2, 2, 2, 1), np.uint8), np.ones(2)
    accuracy = {"move": dict.fromkeys(names, line)}
    return display.ChallengesDisplay({"move": tiles}, accuracy, {"move": line}, 1.0, np.arange(2.0)).plot()


def cross_validation(names: list[str]) -> Any:
    accuracy = {name: np.ones((2, 2)) for name in names}
    return display.CrossValidationDisplay(np.array([1, 3]), accuracy, best_metric=names[-1], best_k=3).plot()


def loss_history(names: list[str]) -> list[Any]:
    return [display.LossHistoryDisplay([2.0, 1.0], name=name).plot() for name in names]


def same_distance(names: list[str]) -> list[Any]:
    names = [*names, *names[:3]]
    fours = [names[at : at + 4] for at in range(0, len(names) - 3, 4)] + [names[-4:]]
    return [display.SameDistanceDisplay(np.zeros((4, 2, 2, 1), np.uint8), four, 1).plot() for four in fours]


#: every display that draws names: one figure, or several, with all of them
DRAWERS: dict[str, Callable[[list[str]], Any]] = {
    "confusion": confusion,
    "scores": scores,
    "templates": templates,
    "neighbors": neighbors,
    "regions": regions,
    "challenges": challenges,
    "cross-validation": cross_validation,
    "loss history": loss_history,
    "same distance": same_distance,
}
FEW = ("loss history", "same distance", "neighbors", "cross-validation")  # a figure or axes for each name


def figures(name: str, names: list[str]) -> list[Any]:
    drawn = DRAWERS[name](names)
    return [shown.figure_ for shown in (drawn if isinstance(drawn, list) else [drawn])]


def svg_texts(figure: Any) -> list[str]:
    written = StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(written, format="svg")
    root = ElementTree.fromstring(written.getvalue())
    return ["".join(element.itertext()) for element in root.iter() if element.tag.endswith("}text")]


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("name", DRAWERS)
def test_every_name_is_drawn_literally(name: str) -> None:
    """Also under rcParams that render all text with TeX."""
    every = [*(PAIRED if name in ("confusion", "templates") else DENSE), *MARKS, *SCRIPTS]
    step = 200 if name in FEW else 60
    for at in range(0, len(every), step):
        names = every[at : at + step]
        with mpl.rc_context({"text.usetex": False, "text.parse_math": True}):
            drawn = figures(name, names)
        texts = [text for figure in drawn for text in texts_of(figure)]
        for one in names:
            shown = " ".join(one.split())
            mine = [text for text in texts if shown in text.get_text() or shown in text.get_text().replace("\n", "")]
            assert mine, one
            for text in mine:
                literal, is_math = text._preprocess_math(text.get_text())
                assert (literal, is_math) == (text.get_text(), False), one


def test_names_are_unchanged_in_the_svg() -> None:
    for at in range(0, len(PAIRED), 47):
        names = PAIRED[at : at + 47]
        written = svg_texts(figures("confusion", names)[0])
        assert [one for one in names if written.count(one) < 2] == []
    assert set(svg_texts(figures("regions", MARKS)[0])) >= {" ".join(one.split()) for one in MARKS}


@pytest.mark.filterwarnings("error", "ignore:Glyph", "ignore:constrained_layout not applied")
@pytest.mark.parametrize("name", DRAWERS)
def test_unprintable_characters_are_replaced_and_names_stay_different(name: str) -> None:
    for figure in figures(name, BROKEN):
        written = svg_texts(figure)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e\ud800-\udfff]", "".join(written))
    short = style.distinct(BROKEN)
    assert len(set(short)) == len(BROKEN)
    assert all(shown.strip() for shown in short)


def test_a_shortened_name_keeps_the_accents_of_its_letters() -> None:
    assert style.shorten("e\u0301" * 9, 6) == "e\u0301e\u0301…"
    assert style.width_of("e\u0301", 10) == style.width_of("e", 10)


def test_a_notebook_shows_names_without_glyphs_even_if_warnings_are_errors() -> None:
    import warnings

    shown = display.LossHistoryDisplay([2.0, 1.0], name="\U0001f9ff 名前").plot()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert shown._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", [*THEME, "url(#x)", ' id="x"', 'href="#x', "font: 9px x;", "<style>", "$x$", "_x"])
def test_drawings_of_the_page_change_tags_and_no_names(name: str) -> None:
    svg = draw(lambda: display.plot_confusion([0, 1], [0, 1], class_names=[name, "b"]), "a drawing")
    root = ElementTree.fromstring(re.sub(r"xlink:", "", str(svg)))
    assert ["".join(e.itertext()) for e in root.iter("text")].count(" ".join(name.split())) == 2


def test_the_report_shows_every_name_and_executes_none() -> None:
    from fastcls.cli.report import _page

    names = [*PAIRED[:10], *MARKS, *SCRIPTS[:4], *BROKEN[5:13]]
    data = random_data(len(names), n=12 * len(names))
    data.class_names = tuple(names)
    page = _page.render_report(make_outcome(data, ("knn",), error_rate=0.9))
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202e\ud800-\udfff]", page)
    assert "<b>&amp;" not in page
    page.encode("utf-8")


BACKENDS = ["module://no.such.backend", "nonsense", "tkagg"]


@pytest.mark.process
@pytest.mark.parametrize("backend", BACKENDS)
def test_figures_need_no_backend(backend: str, tmp_path: Path) -> None:
    """Neither a notebook's missing backend nor one with windows and no display; pyplot is not imported."""
    code = """
import sys, warnings
warnings.simplefilter("error")
import numpy as np
from fastcls import display
from fastcls.cli.report._figures import draw
confused = lambda: display.plot_confusion([0, 1], [0, 1], class_names=["a", "b"])
draw(confused, "a drawing")
for shown in (display.LossHistoryDisplay([2.0, 1.0]), display.FoldsDisplay.from_labels(np.arange(20) % 2, cv=2)):
    assert shown.plot()._repr_png_()
confused().figure_.savefig(sys.argv[1])
assert "matplotlib.pyplot" not in sys.modules
"""
    root = Path(display.__file__).parents[2]

    env = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    env |= {"MPLBACKEND": backend, "PYTHONPATH": str(root)}
    words = [sys.executable, "-P", "-c", code, str(tmp_path / "figure.png")]
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr

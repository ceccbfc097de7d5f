"""The report's picture of the folds."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="the report needs matplotlib (the extra 'run')")
pytest.importorskip("jinja2", reason="the report needs jinja2 (the extra 'run')")

from fastcls.cli.report._page import render_report

sys.path.insert(0, str(Path(__file__).parent))
from _outcomes import digits, make_outcome
from test_report import section, words


def test_the_folds_are_drawn_beside_the_curve_with_the_accuracy_of_each() -> None:
    outcome = make_outcome(digits(), ("knn",))
    text = section(render_report(outcome), "choices")
    assert text.count('<svg class="figure"') == 2
    drawn = words(text[text.index("which rows train") :])
    selection = outcome.selection
    for share in selection.fold_accuracy["l1"][list(selection.ks).index(3)]:
        assert f"{100 * share:.1f} %" in drawn
    assert "360 rows," in drawn
    assert f"{len(digits().X):,} training rows" in drawn
    alone = make_outcome(digits(), ("knn",))
    alone.selection.n_left_out = len(digits().X)
    assert section(render_report(alone), "choices").count('<svg class="figure"') == 1

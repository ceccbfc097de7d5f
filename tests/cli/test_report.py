"""report.html: whole, self-contained, escaped, and drawn by a real browser."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="the report needs matplotlib (the extra 'run')")
pytest.importorskip("jinja2", reason="the report needs jinja2 (the extra 'run')")
pytest.importorskip("PIL", reason="the report needs pillow (the extra 'run')")

from _outcomes import MODELS, compare, digits, make_outcome, random_data
from _page import section, words

from fastcls._sampling.proportion import wilson_interval
from fastcls.cli._folder import _OUR_REPORT
from fastcls.cli._table import closing_lines
from fastcls.cli.report._errors import worst_pairs
from fastcls.cli.report._page import render_report, write_report
from fastcls.cli.report._render import POLICY

NAMES = {"knn": "k-NN", "random_search": "random search", "svm": "SVM", "softmax": "softmax"}
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)

#: kind of data -> its data set
KINDS = {
    "grey images": digits,
    "colour images": lambda: random_data(3, (6, 5, 3)),
    "embeddings, 58 classes": lambda: random_data(58, n=580),
    "two classes": lambda: random_data(2, n_features=3),
}
FEWER = {"embeddings, 58 classes": ("knn", "svm")}  # a table of 58 classes takes a second for each model


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of words: figures are not drawn, which takes most of the time."""
    for module in ("_sections", "_errors"):
        monkeypatch.setattr(f"fastcls.cli.report.{module}.draw", lambda plot, description: "")


@cache
def page(kind: str) -> str:
    return render_report(make_outcome(KINDS[kind](), FEWER.get(kind, MODELS)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_makes_no_requests_and_runs_no_script(kind: str) -> None:
    text = page(kind)
    assert f'http-equiv="Content-Security-Policy" content="{POLICY}"' in html.unescape(text)
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in POLICY
    for attribute in ("src", "href", "action", "data", "poster", "srcset"):
        for target in re.findall(rf'[\s:]{attribute}="([^"]*)"', text):
            own = target in ("data:,", "errors.csv") and attribute == "href"
            assert target.startswith(("data:image/png;base64,", "#")) or own, (attribute, target)
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", text))
    without_pixels = re.sub(r"base64,[\w+/=\s]+", "", text)  # base64 may spell anything
    assert not re.search(r"https?:|//|@import|<script|<iframe|<object|<embed|javascript:", without_pixels, re.I)
    assert not re.search(r"<[^>]*\son[a-z]+\s*=", text)


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_says_who_made_it_where_force_looks_for_it(kind: str) -> None:
    assert _OUR_REPORT in page(kind).encode()[:4096]


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_is_small_and_its_ids_are_unique(kind: str) -> None:
    text = page(kind)
    assert len(text.encode()) < 3_000_000
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', text)) <= set(ids)


def test_large_images_do_not_make_a_heavy_page() -> None:
    data = random_data(3, (160, 150, 3), n=60)
    text = render_report(make_outcome(data, ("knn", "random_search")))
    assert 100_000 < len(text.encode()) < 4_000_000


HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "]]></style>--><b>", "{{ 7 * 7 }}")


def test_names_from_data_are_escaped_everywhere() -> None:
    data = random_data(len(HOSTILE), (4, 4, 1))
    data.class_names = HOSTILE
    data.name = "".join(HOSTILE)
    outcome = make_outcome(data, ("knn", "svm"))
    outcome.notes += HOSTILE
    outcome.results["environment"] = dict(zip(HOSTILE, HOSTILE, strict=True))
    text = render_report(outcome)
    assert not re.search(r"<script|<img src=x|<b>|\]\]></style", text)
    # each is shown as what it is: in the title, as a note, in the environment and in the table of confusions
    said = words(text)
    for name in HOSTILE:
        assert said.count(name) >= 6, name
        assert html.unescape(section(text, "errors")).count(f">{name}<") >= 2, name


def test_names_that_are_not_text_are_shown_and_written(tmp_path: Path) -> None:
    data = random_data(3, (4, 4, 1))
    data.class_names = ("\udcff\x1b[31m", "\u202eevil", "名前")
    data.name = "\udcff"
    path = tmp_path / "report.html"
    write_report(make_outcome(data, ("knn",)), path)
    text = path.read_text(encoding="utf-8")
    assert not any(bad in text for bad in "\x1b\u202e")
    assert "名前" in text
    assert "\ufffd[31m" in text


@pytest.mark.parametrize("kind", KINDS)
def test_the_summary_has_each_model_once_with_its_figures(kind: str) -> None:
    outcome = make_outcome(KINDS[kind](), FEWER.get(kind, MODELS))
    rows = re.findall(r"<tr.*?</tr>", section(page(kind), "summary").split("</table>")[0], re.S)[1:]
    assert len(rows) == len(FEWER.get(kind, MODELS)) + 1
    rows.pop()  # the most frequent class
    for row, (name, entry) in zip(map(words, rows), outcome.results["models"].items(), strict=True):
        low, high = entry["test_accuracy_interval"]
        assert row.startswith(NAMES[name])
        assert f"{100 * entry['test_accuracy']:.2f} %" in row
        assert f"{100 * low:.1f} to {100 * high:.1f} %" in row
        assert f"{entry['test_errors']:,} of {outcome.results['n_test']:,}" in row
        assert "12.3 ms" in row
        assert "1.5 s" in row


def right_on(outcome: Any, **wrong: range) -> Any:
    """The outcome with each model wrong on the given test rows, everything else made to fit."""
    truth = outcome.dataset.y_test
    n = len(truth)
    for name, rows in wrong.items():
        said = truth.copy()
        said[list(rows)] = (said[list(rows)] + 1) % len(outcome.dataset.class_names)
        outcome.predictions[name] = said
        errors = len(rows)
        outcome.results["models"][name] |= {
            "test_errors": errors,
            "test_accuracy": 1 - errors / n,
            "test_accuracy_interval": list(wilson_interval(n - errors, n)),
        }
    compare(outcome)
    return outcome


@pytest.mark.usefixtures("undrawn")
def test_the_verdict_names_the_best_model_and_those_that_do_not_differ_significantly() -> None:
    outcome = right_on(make_outcome(digits()), softmax=range(5), svm=range(3, 11), knn=range(30), random_search=range(300))
    said = words(render_report(outcome))
    assert "softmax (alpha = 0.001) makes the fewest errors: test accuracy 98.61 %" in said
    assert "; 5\u00a0errors on 360\u00a0test rows). SVM is not significantly worse." in render_report(outcome)
    assert closing_lines(outcome.results, Path("nowhere"), "digits")[1].endswith(" (SVM not significantly worse)")
    # 3 rows that only SVM gets right against 6: p = 0.51; 25 rows against none of k-NN: p = 6e-8, though the intervals
    # of accuracy, 96.8 to 99.4 % and 88.3 to 94.1 %, are as far apart as those of two separate samples
    assert "Best model" not in said
    rows = [words(row) for row in re.findall(r"<tr>.*?</tr>", section(render_report(outcome), "summary"), re.S)]
    assert "softmax and SVM 6 3 0.51 not significant" in rows
    assert "softmax and k-NN 25 0 < 0.0001 significant" in rows


@pytest.mark.usefixtures("undrawn")
def test_a_difference_can_be_significant_although_the_intervals_overlap() -> None:
    outcome = right_on(make_outcome(digits(), ("knn", "svm")), knn=range(20), svm=range(32))
    low, high = (outcome.results["models"][name]["test_accuracy_interval"] for name in ("svm", "knn"))
    assert low[1] > high[0]  # the intervals overlap
    said = words(render_report(outcome))
    assert "differ significantly" not in said
    assert "k-NN and SVM 12 0 0.00049 significant" in said


@pytest.mark.usefixtures("undrawn")
def test_a_tie_is_reported_as_a_tie() -> None:
    outcome = right_on(make_outcome(digits()), knn=range(6), svm=range(10, 16), softmax=range(9), random_search=range(300))
    text = render_report(outcome)
    tie = "k-NN (L1, k = 3) and SVM (alpha = 0.001) make the fewest errors: test accuracy "
    assert tie in words(text)
    assert "softmax is not significantly worse." in words(text)
    assert section(text, "summary").count('class="tag">fewest errors') == 2
    assert "best on the test set" not in text


@pytest.mark.usefixtures("undrawn")
def test_the_majority_class_is_the_last_line_and_a_model_that_is_no_better_is_reported() -> None:
    outcome = make_outcome(digits())
    outcome.results["baseline"] |= {"test_errors": 324, "test_accuracy": 0.1, "class_name": "<b>"}
    text = render_report(outcome)
    rows = [words(row) for row in re.findall(r"<tr.*?</tr>", section(text, "summary"), re.S)]
    (line,) = [row for row in rows if row.startswith("majority class")]
    assert line.startswith("majority class always <b> – 10.00 %")
    assert "324 of 360" in line
    assert "No model is better" not in text
    outcome.results["baseline"] |= {"test_errors": 0}
    assert "than always predicting the majority class: are rows and labels in the same order?" in render_report(outcome)


@pytest.mark.usefixtures("undrawn")
def test_the_origin_of_the_test_rows_and_a_limit_are_shown() -> None:
    outcome = make_outcome(digits())
    assert "360 test rows (held out, in proportion to the classes)" in words(render_report(outcome))
    assert "--limit" not in words(render_report(outcome))
    outcome.results |= {"test_set": "own", "limit": 5000}
    said = words(render_report(outcome))
    assert "360 test rows (the test set of the data)" in said
    assert "at most 5,000 rows of each were used (--limit)" in said


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("kept", [("knn",), ("svm",), ("random_search", "softmax"), ()])
def test_a_model_that_was_not_run_is_absent(kept: tuple[str, ...]) -> None:
    text = render_report(make_outcome(digits(), kept))
    shown = " ".join(words(section(text, part)) for part in ("summary", "choices", "figures", "errors", "gradients"))
    always = "the mean over the folds for k-NN, the accuracy on held-out training rows for SVM and softmax"
    shown = shown.replace(always, "")
    for name, title in NAMES.items():
        assert (title in shown) is (name in kept), title
    assert ("No model was evaluated" in text) is (not kept)


def test_data_without_an_image_shape_has_no_pictures_and_says_so() -> None:
    text = page("embeddings, 58 classes")
    assert words(text).count("no image shape") == 1
    assert "template" not in words(section(text, "figures")).lower()
    assert "nearest training images" not in words(text)
    assert "<img" not in text
    assert section(text, "errors")


@pytest.mark.parametrize("kind", ["grey images", "colour images"])
def test_images_are_shown_as_neighbors_templates_and_confusions(kind: str) -> None:
    text = page(kind)
    shown = section(text, "figures")
    titles = re.findall(r"<h3>(.*?)</h3>", shown)
    assert titles == [
        "k-NN: nearest training images",
        "random search: templates",
        "SVM: templates",
        "softmax: templates",
        "SVM: loss during training",
        "softmax: loss during training",
    ]
    assert shown.count('<svg class="figure"') == len(titles)
    assert shown.count("data:image/png") >= 3 * len(digits().class_names) if kind == "grey images" else True
    assert section(text, "errors").count("<img") >= 4


def test_worst_confusions_are_the_most_frequent_ones_in_order() -> None:
    truth = np.array([0, 0, 0, 1, 1, 1, 1, 2])
    said = np.array([1, 1, 0, 2, 2, 2, 0, 2])
    assert worst_pairs(truth, said) == [(1, 2, 3), (0, 1, 2), (1, 0, 1)]
    assert worst_pairs(truth, truth) == []


def test_a_model_without_errors_has_nothing_to_show() -> None:
    outcome = make_outcome(digits(), ("knn",), error_rate=0.0)
    text = section(render_report(outcome), "errors")
    assert "k-NN: no errors on 360 test rows" in words(text)
    assert "<svg" not in text


def test_choices_name_the_chosen_setting_and_the_candidates() -> None:
    text = section(page("grey images"), "choices")
    said = words(text)
    assert re.search(
        r"k = 3 under L1 has the highest mean accuracy of 48 pairs of k and metric: 9\d\.\d\d % over 5 folds", said
    )
    assert "1,000 random weight matrices W were tried" in said
    assert text.count('class="tag">chosen') == text.count("accuracy of SVM on training") + 1 == 2  # SVM and softmax
    chosen = re.findall(r'<tr class="best">.*?</tr>', text, re.S)
    assert [words(row).split()[:2] for row in chosen] == [["chosen", "0.001"]] * 2


def test_a_single_k_needs_no_curve() -> None:
    outcome = make_outcome(digits(), ("knn",))
    rows = np.full((1, 5), 0.9)
    outcome.selection = SimpleNamespace(
        ks=np.array([1]),
        metrics=("l2",),
        fold_accuracy={"l2": rows},
        best_metric="l2",
        best_k=1,
        n_left_out=None,
        mean=lambda m: rows.mean(1),
        std=lambda m: rows.std(1),
    )
    text = section(render_report(outcome), "choices")
    assert "Only k = 1 under L2 was tried: mean accuracy 90.00 % over 5 folds." in words(text)
    assert "<svg" not in text


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("error", "said"), [(3e-9, "SVM: agrees."), (3e-4, "SVM: differs too much.")])
def test_the_gradient_check_is_reported_as_it_came_out(error: float, said: str) -> None:
    outcome = make_outcome(digits(), ("svm",))
    outcome.results["models"]["svm"]["gradient_check_max_relative_error"] = error
    line = words(section(render_report(outcome), "gradients"))
    assert said in line
    assert f"{error:.1e}" in line


@pytest.mark.usefixtures("undrawn")
def test_use_of_the_test_set_is_counted_and_a_second_evaluation_is_reported() -> None:
    outcome = make_outcome(digits())
    assert "used 4 times: once for each of the 4 models" in words(render_report(outcome))
    outcome.results["test_evaluations"] = 7
    assert "used 7 times for 4 models" in words(render_report(outcome))
    assert "used once" in words(render_report(make_outcome(digits(), ("knn",))))


@pytest.mark.usefixtures("undrawn")
def test_the_command_and_the_environment_are_there() -> None:
    outcome = make_outcome(digits(), ("knn",))
    outcome.results["command"] = "fastcls run 'my data' --ks 1,3"
    text = render_report(outcome)
    assert "Repeat this run fastcls run 'my data' --ks 1,3 Run it in the same folder" in words(section(text, "command"))
    outcome.results["command"] += " --force"
    assert words(section(render_report(outcome), "command")).endswith("fastcls run 'my data' --ks 1,3 --force")
    shown = words(section(text, "environment"))
    assert "cpus usable 2" in shown
    assert "omp num threads" not in shown  # not set, not shown


def test_the_same_outcome_gives_the_same_page() -> None:
    assert render_report(make_outcome(KINDS["two classes"]())) == page("two classes")


def test_drawing_leaves_settings_of_matplotlib_alone() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    render_report(make_outcome(KINDS["two classes"](), ("knn",)))
    assert dict(mpl.rcParams) == before


@pytest.mark.usefixtures("undrawn")
def test_an_interrupted_write_leaves_the_old_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_report(make_outcome(KINDS["two classes"](), ("knn",)), path)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


# in a browser -------------------------------------------------------------------------------------------------------


def browse(tmp_path: Path, *options: str) -> str:
    assert BROWSER is not None
    always = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={tmp_path}/profile")
    done = subprocess.run([BROWSER, *always, *options], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


PROBE = """
() => {
  const all = s => [...document.querySelectorAll(s)];
  all("details").forEach(d => d.open = true);
  const sized = all("svg.figure").map(f => f.getBoundingClientRect());
  const sticks = e => !e.closest(".scroll, svg, thead") && e.getBoundingClientRect().right > innerWidth + 1;
  const cut = e => e.scrollWidth > e.parentElement.clientWidth + 1;
  return {
    images: all("img").length, loaded: all("img").filter(i => i.naturalWidth > 0).length,
    figures: sized.length, drawn: sized.filter(b => b.width > 100 && b.height > 100).length,
    requests: performance.getEntriesByType("resource").filter(e => !e.name.startsWith("data:")).length,
    wide: document.documentElement.scrollWidth > innerWidth,
    sticking: all("body *").filter(sticks).map(e => e.outerHTML.slice(0, 80)),
    half: all("svg.figure").filter(f => f.getBoundingClientRect().width > f.closest(".scroll").clientWidth + 1).length,
    tables: all("table").length, cut: all("table").filter(cut).map(t => t.outerHTML.slice(0, 80)),
    contents: all("nav a").every(a => document.querySelector(a.getAttribute("href")) !== null),
  };
}
"""


@pytest.fixture(scope="module")
def chromium() -> Any:
    pytest.importorskip("playwright", reason="playwright is not installed to drive a browser")
    sys.path.append(str(Path(__file__).resolve().parents[2]))  # last: the fastcls under test may be an installed one
    started = pytest.importorskip("bench.browser", reason="the folder bench is missing").browser
    with started() as found:
        yield found


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="no chromium found to open the page in")
@pytest.mark.parametrize("kind", ["colour images", "embeddings, 58 classes"])
def test_a_browser_shows_every_figure_and_table_whole_at_any_width(kind: str, chromium: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page(kind), encoding="utf-8")
    tab = chromium.new_page()
    tab.goto(path.as_uri())
    for width in (1280, 1024, 768, 390):
        tab.set_viewport_size({"width": width, "height": 900})
        found = tab.evaluate(PROBE)
        assert found["loaded"] == found["images"]
        assert found["images"] > 0 or kind.startswith("embeddings")
        assert found["drawn"] == found["figures"] >= 5
        assert found["requests"] == 0
        assert (found["wide"], found["sticking"], found["cut"]) == (False, [], []), width
        assert (found["half"], found["tables"] > 0) == (0, True), width
        assert found["contents"]
    tab.close()


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="no chromium found to open the page in")
def test_the_policy_stops_a_script_in_a_browser(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    script = '<script>document.title = "it ran"</script>'
    path.write_text(page("two classes").replace("</body>", script + "</body>"), encoding="utf-8")
    title = re.search(r"<title>(.*?)</title>", browse(tmp_path, "--dump-dom", path.as_uri()))
    assert title is not None
    assert title[1] == "random: classifier comparison"


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="no chromium found to open the page in")
def test_closed_parts_are_printed_open(tmp_path: Path) -> None:
    shown = page("colour images")
    assert shown.count("<details>") >= 2
    pages = []
    for name, text in (("closed", shown), ("open", shown.replace("<details>", "<details open>"))):
        path, paper = tmp_path / f"{name}.html", tmp_path / f"{name}.pdf"
        path.write_text(text, encoding="utf-8")
        browse(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={paper}", path.as_uri())
        pages.append(len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes())))
    assert pages[0] == pages[1] > 1


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="no chromium found to open the page in")
def test_light_and_dark_pages_differ_and_neither_is_blank(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "report.html"
    path.write_text(page("colour images"), encoding="utf-8")
    means = []
    for scheme in (0, 1):  # Chromium's numbers for dark and light
        shot = tmp_path / f"{scheme}.png"
        browse(
            tmp_path,
            f"--blink-settings=preferredColorScheme={scheme}",
            "--window-size=700,1400",
            f"--screenshot={shot}",
            path.as_uri(),
        )
        pixels = np.asarray(Image.open(shot).convert("RGB"))
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 500
        means.append(pixels.mean())
    assert means[0] < 90
    assert means[1] > 200


def test_the_lectures_figures_are_drawn_from_the_runs_data_without_a_test_label() -> None:
    from fastcls.cli.report._lecture import lecture

    outcome = make_outcome(digits())
    names = [item["name"] for item in lecture(outcome)]
    assert "The folds of the cross-validation" in names
    assert any("loss along a line" in name for name in names)
    assert {"The curse of dimensionality", "Equal distances, different changes"} <= set(names)
    assert any(name.startswith("Challenges") for name in names)
    hidden = make_outcome(digits())
    hidden.dataset = SimpleNamespace(**{**vars(hidden.dataset), "y_test": None})
    assert [item["name"] for item in lecture(hidden)] == names


@pytest.mark.usefixtures("undrawn")
def test_other_numbers_have_values_and_intervals() -> None:
    outcome = make_outcome(KINDS["grey images"]())
    assert "Other numbers" not in render_report(outcome)  # results of a run that had none
    entry = outcome.results["models"]["softmax"]
    entry["test_numbers"] = {
        "macro_f1": {"value": 0.8765, "interval": [0.81, 0.93]},
        "log_loss": {"value": 0.4321, "interval": [0.4, 0.5]},
    }
    table = section(render_report(outcome), "summary").split("Other numbers")[1].split("</table>")[0]
    (row,) = re.findall(r"<tr.*?</tr>", table, re.S)[1:]
    assert words(row).startswith(NAMES["softmax"])
    assert "87.65 % 81.0 to 93.0" in words(row)
    assert "0.432 0.400 to 0.500" in words(row)
    assert words(row).count("–") == 4  # numbers that this model does not have

"""Both demos in a browser, served and exported: every control, a drag, white ties, votes, training steps."""

import itertools
import re

import numpy as np
import pytest
from _demo_pages import (
    L1,
    L2,
    NEEDS_BROWSER,
    SCORES,
    WHITE,
    check_picture,
    knn_of,
    linear_of,
    pages_of_module,
    slide,
    text_of,
    until,
)

from fastcls.demo import _knn, _linear
from fastcls.demo._knn import KnnState
from fastcls.demo._linear import LOSSES, LinearState

pytestmark = [*NEEDS_BROWSER, pytest.mark.parametrize("engine", ["server", "local"])]
all_pages = pytest.fixture(scope="module")(pages_of_module)

#: a wait for the next frame, by which time the page has heard what was sent
FRAME = "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"


@pytest.fixture
def opened(all_pages, engine):
    """A function that opens a demo."""
    yield lambda demo, state=None, width=1280: all_pages.open(engine, demo, state, width)
    all_pages.check()


def test_every_control_of_the_knn_demo_changes_its_state(opened):
    demo = opened("knn")
    page = demo.page
    page.get_by_label("Distance").select_option("both")
    page.get_by_label("Weight of a vote").select_option("distance")
    slide(demo, "K (neighbours)")
    slide(demo, "Classes")
    slide(demo, "Points")
    state = knn_of(demo)
    assert (state.metric, state.weights, state.k, state.classes, len(state.points)) == ("both", "distance", 6, 4, 61)
    page.get_by_role("button", name="Random points").click()
    assert knn_of(demo).seed == 1
    check_picture(demo)
    for preset in (*list(_knn.PRESETS)[1:], "random"):
        page.get_by_label("Source of the points").select_option(preset)
        assert knn_of(demo).preset == preset
        check_picture(demo)
    page.get_by_label("Its x").fill("1.5")
    page.get_by_label("Its x").press("Enter")
    assert knn_of(demo).points[0, 0] == 150
    page.get_by_role("button", name="Reset").click()
    assert (knn_of(demo).k, knn_of(demo).metric) == (5, "l2")
    check_picture(demo)


def test_the_regions_follow_while_a_point_is_dragged(opened):
    demo = opened("knn", "k=1&classes=2&points=-100,0,0;200,0,1")
    before = text_of(demo)
    mouse = demo.page.mouse
    assert demo.pixel(L2, 0.25, 2.01) == 0
    mouse.move(*demo.at(L2, -1, 0))
    mouse.down()
    mouse.move(*demo.at(L2, -2, 0), steps=5)
    until(lambda: demo.pixel(L2, 0.25, 2.01), lambda code: code == 1)  # the button is still down
    mouse.move(*demo.at(L2, -0.5, 0), steps=5)
    until(lambda: demo.pixel(L2, 0.25, 2.01), lambda code: code == 0)
    assert text_of(demo) == before  # updated when the button goes up
    mouse.up()
    x, y = knn_of(demo).points[0]
    assert abs(x + 50) <= 1
    assert abs(y) <= 1
    check_picture(demo)


def test_a_quick_drag_moves_the_point_where_the_button_went_down(opened):
    demo = opened("knn", "k=1&classes=2&points=-100,0,0;200,0,1")
    mouse = demo.page.mouse
    mouse.move(*demo.at(L2, -1, 0))
    mouse.down()
    mouse.move(*demo.at(L2, -1, 2.5))
    mouse.up()
    assert abs(knn_of(demo).points[0, 1] - 250) <= 1
    mouse.move(*demo.at(L2, 0, 0))  # nothing is in the hand any more
    assert abs(knn_of(demo).points[0, 1] - 250) <= 1


@pytest.mark.parametrize("demo_name", ["knn", "linear"])
def test_a_finger_drags_a_point_and_scrolls_elsewhere(opened, demo_name):
    demo = opened(demo_name, "classes=2&points=-100,0,0;200,0,1" + ("&k=1" if demo_name == "knn" else ""), width=390)
    title = L2 if demo_name == "knn" else SCORES
    session = demo.page.context.new_cdp_session(demo.page)

    def touch(kind, *place):
        points = [{"x": place[0], "y": place[1]}] if place else []
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        demo.page.evaluate(FRAME)

    def stroke(places):
        touch("touchStart", *places[0])
        for place in places[1:]:
            touch("touchMove", *place)

    stroke([demo.at(title, x, x / 4) for x in np.linspace(-1, -2, 6)])
    if demo_name == "knn":
        until(lambda: demo.pixel(L2, 0.25, 2.01), lambda code: code == 1)  # while the finger is down
    assert demo.page.evaluate("scrollY") == 0
    touch("touchEnd")
    state = knn_of(demo) if demo_name == "knn" else linear_of(demo)
    assert abs(state.points[0] - (-200, -50)).max() <= 2
    check_picture(demo)
    stroke([demo.at(title, 0, y) for y in np.linspace(-2, 2.5, 12)])  # no point is near
    touch("touchEnd")
    until(lambda: demo.page.evaluate("scrollY"), lambda scrolled: scrolled > 50)
    after = knn_of(demo) if demo_name == "knn" else linear_of(demo)
    np.testing.assert_array_equal(after.points, state.points)


def test_known_ties_are_white(opened):
    demo = opened("knn", "k=2&classes=2&points=-100,0,0;100,0,1&metric=both")
    for title in (L1, L2):
        assert (demo.painted(title) == WHITE).all()
    assert demo.page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--tie')") == "#ffffff"
    slide(demo, "K (neighbours)", "ArrowLeft")
    demo.settle()
    for title in (L1, L2):
        assert (demo.pixel(title, -2.51, -2.51), demo.pixel(title, 2.51, 0.51)) == (0, 1)


def test_pointing_draws_the_lines_and_shows_the_vote(opened):
    demo = opened("knn", "k=3&classes=2&points=-100,0,0;100,0,1;100,50,1;-290,-290,0")
    demo.page.mouse.move(*demo.at(L2, 0, 1))
    said = demo.page.get_by_text("the 3 nearest vote")
    said.wait_for(timeout=5000)
    assert "blue 1, orange 2. Result: orange" in said.inner_text()
    lines = "[...document.querySelectorAll('line.vote')]"
    ends = lines + ".map((line) => [line.getAttribute('x2'), line.getAttribute('y2')].join())"
    assert sorted(demo.page.evaluate(ends)) == ["-100,0", "100,-50", "100,0"]
    demo.page.mouse.move(5, 5)
    until(lambda: demo.page.evaluate(ends), lambda found: found == [])


def test_a_tie_everywhere_is_said_in_the_plane(opened):
    demo = opened("knn", "k=2&classes=2&points=-100,0,0;100,0,1&metric=both")
    said = demo.page.locator(".all-tied:visible")
    assert said.all_inner_texts() == 2 * ["a tie everywhere: equal votes"]
    slide(demo, "K (neighbours)", "ArrowLeft")
    demo.settle()
    assert said.count() == 0
    demo = opened("linear", "W=0,0,0,0,0,0,0,0,0")
    assert demo.page.locator(".all-tied:visible").all_inner_texts() == ["a tie everywhere: equal scores"]


def test_a_tapped_point_shows_its_vote_and_the_vote_is_next_to_its_plane_on_a_phone(opened):
    demo = opened("knn", "k=1&classes=2&points=-100,0,0;100,0,1&metric=both", width=390)
    where = demo.at(L1, -1, 0)
    places = "['.plane', '.vote', '.plane ~ .plane', '.side'].map((one) => document.querySelector(one))"
    tops = demo.page.evaluate(places + ".map((one) => one.getBoundingClientRect().top)")
    assert tops[0] < tops[2] < tops[1] < tops[3]  # the hint, which is for both planes, is below them
    demo.page.mouse.move(*where)
    demo.page.mouse.down()
    demo.page.mouse.up()
    said = demo.page.get_by_text("the 1 nearest vote")
    said.first.wait_for(timeout=5000)
    assert said.all_inner_texts()[0].startswith("L1 at (-1.00, 0.00): the 1 nearest vote blue 1. Result: blue.")
    tops = demo.page.evaluate(places + ".map((one) => one.getBoundingClientRect().top)")
    assert tops == sorted(tops)


def test_words_fit_a_finger_or_a_mouse(opened):
    demo = opened("knn")
    assert "Point at the plane" in demo.page.locator(".vote").inner_text()
    session = demo.page.context.new_cdp_session(demo.page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    session.send("Emulation.setEmulatedMedia", {"features": [{"name": "hover", "value": "none"}]})
    demo.page.reload()
    until(lambda: demo.page.locator(".vote").inner_text(), lambda text: text.startswith("Tap the plane"))
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": False})
    session.send("Emulation.setEmulatedMedia", {"features": []})


def test_the_accuracies_fill_their_chart(opened):
    demo = opened("knn", "metric=both")
    state = knn_of(demo)
    said = demo.page.get_by_role("img", name="Leave-one-out").get_attribute("aria-label")
    heights = []
    for metric in ("l1", "l2"):
        shares = _knn.accuracies(state, metric)
        assert f"{metric.upper()}: K = 1: {100 * shares[0]:.0f} %" in said
        dots = demo.page.evaluate(f"[...document.querySelectorAll('circle.{metric}')].map((dot) => +dot.getAttribute('cy'))")
        assert len(dots) == 15
        slope = np.polyfit(shares, dots, 1)
        np.testing.assert_allclose(np.polyval(slope, shares), dots, atol=0.2)
        heights += dots
    assert np.ptp(heights) > 0.35 * demo.page.get_by_role("img", name="Leave-one-out").bounding_box()["height"]


def test_equal_curves_are_both_seen_and_no_label_is_above_100_percent(opened):
    demo = opened("knn", "metric=both&classes=2&points=" + ";".join(f"{x},0,{int(x > 0)}" for x in range(-290, 300, 20)))
    shapes = "[...document.querySelectorAll('svg.chart polyline, svg.chart circle')]"
    demo.settle()
    until(lambda: demo.page.evaluate(f"{shapes}.length"), lambda n: n == 2 + 30)
    styles = demo.page.evaluate(shapes + ".map((one) => [one.tagName, one.getAttribute('class')].join(' '))")
    assert styles.index("polyline l2") < styles.index("polyline l1")  # the later one is on top, and has gaps
    assert demo.page.evaluate("getComputedStyle(document.querySelector('polyline.l1')).strokeDasharray") != "none"
    curves = {metric: demo.page.locator(f"polyline.{metric}").get_attribute("points").split() for metric in ("l1", "l2")}
    assert curves["l1"] == curves["l2"]
    radii = [demo.page.evaluate(f"+document.querySelector('circle.{metric}').getAttribute('r')") for metric in ("l1", "l2")]
    assert 0 < radii[0] < 0.8 * radii[1]
    labels = demo.page.locator("svg.chart text").all_text_contents()
    percents = [float(label.removesuffix(" %")) for label in labels if label.endswith(" %")]
    assert max(percents) == 100
    top = demo.page.evaluate(
        "Math.min(...[...document.querySelectorAll('circle')].map((dot) => dot.cy.baseVal.value - dot.r.baseVal.value))"
    )
    assert top >= 0  # dots at 100 % are whole


def test_copy_as_command_copies_the_command(opened):
    demo = opened("knn", "k=4")
    demo.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    demo.page.get_by_role("button", name="Copy as command").click()
    demo.page.get_by_role("button", name="Copied").wait_for(timeout=5000)
    assert demo.page.evaluate("navigator.clipboard.readText()") == f"fastcls demo knn --state '{text_of(demo)}'"


@pytest.mark.parametrize("demo_name", ["knn", "linear"])
def test_save_as_page_gives_a_page_of_this_state_that_computes_by_itself(opened, demo_name, tmp_path):
    demo = opened(demo_name, "classes=2&preset=ring")
    if demo_name == "knn":
        slide(demo, "K (neighbours)")
    else:
        demo.page.get_by_role("button", name="Single step").click()
        until(lambda: sums(demo)["steps taken"], lambda steps: steps == 1)
    with demo.page.expect_download() as saved:
        demo.page.get_by_role("button", name="Save as page").click()
    saved.value.save_as(tmp_path / "saved.html")
    page = demo.page.context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text))
    page.goto((tmp_path / "saved.html").as_uri())
    shown = page.get_by_label("Command to show this state again").input_value().split("'")[1]
    assert page.evaluate("window.fastcls.engine.constructor.name") == "LocalEngine"
    page.close()
    assert shown == text_of(demo)
    assert errors == []


def sums(demo):
    """The sums on the page: by their names; the points with the right class as a number."""
    demo.settle()
    rows = demo.page.locator("table.sums tr").evaluate_all(
        "(rows) => rows.map((r) => [...r.cells].map((c) => c.textContent))"
    )
    return {name.split(",")[0]: float(value.split(" ")[0]) for name, value in rows}


def test_one_step_lowers_the_shown_loss_by_what_the_library_computes(opened):
    demo = opened("linear")
    for loss in LOSSES:
        demo.page.get_by_role("button", name="Reset").click()
        demo.page.get_by_label("Loss", exact=True).select_option(loss)
        state = linear_of(demo)
        before = _linear.losses(state)
        shown = sums(demo)
        expected = [before.data, before.penalty, before.total]
        assert [shown[name] for name in ("data loss (mean over the points)", "penalty", "full loss")] == pytest.approx(
            expected, rel=1e-5
        )
        right = (before.scores.argmax(axis=1) == state.codes).sum()
        assert shown["points with the right class"] == right
        demo.page.get_by_role("button", name="Single step").click()
        until(lambda: sums(demo)["steps taken"], lambda steps: steps == 1)
        after = linear_of(demo)
        np.testing.assert_allclose(after.W, state.W - state.step * before.gradient, rtol=1e-12, atol=1e-14)
        lowered = before.total - _linear.losses(after).total
        assert lowered > 1e-3
        assert shown["full loss"] - sums(demo)["full loss"] == pytest.approx(lowered, abs=1e-5 * before.total)
        check_picture(demo)


def test_every_control_of_the_linear_demo_changes_its_state(opened):
    demo = opened("linear")
    page = demo.page
    for loss in LOSSES:
        page.get_by_label("Loss", exact=True).select_option(loss)
        assert linear_of(demo).loss == loss
    slide(demo, "Penalty")
    slide(demo, "Step size", "ArrowLeft")
    assert (linear_of(demo).alpha, linear_of(demo).step) == (0.11, pytest.approx(10**-1.1, rel=1e-2))
    page.get_by_label("w1 blue").fill("1.25")
    page.get_by_label("w1 blue").press("Enter")
    assert linear_of(demo).W[0, 0] == 1.25
    page.get_by_label("w1 blue").fill("1e9")
    page.get_by_label("w1 blue").press("Enter")
    page.get_by_text("was not taken").wait_for(timeout=5000)
    assert linear_of(demo).W[0, 0] == 1.25
    first = linear_of(demo)
    page.get_by_role("button", name="Randomise W, b").click()
    assert (linear_of(demo).W != first.W).all()
    np.testing.assert_array_equal(linear_of(demo).points, first.points)
    page.get_by_role("button", name="Random points").click()
    assert (linear_of(demo).points != first.points).any()
    page.get_by_role("button", name="W = 0, b = 0").click()
    demo.settle()
    assert (demo.painted(SCORES) == WHITE).all()
    page.get_by_text("the whole plane is a tie").wait_for(timeout=5000)
    slide(demo, "Classes")
    slide(demo, "Points")
    assert (linear_of(demo).classes, len(linear_of(demo).points)) == (4, 17)
    assert page.get_by_label("b pink").is_visible()
    for preset in (*list(_linear.PRESETS)[1:], "random"):
        page.get_by_label("Source of the points").select_option(preset)
        assert linear_of(demo).preset == preset
    page.get_by_role("button", name="Reset").click()
    assert (linear_of(demo).loss, linear_of(demo).classes) == ("hinge", 3)
    check_picture(demo)


def test_a_run_steps_until_it_is_stopped_and_draws_its_curve(opened):
    demo = opened("linear", "loss=softmax")
    page = demo.page
    page.get_by_role("button", name="Run").click()
    assert page.get_by_label("w1 blue").is_disabled()
    until(lambda: sums(demo)["steps taken"], lambda steps: steps >= 4)
    stop = page.get_by_role("button", name="Stop")
    stopped_at = stop.evaluate("(stop) => (stop.click(), window.fastcls.view.model.steps)")
    demo.settle()
    steps = sums(demo)["steps taken"]
    assert steps == stopped_at  # a step on its way when it was stopped is not taken
    page.get_by_role("button", name="Single step").click()
    until(lambda: sums(demo)["steps taken"], lambda found: found > steps)
    steps = int(sums(demo)["steps taken"])
    assert page.get_by_label("w1 blue").is_enabled()
    curve = page.evaluate("window.fastcls.view.model.curve")
    assert [value["step"] for value in curve] == list(range(steps + 1))
    assert all(later["total"] < earlier["total"] for earlier, later in itertools.pairwise(curve))
    points = page.evaluate("document.querySelector('polyline.total').getAttribute('points')").split()
    assert len(points) == steps + 1
    assert page.evaluate("document.querySelectorAll('polyline').length") == 2
    page.get_by_label("Loss", exact=True).select_option("hinge")  # other losses are not comparable
    demo.settle()
    assert page.evaluate("window.fastcls.view.model.curve") == []


#: answers of the engine wait until `release` is called
HOLD = """() => {
  const {engine} = window.fastcls, losses = engine.linearLosses.bind(engine)
  const held = new Promise((done) => { window.release = () => { engine.linearLosses = losses; done() } })
  window.asked = 0
  engine.linearLosses = async (state) => { window.asked += 1; const found = await losses(state); await held; return found }
}"""


def test_a_step_on_its_way_when_a_run_is_stopped_is_not_taken(opened):
    demo = opened("linear", "loss=softmax")
    demo.settle()
    demo.page.evaluate(HOLD)
    demo.page.get_by_role("button", name="Run").click()
    until(lambda: demo.page.evaluate("window.asked"), lambda asked: asked >= 1)
    demo.page.get_by_role("button", name="Stop").click()
    demo.page.evaluate("window.release()")
    demo.settle()
    assert sums(demo)["steps taken"] == 0
    assert demo.page.evaluate("window.fastcls.view.model.curve") == []


def test_the_table_has_every_point_and_softmax_its_probabilities(opened):
    demo = opened("linear", "loss=softmax&preset=parity")
    state = linear_of(demo)
    losses = _linear.losses(state)
    read = "(rows) => rows.map((row) => [...row.cells].map((cell) => [...cell.childNodes].map((part) => part.textContent)))"
    rows = demo.page.locator("table.points tbody tr").evaluate_all(read)
    assert len(rows) == 40
    shares = np.exp(losses.scores) / np.exp(losses.scores).sum(axis=1, keepdims=True)
    for i, (number, _, *scores, loss) in enumerate(rows):
        assert (number, loss) == ([str(i + 1)], [f"{losses.each[i]:.3f}"])
        shown = np.array(scores, dtype=float)
        np.testing.assert_allclose(shown[:, 0], losses.scores[i], atol=0.00501)
        np.testing.assert_allclose(shown[:, 1], shares[i], atol=0.000501)
    box = demo.page.get_by_role("region", name="Scores and losses").evaluate("(e) => [e.scrollHeight, e.clientHeight]")
    assert box[0] <= box[1]  # nothing is hidden below an edge
    demo.page.get_by_label("Loss", exact=True).select_option("hinge")
    demo.settle()
    assert demo.page.locator(".share").count() == 0


def test_a_point_of_the_linear_demo_is_dragged_and_its_loss_follows(opened):
    demo = opened("linear", "classes=2&W=1,0,0,-1,0,0&points=100,0,0;-200,0,1&alpha=0")
    mouse = demo.page.mouse
    assert sums(demo)["full loss"] == 0
    mouse.move(*demo.at(SCORES, 1, 0))
    mouse.down()
    mouse.move(*demo.at(SCORES, -1, 0), steps=6)
    # (0 + max(0, 1 + 1 + 1)) / 2, while it is held
    until(lambda: sums(demo)["full loss"], lambda loss: abs(loss - 1.5) < 0.05)
    mouse.up()


def test_lines_are_where_scores_are_0_and_arrows_climb(opened):
    state = LinearState.of_text("classes=2&W=1,0.5,0.25,-1,2,0&points=0,0,0;1,1,1")
    demo = opened("linear", state.text())
    for c, (w1, w2, b) in enumerate(state.W):
        path = demo.page.locator(f"path.line.class-{c}").get_attribute("d")
        numbers = np.array(re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", path), dtype=float).reshape(4, 2) * [0.01, -0.01]
        np.testing.assert_allclose(numbers[:3] @ (w1, w2) + b, 0, atol=1e-9)
        assert np.abs(numbers[:2]).max() == pytest.approx(3)
        assert numbers[3] @ (w1, w2) + b > 0


def test_a_step_size_far_too_large_is_reported(opened):
    demo = opened("linear", "step=10&alpha=1&loss=softmax")
    demo.page.get_by_role("button", name="Run").click()
    demo.page.get_by_text("far too large").wait_for(timeout=15_000)
    demo.page.get_by_role("button", name="Run").wait_for(timeout=5000)  # it has stopped by itself
    assert "nan" not in demo.page.locator("body").inner_text().lower().split()
    assert all(np.isfinite(list(sums(demo).values())))


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("k=15&points=0,0,0;10,10,1;20,0,2", "K is 15, but there are only 3 points"),
        ("points=0,0,0;10,10,0&k=1", "All points have the same class"),
        ("points=5,5,0;5,5,1;5,5,2", "Some points have the same position"),
        ("points=7,7,1", "K is 5, but there is only 1 point"),
        ("k=<b>99", "is not valid (k: wanted a whole number from 1 to 15); this is the initial state."),
        ("k=3&metric=<b>99", "is not valid (metric: wanted one of l1, l2, both);"),
        ("k=3&99=3", "is not valid (a part of it is not name=value with a name from metric, k, "),
        ("k=3&k=99", "is not valid (k is given twice);"),
        ("points=99,0", "is not valid (points: wanted 1 to 200, x,y,class;...);"),
        ("points=0,0,99", "is not valid (class of a point: wanted a whole number from 0 to 2);"),
        ("preset=parity&classes=4&seed=99", "is not valid (classes: wanted 2, as preset=parity draws points of 2 classes);"),
    ],
)
def test_unusual_states_are_reported(opened, text, note):
    demo = opened("knn", text)
    assert note in demo.page.get_by_role("status").first.inner_text()
    assert "99" not in demo.page.locator("body").inner_text()
    check_picture(demo)
    state = knn_of(demo)
    assert state.text() == (KnnState.of_text(text).text() if "99" not in text else state.text())

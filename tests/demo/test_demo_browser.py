"""Both demos in a browser: every control, a drag that the picture follows, white ties, a training step."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("playwright", reason="playwright is not installed to drive a browser")

from bokeh.document import Document

import fastcls.demo
from fastcls.demo._knn_state import CLASS_NAMES, KnnController, KnnState
from fastcls.demo._knn_view import PRESET_LABELS
from fastcls.demo._linear_state import LOSSES, LinearController, LinearState
from fastcls.demo._page import PALE, TIE

sys.path.append(str(Path(__file__).resolve().parents[2]))  # last: the fastcls under test may be an installed one
pytest.importorskip("bench", reason="the folder bench is missing")
from bench.browser import CHROMIUM, DemoPage, browser

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium found to open the demos in"),
]
L1, L2, SCORES = "L1 (Manhattan)", "L2 (Euclidean)", "Highest score"


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def servers():
    """One server for each demo; the address of a page has its state."""
    shown = {"knn": fastcls.demo.knn(), "linear": fastcls.demo.linear()}
    yield shown
    for server in shown.values():
        server.stop()


@pytest.fixture(scope="module")
def contexts(chromium):
    """One context for each width, so that its pages share what was loaded."""
    sizes = {width: {"width": width, "height": 900} for width in (390, 1280)}
    return {width: chromium.new_context(viewport=size, has_touch=width < 500) for width, size in sizes.items()}


@pytest.fixture
def opened(contexts, servers):
    """A function that opens a demo; afterwards, no page may have had an error or a request to another address."""
    pages = []

    def open_it(demo, state=None, width=1280):
        pages.append(DemoPage(contexts[width].new_page(), servers[demo].url, state))
        return pages[-1]

    yield open_it
    for page in pages:
        page.page.close()
        assert page.errors == []
        assert page.foreign == []


#: whether a point is in the hand; and a wait for the next frame, by which time the page has heard what was sent
HELD = "[...Bokeh.documents[0].all_models].some((model) => model.box && model.box.held != null)"
FRAME = "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"


def command(demo):
    """The state in the command that the page shows."""
    text = demo.page.get_by_label("Command to show this state again").input_value()
    return re.search(r"--state '([^']*)'", text)[1]


def until(read, wanted, seconds=8.0):
    """Wait until read() has the wanted value."""
    end = time.monotonic() + seconds
    while not wanted(read()):
        assert time.monotonic() < end, f"still {read()!r}"
        time.sleep(0.03)


def until_state(demo, part):
    until(lambda: command(demo), lambda text: part in f"&{text}&")


def slide(demo, title, key="ArrowRight"):
    """Move a slider with the keyboard."""
    demo.page.get_by_role("slider", name=title).press(key)


def expected(state, metric, x, y):
    """The colour of (x, y), in units, according to the controller."""
    code = KnnController(state).picture(metric)[round((y + 2.99) / 0.02), round((x + 2.99) / 0.02)]
    return [*PALE[: state.classes], TIE][code]


def test_every_control_of_the_knn_demo_changes_its_state(opened):
    demo = opened("knn")
    page = demo.page
    page.get_by_label("Distance").select_option(label="L1 and L2 side by side")
    until_state(demo, "&metric=both&")
    page.get_by_label("Weight of a vote").select_option(label="1 / distance")
    until_state(demo, "&weights=distance&")
    slide(demo, "K (neighbours)")
    until_state(demo, "&k=6&")
    slide(demo, "Classes")
    until_state(demo, "&classes=4&")
    slide(demo, "Points")
    until(lambda: command(demo).count(";"), lambda count: count == 60)
    page.get_by_role("button", name="Random points").click()
    until_state(demo, "&seed=1&")
    for preset, label in (*PRESET_LABELS[1:], PRESET_LABELS[0]):
        page.get_by_label("Source of the points").select_option(label=label)
        until_state(demo, f"&preset={preset}&")
    state = KnnState.of_text(command(demo))
    until(lambda: demo.pixel(L1, 2.51, -2.51), lambda color: color == expected(state, "l1", 2.51, -2.51))
    until(lambda: demo.pixel(L2, 2.51, -2.51), lambda color: color == expected(state, "l2", 2.51, -2.51))
    page.get_by_label("Its x").fill("1.5")
    page.get_by_label("Its x").press("Enter")
    until(lambda: command(demo).split("points=")[1].split(",")[0], lambda x: x == "150")
    page.get_by_role("button", name="Large type").click()
    until(lambda: page.evaluate("document.documentElement.className"), lambda name: "large" in name)
    page.get_by_role("button", name="Reset").click()
    until(lambda: command(demo), lambda text: text == KnnState().text())


def test_the_regions_follow_while_a_point_is_dragged(opened):
    start = "k=1&classes=2&points=-100,0,0;200,0,1"
    demo = opened("knn", start)
    mouse = demo.page.mouse
    assert demo.pixel(L2, 0.25, 2.01) == PALE[0]
    mouse.move(*demo.at(L2, -1, 0))
    mouse.down()
    demo.page.wait_for_function(HELD)  # held still for a while: it stays in the hand
    mouse.move(*demo.at(L2, -2, 0), steps=5)
    until(lambda: demo.pixel(L2, 0.25, 2.01), lambda color: color == PALE[1])  # the button is still down
    mouse.move(*demo.at(L2, -0.5, 0), steps=5)
    until(lambda: demo.pixel(L2, 0.25, 2.01), lambda color: color == PALE[0])
    assert command(demo) == KnnState.of_text(start).text()  # updated when the button goes up
    mouse.up()
    until(lambda: command(demo).split("points=")[1], lambda text: text != "-100,0,0;200,0,1")
    x, y, _ = command(demo).split("points=")[1].split(";")[0].split(",")
    assert abs(int(x) + 50) <= 2
    assert abs(int(y)) <= 2


def test_a_quick_drag_moves_the_point_where_the_button_went_down(opened):
    demo = opened("knn", "k=1&classes=2&points=-100,0,0;200,0,1")
    mouse = demo.page.mouse
    mouse.move(*demo.at(L2, -1, 0))
    mouse.down()
    mouse.move(*demo.at(L2, -1, 2.5))
    mouse.up()
    until(lambda: command(demo).split("points=")[1].split(",")[1], lambda y: abs(int(y) - 250) <= 2)


def test_a_finger_drags_too(opened):
    demo = opened("knn", "k=1&classes=2&points=-100,0,0;200,0,1", width=390)
    session = demo.page.context.new_cdp_session(demo.page)
    demo.page.evaluate("scrollTo(0, 300)")
    places = [demo.at(L2, x, 0) for x in np.linspace(-1, -2, 6)]
    for kind, place in zip(["touchStart", *["touchMove"] * 5], places, strict=True):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": place[0], "y": place[1]}]})
        demo.page.evaluate(FRAME)
    until(lambda: demo.pixel(L2, 0.25, 2.01), lambda color: color == PALE[1])
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    until(lambda: command(demo).split("points=")[1].split(",")[0], lambda x: abs(int(x) + 200) <= 3)


def test_known_ties_are_white_in_the_page(opened):
    demo = opened("knn", "k=2&classes=2&points=-100,0,0;100,0,1&metric=both")
    for title in (L1, L2):
        for x, y in ((-2.5, -2.5), (0.31, 1.7), (2.5, 0.5)):
            assert demo.pixel(title, x, y) == TIE == "#ffffff"
    slide(demo, "K (neighbours)", "ArrowLeft")
    for title in (L1, L2):
        until(lambda title=title: demo.pixel(title, -2.5, -2.5), lambda color: color == PALE[0])
        assert demo.pixel(title, 2.5, 0.5) == PALE[1]


def test_hover_draws_the_lines_and_shows_the_vote(opened):
    demo = opened("knn", "k=3&classes=2&points=-100,0,0;100,0,1;100,50,1;-290,-290,0")
    demo.page.mouse.move(*demo.at(L2, 0, 1))
    said = demo.page.get_by_text("the 3 nearest vote")
    said.wait_for(timeout=5000)
    assert "blue 1, orange 2. Result: orange" in said.inner_text()
    until(lambda: demo.pixel(L2, -0.5, 0.5), lambda color: color not in (*PALE, TIE))  # on the line from (0, 1) to (-1, 0)
    demo.page.mouse.move(5, 5)
    until(lambda: demo.pixel(L2, -0.5, 0.5), lambda color: color in PALE)


def test_copy_as_command_copies_the_command(opened):
    demo = opened("knn", "k=4")
    demo.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    demo.page.get_by_role("button", name="Copy as command").click()
    demo.page.get_by_role("button", name="Copied").wait_for(timeout=5000)
    copied = demo.page.evaluate("navigator.clipboard.readText()")
    assert copied == f"fastcls demo knn --state '{KnnState.of_text('k=4').text()}'"


def sums(demo):
    """The sums on the page, read together: data loss, penalty, full loss, steps."""
    lines = demo.page.get_by_role("table").filter(has_text="steps taken").inner_text().splitlines()
    return [float(line.split()[-1]) for line in lines]


def test_one_step_lowers_the_shown_loss_by_what_the_library_computes(opened):
    demo = opened("linear")
    for loss, label in LOSSES.items():
        demo.page.get_by_role("button", name="Reset").click()
        demo.page.get_by_label("Loss", exact=True).select_option(label=label)
        until_state(demo, f"&loss={loss}&")
        controller = LinearController(LinearState(loss=loss))
        before = controller.losses()
        until(lambda wanted=before.total: sums(demo)[2] - wanted, lambda gap: abs(gap) < 1e-4)
        shown = sums(demo)
        assert shown[:3] == pytest.approx([before.data, before.penalty, before.total], rel=1e-5)
        demo.page.get_by_role("button", name="Single step").click()
        until(lambda: sums(demo)[3], lambda steps: steps == 1)
        controller.take_step()
        lowered = before.total - controller.losses().total
        assert lowered > 1e-3
        assert shown[2] - sums(demo)[2] == pytest.approx(lowered, abs=1e-5 * shown[2])  # six digits are shown
        until(lambda: command(demo), lambda text, state=controller.state: text == state.text())


@pytest.fixture
def running(monkeypatch):
    """The periodic callbacks of all sessions; the servers are threads of this process."""
    found = []
    add, remove = Document.add_periodic_callback, Document.remove_periodic_callback

    def adding(doc, *given):
        found.append(add(doc, *given))
        return found[-1]

    def removing(doc, callback):
        remove(doc, callback)
        found.remove(callback)

    monkeypatch.setattr(Document, "add_periodic_callback", adding)
    monkeypatch.setattr(Document, "remove_periodic_callback", removing)
    return found


def test_every_control_of_the_linear_demo_changes_its_state(opened, running):
    demo = opened("linear")
    page = demo.page
    for loss in (*list(LOSSES)[1:], "hinge"):
        page.get_by_label("Loss", exact=True).select_option(label=LOSSES[loss])
        until_state(demo, f"&loss={loss}&")
    slide(demo, "Penalty")
    until_state(demo, "&alpha=0.11&")
    slide(demo, "Step size", "ArrowLeft")
    until(lambda: LinearState.of_text(command(demo)).step, lambda step: step == pytest.approx(10**-1.1, abs=1e-6))
    page.get_by_label(re.compile(r"^w1 blue \(")).fill("1.25")
    page.get_by_label(re.compile(r"^w1 blue \(")).press("Enter")
    until(lambda: LinearState.of_text(command(demo)).W[0, 0], lambda w: w == 1.25)
    page.get_by_role("button", name="Randomise W, b").click()
    until_state(demo, "&seed=1&")
    page.get_by_role("button", name="W = 0, b = 0").click()
    until(lambda: demo.pixel(SCORES, 1.5, 2.5), lambda color: color == TIE)
    page.get_by_text("the whole plane is a tie").wait_for(timeout=5000)
    page.get_by_role("button", name="Run").click()
    until(lambda: sums(demo)[3], lambda steps: steps >= 3)
    assert len(running) == 1
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Run").wait_for(timeout=5000)
    assert running == []  # nothing steps any more, and what is shown is the last step:
    steps = sums(demo)[3]
    page.get_by_role("button", name="Single step").click()
    until(lambda: sums(demo)[3], lambda found: found == steps + 1)
    slide(demo, "Classes")
    until_state(demo, "&classes=4&")
    assert page.get_by_label(re.compile(r"^b pink \(")).is_visible()
    page.get_by_role("button", name="Reset").click()
    until(lambda: command(demo), lambda text: text == LinearState().text())


def test_a_point_of_the_linear_demo_is_dragged_and_its_loss_follows(opened):
    state = LinearState.of_text("classes=2&W=1,0,0,-1,0,0&points=100,0,0;-200,0,1&alpha=0")
    demo = opened("linear", state.text())
    mouse = demo.page.mouse
    assert sums(demo)[2] == 0
    mouse.move(*demo.at(SCORES, 1, 0))
    mouse.down()
    mouse.move(*demo.at(SCORES, -1, 0), steps=6)
    until(lambda: sums(demo)[2], lambda loss: abs(loss - 1.5) < 0.05)  # (0 + max(0, 1 + 1 + 1)) / 2, while it is held
    mouse.up()


def test_a_step_size_far_too_large_is_reported(opened):
    demo = opened("linear", "step=10&alpha=1&loss=softmax")
    demo.page.get_by_role("button", name="Run").click()
    demo.page.get_by_text("far too large").wait_for(timeout=15_000)
    demo.page.get_by_role("button", name="Run").wait_for(timeout=5000)  # it has stopped by itself
    body = demo.page.locator("body").inner_text()
    assert "nan" not in body.lower().split()
    assert all(np.isfinite(sums(demo)))


STATES = {
    "knn": ["classes=5&metric=both&k=15&weights=softmax", "points=10,10,0;10,10,0&k=9", "preset=tie&k=1"],
    "linear": ["classes=5&loss=softmax", "W=0,0,0,0,0,0,0,0,0&points=0,0,1;0,0,1"],
}


@pytest.mark.parametrize(("name", "state"), [(name, state) for name, states in STATES.items() for state in states])
def test_pages_fit_their_width_and_name_their_controls(opened, name, state):
    for width in (390, 1280):
        demo = opened(name, state, width=width)
        title = L2 if name == "knn" else SCORES
        (left, low), (right, high) = demo.at(title, -3, -3), demo.at(title, 3, 3)
        assert demo.page.evaluate("document.documentElement.scrollWidth") <= width
        assert right - left > 0.65 * min(width, 440)
        assert abs((low - high) / (right - left) - 1) < 0.1  # the plane is a square
    roles = ("slider", "combobox", "spinbutton", "textbox", "button")
    names = [name for role in roles for name in demo.page.get_by_role(role).evaluate_all(NAMES_OF_VISIBLE)]
    assert len(names) > 10
    assert all(names)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize(("name", "state"), [(name, state) for name, states in STATES.items() for state in states[:1]])
def test_pages_fit_their_width_in_large_type(opened, name, state, width):
    demo = opened(name, state, width=width)
    demo.page.get_by_role("button", name="Large type").click()
    until(lambda: demo.page.evaluate("document.documentElement.className"), lambda found: "large" in found)
    demo.page.evaluate(FRAME)
    demo.page.wait_for_function("Bokeh.documents[0].is_idle")
    until(lambda: demo.page.evaluate("document.documentElement.scrollWidth"), lambda found: found <= width)
    until(lambda: demo.page.evaluate(STICKING_OUT), lambda found: found == [])


#: what is seen beyond the window's right edge, and is not in something that scrolls or hides it
STICKING_OUT = """() => {
  const found = []
  const look = (element, inside) => {
    const style = getComputedStyle(element)
    if (style.display == "none" || style.visibility == "hidden") return
    const box = element.getBoundingClientRect()
    if (!inside && box.width && box.right > innerWidth + 1) found.push(`${element.tagName} ${box.right}`)
    const hides = inside || style.overflowX != "visible"
    for (const child of [...element.children, ...(element.shadowRoot?.children ?? [])]) look(child, hides)
  }
  look(document.body, false)
  return found
}"""


#: accessible names, by label or text
NAMES_OF_VISIBLE = """(controls) => controls.filter((e) => e.checkVisibility() && e.getClientRects().length).map((e) =>
  e.ariaLabel || e.innerText || [...(e.labels ?? [])].map((l) => l.innerText).join())"""


def test_an_invalid_state_in_the_address_is_reported_and_not_repeated(opened):
    demo = opened("knn", "k=<b>99")
    demo.page.get_by_text("is not valid").wait_for(timeout=10_000)
    assert "99" not in demo.page.locator("body").inner_text()


@pytest.mark.parametrize(
    ("state", "text", "n_planes"),
    [
        (KnnState.of_text("k=2&classes=2&points=-100,0,0;100,0,1&metric=both"), "Leave-one-out accuracy, L1", 2),
        (LinearState.of_text("classes=2"), "Score of blue", 1),
    ],
)
def test_a_snapshot_opens_from_a_file_and_makes_no_requests(state, text, n_planes, chromium, tmp_path):
    from fastcls.demo._export import export

    export(state, tmp_path / "page.html")
    page = chromium.new_page()
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((tmp_path / "page.html").as_uri())
    page.get_by_text(text).wait_for(timeout=10_000)
    assert [url for url in asked if not url.startswith("data:")] == [(tmp_path / "page.html").as_uri()]
    assert errors == []
    assert page.locator("canvas").count() >= n_planes
    assert len(CLASS_NAMES) == len(PALE)
    page.close()


def test_ctrl_c_ends_the_server_with_an_open_page(contexts, tmp_path):
    home = Path(fastcls.demo.__file__).parents[2]
    started = [sys.executable, "-m", "fastcls.cli", "demo", "linear", "--no-browser", "--port", "0"]
    server = subprocess.Popen(
        started,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(home)},
    )
    try:
        demo = DemoPage(contexts[1280].new_page(), re.search(r"http://\S+", server.stdout.readline())[0])
        demo.page.get_by_role("button", name="Run").click()
        until(lambda: sums(demo)[3], lambda steps: steps >= 1)
    finally:
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=60)  # it does not wait for the page to close
    assert server.returncode == 0
    assert errors.splitlines() == ["fastcls: the demo has ended"]
    demo.page.close()

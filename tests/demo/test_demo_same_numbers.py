"""The arithmetic of a page without a server is that of the compiled core: classes and ties of every pixel, losses, votes.

The last tests count its work; nothing here waits for the clock.
"""

import itertools

import numpy as np
import pytest
from _demo_pages import L2, NEEDS_BROWSER, check_picture, knn_of, linear_of, pages_of_module, text_of
from _demo_states import BAD, BAD_LINEAR

from fastcls.demo import _knn, _linear
from fastcls.demo._knn import WEIGHTS, KnnState
from fastcls.demo._linear import LOSSES, LinearState
from fastcls.demo._plane import HALF

pytestmark = NEEDS_BROWSER
all_pages = pytest.fixture(scope="module")(pages_of_module)

OPEN = "(text) => { window.fastcls.view.open(window.fastcls.read(text)) }"
#: what the engine answers for a state
KNN_ANSWERS = """async ([text, x, y]) => {
  const state = window.fastcls.read(text), {engine} = window.fastcls
  return {votes: await engine.knnVotes(state, x, y), accuracies: await engine.knnAccuracies(state)}
}"""
LOSSES_OF = "(text) => window.fastcls.engine.linearLosses(window.fastcls.read(text))"


@pytest.fixture(scope="module")
def page(all_pages):
    """One page for each demo, for all tests: a state is opened in it."""
    found = {demo: all_pages.open("local", demo) for demo in ("knn", "linear")}
    yield found
    all_pages.check()


def show(demo, state):
    demo.page.bring_to_front()  # a page behind another one has one frame a second
    demo.page.evaluate(OPEN, state.text())
    demo.settle()


def random_knn(seed):
    """A state with points anywhere, or on a coarse grid, where many points have one distance or one position."""
    rng = np.random.default_rng(seed)
    n, grid = int(rng.choice([1, 2, 3, 20, 60, 200])), int(rng.choice([1, 2, 20, 100]))
    classes = int(rng.integers(2, 6))
    return KnnState(
        metric="both",
        k=int(rng.integers(1, 16)),
        classes=classes,
        weights=str(rng.choice(list(WEIGHTS))),
        points=(rng.integers(-HALF // grid, HALF // grid + 1, (n, 2)) * grid).astype(float),
        codes=rng.integers(0, classes, n),
    )


def random_linear(seed):
    """A state with any weights, or with few different ones, whose scores are equal on lines of pixels or everywhere."""
    rng = np.random.default_rng(seed)
    classes, n = int(rng.integers(2, 6)), int(rng.integers(1, 61))
    W = rng.normal(0, 2, (classes, 3)) if seed % 2 else rng.integers(-1, 2, (classes, 3)) * rng.choice([0.5, 0.1, 1e3])
    return LinearState(
        loss=str(rng.choice(list(LOSSES))),
        alpha=float(rng.uniform(0, 1)),
        classes=classes,
        points=rng.integers(-HALF, HALF + 1, (n, 2)).astype(float),
        codes=rng.integers(0, classes, n),
        W=W.astype(float),
    )


def test_every_pixel_of_50_random_states_of_the_knn_demo_is_that_of_the_core(page):
    tied = 0
    for seed in range(50):
        show(page["knn"], random_knn(seed))
        check_picture(page["knn"])
        tied += (page["knn"].painted(L2) == 5).any()
    assert tied > 12


def test_every_pixel_of_50_random_states_of_the_linear_demo_is_that_of_the_core(page):
    tied = 0
    for seed in range(50):
        state = random_linear(seed)
        show(page["linear"], state)
        np.testing.assert_array_equal(linear_of(page["linear"]).W, state.W)
        check_picture(page["linear"])
        tied += (_linear.picture(state) == state.classes).any()
    assert tied > 15


def test_the_picture_after_moves_is_that_of_the_core(page):
    """A move computes only the tiles that it can change."""
    demo, rng = page["knn"], np.random.default_rng(0)
    for metric, k, weights in itertools.product(("l1", "l2"), (1, 6), ("uniform", "softmax")):
        points = rng.integers(-HALF, HALF + 1, (200, 2)).astype(float)
        codes = rng.integers(0, 3, 200)
        show(demo, KnnState(metric=metric, k=k, weights=weights, points=points, codes=codes))
        for _ in range(4):
            place, by = int(rng.integers(200)), rng.integers(-60, 61, 2).tolist()
            move = "([i, dx, dy]) => { const {x, y} = VIEW.model.state.points; VIEW.drag(i, x[i] + dx, y[i] + dy) }"
            demo.page.evaluate(move.replace("VIEW", "window.fastcls.view"), [place, *by])
            demo.page.evaluate("() => window.fastcls.view.drop(0)")
            check_picture(demo)
            assert demo.page.evaluate("(metric) => window.fastcls.engine.pictures[metric].tiles", metric) < 450


def test_votes_and_accuracies_are_those_of_the_core(page):
    rng = np.random.default_rng(5)
    for seed in range(30):
        state, (x, y) = random_knn(seed), rng.integers(-HALF, HALF + 1, 2).tolist()
        found = page["knn"].page.evaluate(KNN_ANSWERS, [state.text(), x, y])
        for metric in ("l1", "l2"):
            vote, expected = found["votes"][metric], _knn.vote_at(state, metric, x, y)
            assert vote["neighbors"] == list(expected.neighbors)
            np.testing.assert_allclose(vote["totals"], expected.totals, rtol=1e-13)
            assert (vote["winner"], vote["tied"]) == (expected.winner, expected.tied)
            assert found["accuracies"][metric] == list(_knn.accuracies(state, metric))


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_and_gradients_are_those_of_the_core(page, loss):
    for seed in range(20):
        state = LinearState(**{**vars(random_linear(seed)), "loss": loss})
        found, expected = page["linear"].page.evaluate(LOSSES_OF, state.text()), _linear.losses(state)
        np.testing.assert_array_equal(found["scores"], expected.scores)
        size = np.abs(expected.scores).max() + 1
        for name in ("each", "data", "penalty", "total", "gradient"):
            np.testing.assert_allclose(found[name], getattr(expected, name), rtol=1e-12, atol=1e-14 * size, err_msg=name)


REFUSED = "(text) => { try { window.fastcls.read(text); return null } catch (error) { return error.constructor.name } }"


@pytest.mark.parametrize(("demo", "texts"), [("knn", BAD), ("linear", BAD_LINEAR)])
def test_the_page_refuses_what_the_command_refuses(page, demo, texts):
    assert [page[demo].page.evaluate(REFUSED, text) for text in texts] == ["BadState"] * len(texts)


def test_the_page_writes_what_it_reads(page):
    for demo, make in (("knn", random_knn), ("linear", random_linear)):
        for seed in range(10):
            state = make(seed)
            show(page[demo], state)
            assert type(state).of_text(text_of(page[demo])).text() == state.text()


# Points from a seed, and points moved by hand


def points_after(demo, *changes):
    """Points of the page's state after changes of its model, given as JavaScript."""
    code = "; ".join(f"model.{change}" for change in changes)
    read = "() => { const {model} = window.fastcls.view; " + code + "; window.fastcls.view.refresh() }"
    demo.page.evaluate(read)
    state = (knn_of if "knn" in demo.url else linear_of)(demo)
    return state.points, state.codes


def test_presets_draw_what_the_lecture_says(page):
    demo = page["knn"]
    show(demo, KnnState())
    for preset, seed in itertools.product(("parity", "ring", "three_modes"), range(5)):
        points, codes = points_after(demo, f"renew({{preset: '{preset}', n: 200, seed: {seed}}})")
        assert (len(points), set(codes)) == (200, {0, 1})
        norm = np.hypot(*points.T)
        if preset == "ring":
            np.testing.assert_array_equal(codes, (norm >= 100) & (norm <= 200))
        elif preset == "three_modes":
            near = [np.hypot(*(points - centre).T) <= 80 for centre in ([-150, 150], [150, 100], [-50, -150])]
            np.testing.assert_array_equal(codes, np.any(near, axis=0))
        else:
            assert np.mean(codes == ((points > 0).sum(axis=1) % 2)) > 0.95  # but for noise
    points, codes = points_after(demo, "renew({preset: 'random', n: 200, classes: 5})")
    assert set(codes) == set(range(5))
    assert np.abs(points).max() <= HALF
    first, _ = points_after(demo, "another()")
    assert (first != points).any()


def test_moved_points_stay_when_the_numbers_of_points_and_classes_change(page):
    demo = page["knn"]
    show(demo, KnnState())
    fresh, codes = points_after(demo)
    points_after(demo, "move(7, -250, 111)", "move(58, 20, -290)")
    for change in ("n: 59", "n: 200", "n: 60", "classes: 5", "classes: 2", "classes: 3"):
        points, now = points_after(demo, f"renew({{{change}}})")
        assert list(points[7]) == [-250, 111], change
        assert len(points) == 59 or list(points[58]) == [20, -290], change
        assert now[7] == codes[7]
    others = np.delete(np.arange(60), [7, 58])
    np.testing.assert_array_equal(points[others], fresh[others])
    points, _ = points_after(demo, "renew({n: 20})")  # its number is gone
    assert not (points == [20, -290]).all(axis=1).any()
    points, _ = points_after(demo, "renew({n: 60})")  # and comes back, with its place
    assert list(points[58]) == [20, -290]
    for redraw in ("another()", "renew({preset: 'ring'})", "reset()"):
        points, _ = points_after(demo, "reset()", "move(7, -250, 111)", redraw, "renew({n: 61})")
        assert not (points == [-250, 111]).all(axis=1).any()
    show(demo, KnnState.of_text("classes=2&points=-299,0,1;299,7,0;5,5,0"))
    points, codes = points_after(demo, "renew({n: 30})", "renew({n: 31})")
    np.testing.assert_array_equal(points[:3], [[-299, 0], [299, 7], [5, 5]])
    assert list(codes[:3]) == [1, 0, 0]


def test_leaving_the_tie_restores_k(page):
    demo = page["knn"]

    def k_after(text, *changes):
        show(demo, KnnState.of_text(text))
        points_after(demo, *changes)
        return knn_of(demo).k

    tie, ring = "renew({preset: 'tie'})", "renew({preset: 'ring'})"
    assert k_after("k=9", tie) == 2
    assert k_after("k=9", tie, ring) == 9
    assert k_after("k=9", tie, "another()", "renew({preset: 'random'})") == 9
    assert k_after("k=9", tie, "set({k: 4})", "renew({preset: 'parity'})") == 4  # chosen by hand: kept
    assert k_after("k=9", tie, "renew({classes: 3})") == 9
    assert k_after("k=9", tie, "reset()", ring) == 9
    assert k_after("preset=tie&k=2", ring) == 2  # K was given


def test_moved_points_and_weights_stay_when_the_number_of_classes_changes(page):
    demo = page["linear"]
    show(demo, LinearState())
    first, _ = points_after(demo)
    points_after(demo, "move(4, -222, 33)", "setWeight(1, 0, 7.25)")
    W = linear_of(demo).W
    for classes in (4, 5, 3):
        points, _ = points_after(demo, f"renew({{classes: {classes}}})")
        assert list(points[4]) == [-222, 33]
        np.testing.assert_array_equal(linear_of(demo).W[:3], W)
    np.testing.assert_array_equal(points[np.arange(12) != 4], first[np.arange(12) != 4])
    points, _ = points_after(demo, "reset()", "renew({classes: 4})")
    assert list(points[4]) != [-222, 33]


# Work


@pytest.mark.parametrize(("k", "most"), [(1, 0.06), (5, 0.11), (15, 0.2)])
def test_a_picture_of_200_points_computes_few_of_the_18_million_distances(page, k, most):
    rng = np.random.default_rng(k)
    points, codes = rng.integers(-HALF, HALF + 1, (200, 2)).astype(float), rng.integers(0, 5, 200)
    show(page["knn"], KnnState(metric="both", k=k, classes=5, points=points, codes=codes))
    work_of = "(metric) => { const {pairs, tiles} = window.fastcls.engine.pictures[metric]; return [pairs, tiles] }"
    work = {metric: page["knn"].page.evaluate(work_of, metric) for metric in ("l1", "l2")}
    move = "(i) => { const {view} = window.fastcls, {x, y} = view.model.state.points; view.drag(i, x[i] + 9, y[i] - 9) }"
    page["knn"].page.evaluate(move, int(rng.integers(200)))
    page["knn"].settle()
    for metric, (pairs, tiles) in work.items():
        assert tiles == 900
        assert 200 * 90_000 / 200 < pairs < most * 200 * 90_000
        assert 0 < page["knn"].page.evaluate(work_of, metric)[1] < 900 * (0.05 + 0.03 * k)


#: many moves of the mouse within one frame, from one corner to the other, on a point that is held
MOVES = """async (title) => {
  const svg = [...document.querySelectorAll("svg[role=img]")].find((svg) => svg.getAttribute("aria-label") === title)
  const box = svg.getBoundingClientRect(), {engine} = window.fastcls, before = engine.work.pictures
  const common = {clientY: box.top + 0.5 * box.height, pointerId: 1, isPrimary: true, bubbles: true, pointerType: "mouse"}
  const send = (name, at) => svg.dispatchEvent(new PointerEvent(name, {...common, clientX: box.left + at * box.width}))
  svg.setPointerCapture = () => {}  // which wants a real pointer
  send("pointerdown", 1 / 3)
  for (let i = 0; i <= 100; i++) send("pointermove", 1 / 3 + i / 300)
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))
  return engine.work.pictures - before
}"""


def test_moves_within_one_frame_are_one_picture_of_the_last(all_pages):
    demo = all_pages.open("local", "knn", "k=1&classes=2&points=-100,0,0;200,0,1")
    assert demo.page.evaluate(MOVES, L2) <= 2  # that of the press may come first
    assert list(knn_of_model(demo)) == [100, 0]
    all_pages.check()


def test_a_server_is_asked_for_one_picture_at_a_time(all_pages):
    demo = all_pages.open("server", "knn", "k=1&classes=2&points=-100,0,0;200,0,1")
    demo.page.evaluate("window.fastcls.engine.work = {pictures: 0}")
    asked = []
    demo.page.on("request", lambda request: asked.append(request.url))
    demo.page.evaluate(MOVES, L2)
    demo.settle()
    assert sum(url.endswith("/pictures") for url in asked) <= 3
    assert list(knn_of_model(demo)) == [100, 0]
    assert (demo.pixel(L2, 1.21, 1.01), demo.pixel(L2, 1.71, 1.01)) == (0, 1)
    all_pages.check()


def knn_of_model(demo):
    """The first point of the model, whose drag has not ended."""
    return demo.page.evaluate("(() => { const {x, y} = window.fastcls.view.model.state.points; return [x[0], y[0]] })()")

"""Speed of the k-NN demo, ``python -m bench.demo``: time to compute a picture, and time from mouse move to changed pixels.

1. *Core.* The compiled core computes the picture of 200 points, 5 classes, on 300 x 300 pixels. Median ms, in this process.
2. *Page.* JavaScript computes it in headless Chromium: the whole picture ("whole"), and after one point has moved by up to
   0.15 units, as while dragging ("move"). Median ms.
3. *Drag.* Headless Chromium, 200 points, with a server in its own process ("server") and with an exported file ("file"). A
   point moves back and forth between two positions; a pixel away from both changes its colour each time. The page measures
   the time from the mouse event to the end of the frame in which that pixel has changed. Median of all moves, ms; pictures
   per second are 1000 / median.

Prints all times, and stores them in bench/results/demo.json.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import fastcls.demo
from fastcls._storage.atomic import write_text
from fastcls.demo import _knn
from fastcls.demo._knn import KnnState

from .browser import CHROMIUM, DemoPage, browser
from .measure import machine

RESULTS = Path(__file__).with_name("results") / "demo.json"

DRAGS = (("l1", 1, "uniform"), ("l2", 5, "uniform"), ("l2", 15, "uniform"), ("both", 5, "uniform"), ("both", 15, "softmax"))

VOTES = ((1, "uniform"), (5, "uniform"), (15, "uniform"), (5, "distance"), (5, "softmax"), (15, "softmax"))

_PAGE = """async ([text, moves]) => {
  const {read, engine} = window.fastcls, state = read(text), whole = [], move = []
  for (let round = 0; round < 21; round++) {
    const start = performance.now()
    await engine.knnPictures(state)
    whole.push(performance.now() - start)
    for (const picture of Object.values(engine.pictures)) picture.last = null  // so that the next one is drawn whole
  }
  await engine.knnPictures(state)
  let now = state
  for (const [dx, dy] of moves) {
    const x = now.points.x.slice(), y = now.points.y.slice()
    x[7] = Math.max(-300, Math.min(300, x[7] + dx))
    y[7] = Math.max(-300, Math.min(300, y[7] + dy))
    now = {...now, points: {x, y, codes: now.points.codes}}
    const start = performance.now()
    await engine.knnPictures(now)
    move.push(performance.now() - start)
  }
  return [whole, move]
}"""

_CLOCK = """([title, x, y]) => {
  const svg = [...document.querySelectorAll("svg[role=img]")].find((svg) => svg.getAttribute("aria-label") === title)
  const context = svg.parentElement.querySelector("canvas").getContext("2d")
  const read = () => context.getImageData(Math.floor((x + 3) * 50), Math.floor((3 - y) * 50), 1, 1).data.join()
  window.taken = []
  let moved = null, before = read()
  addEventListener("pointermove", () => { moved ??= performance.now() }, {capture: true})
  const look = () => {
    const now = read()
    if (moved != null && now !== before) { window.taken.push(performance.now() - moved); moved = null; before = now }
    requestAnimationFrame(() => after.port2.postMessage(0))
  }
  const after = new MessageChannel()  // its task runs once the frame is drawn
  after.port1.onmessage = look
  look()
}"""


def crowd(metric: str, k: int, weights: str) -> KnnState:
    """200 points: the first alone, so that it can be dragged, and the others around an empty middle."""
    rng = np.random.default_rng(1)
    around, far = rng.uniform(0, 2 * np.pi, 200), rng.uniform(200, 295, 200)
    points = np.rint(np.stack([far * np.cos(around), far * np.sin(around)], axis=1))
    codes = rng.integers(1, 5, 200)
    points[0], codes[0] = (-100, 0), 0
    if k > 1:  # other points of its class, so that it decides the vote
        points[1:k], codes[1:k] = np.rint(rng.normal(0, 8, (k - 1, 2)) + (0, 120)), 0
        points[k : 2 * k], codes[k : 2 * k] = np.rint(rng.normal(0, 8, (k, 2)) - (0, 120)), 1
    return KnnState(metric=metric, k=k, classes=5, weights=weights, points=points, codes=codes)


def scattered(metric: str, k: int, weights: str) -> KnnState:
    """200 points anywhere."""
    rng = np.random.default_rng(0)
    points, codes = rng.integers(-300, 301, (200, 2)).astype(float), rng.integers(0, 5, 200)
    return KnnState(metric=metric, k=k, classes=5, weights=weights, points=points, codes=codes)


def core(metric: str, k: int, weights: str, rounds: int = 41) -> float:
    """Median ms of a picture by the compiled core."""
    state, taken = scattered(metric, k, weights), []
    for _ in range(rounds):
        start = time.perf_counter()
        _knn.picture(state, metric)
        taken.append(time.perf_counter() - start)
    return 1e3 * statistics.median(taken)


def page(demo: DemoPage, metric: str, k: int, weights: str, rounds: int = 41) -> tuple[float, float]:
    """Median ms of (whole, move) by a page's JavaScript."""
    moves = np.random.default_rng(2).integers(-15, 16, (rounds, 2)).tolist()
    whole, move = demo.page.evaluate(_PAGE, [scattered(metric, k, weights).text(), moves])
    return statistics.median(whole), statistics.median(move)


def places(state: KnnState) -> tuple[tuple[float, float], tuple[float, float], tuple[float, float]]:
    """Two positions of point 0, and a pixel whose colour differs between them: 0.4 units from both, 0.2 from all points.

    The mouse may be two hundredths off, since its position is rounded to pixels of the screen.
    """
    ends, pictures, free = [(-100.0, 0.0), (100.0, 0.0)], [], np.ones((300, 300), dtype=bool)
    for x, y in ends:
        found = []
        for dx, dy in ((0, 0), (-2, -2), (-2, 2), (2, -2), (2, 2)):
            points = state.points.copy()  # type: ignore[union-attr]
            points[0] = x + dx, y + dy
            moved = KnnState(**{**vars(state), "points": points})
            found.append(np.stack([_knn.picture(moved, metric) for metric in state.metrics]))
        free &= (np.stack(found) == found[0]).all(axis=(0, 1))
        pictures.append(found[0])
    free &= (pictures[0] != pictures[1]).all(axis=0)
    at = np.arange(-2.99, 3, 0.02)
    across, up = np.meshgrid(at, at)
    for px, py in (*ends, *state.points[1:]):  # type: ignore[index]
        free &= np.hypot(across - px / 100, up - py / 100) > (0.4 if (px, py) in ends else 0.2)
    good = np.argwhere(free)
    if not len(good):
        raise RuntimeError("no pixel differs between the two positions: choose another state")
    row, column = good[len(good) // 2]
    return (ends[0][0] / 100, 0.0), (ends[1][0] / 100, 0.0), (float(at[column]), float(at[row]))


@contextmanager
def served() -> Iterator[str]:
    """The address of a demo whose server is a process of its own."""
    command = [sys.executable, "-m", "fastcls.cli", "demo", "knn", "--port", "0", "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().split("at ")[1].split(" ")[0]
    finally:
        server.terminate()
        server.wait(10)


def drag(chromium: Any, url: str, state: KnnState, moves: int = 60) -> float:
    """Median ms from a mouse move to changed pixels."""
    first, second, probe = places(state)
    demo = DemoPage(chromium.new_page(viewport={"width": 1280, "height": 900}), url, state.text())
    title = _knn.METRICS["l2" if state.metric == "both" else state.metric]
    mouse = demo.page.mouse
    x, y = state.points[0] / 100  # type: ignore[index]
    mouse.move(*demo.at(title, x, y))
    mouse.down()
    targets = [demo.at(title, *first), demo.at(title, *second)]
    mouse.move(*targets[1], steps=4)
    mouse.move(*targets[0], steps=4)
    demo.settle()
    demo.page.evaluate(_CLOCK, [title, *probe])
    for turn in range(1, moves + 1):
        mouse.move(*targets[turn % 2])
        while demo.page.evaluate("window.taken.length") < turn:
            pass
    taken = demo.page.evaluate("window.taken")
    mouse.up()
    demo.page.close()
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moves", type=int, default=60)
    moves = parser.parse_args().moves
    if CHROMIUM is None:
        raise SystemExit("Chromium is not installed: the page and the drag need it")
    pictures, drags = [], []
    with browser() as chromium, served() as url, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        fastcls.demo.export("knn", None, file)
        demo = DemoPage(chromium.new_page(), file.as_uri())
        print("picture, ms      metric   k  weights     core   page: whole   move")
        for metric in ("l1", "l2"):
            for k, weights in VOTES:
                whole, move = page(demo, metric, k, weights)
                by_core = core(metric, k, weights)
                times = {"core": by_core, "page, whole": whole, "page, move": move}
                pictures.append({"metric": metric, "k": k, "weights": weights, "ms": times})
                print(
                    f"                 {metric:6} {k:3}  {weights:8} {by_core:7.2f} {whole:13.2f} {move:6.2f}",
                    flush=True,
                )
        demo.page.close()
        print("drag, to pixels  metric   k  weights  server: ms  pictures/s   file: ms  pictures/s")
        for metric, k, weights in DRAGS:
            taken = [drag(chromium, where, crowd(metric, k, weights), moves) for where in (url, file.as_uri())]
            times = dict(zip(("server", "file"), taken, strict=True))
            drags.append({"metric": metric, "k": k, "weights": weights, "ms": times})
            print(
                f"                 {metric:6} {k:3}  {weights:8}" + "".join(f"{ms:11.1f} {1000 / ms:11.1f}" for ms in taken),
                flush=True,
            )
    found = {"date": str(datetime.date.today()), "machine": machine(), "pictures": pictures, "drags": drags}
    write_text(json.dumps(found, indent=1) + "\n", RESULTS, "the figures")


if __name__ == "__main__":
    main()

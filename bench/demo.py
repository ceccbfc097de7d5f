"""Speed of the k-NN demo, ``python -m bench.demo``: time to compute a picture, and time from mouse move to changed pixels.

1. *Compute.* The picture of 200 points, 5 classes, on 300 x 300 pixels: the whole picture ("whole"), and the update after
   one point moves by up to 0.15 units, as while dragging ("move"). Medians, ms, in this process.
2. *Drag.* A server in its own process, headless Chromium, 200 points. A point moves back and forth between two positions; a
   pixel away from both changes its colour each time. The page measures the time from the mouse event to the end of the frame
   in which that pixel has changed. Medians of all moves, ms; updates per second are 1000 / median.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

import numpy as np

from fastcls.demo._knn_regions import Regions
from fastcls.demo._knn_state import KnnController, KnnState

from .browser import CHROMIUM, DemoPage, browser

DRAGS = (("l1", 1, "uniform"), ("l2", 5, "uniform"), ("l2", 15, "uniform"), ("both", 5, "uniform"))

VOTES = ((1, "uniform"), (5, "uniform"), (15, "uniform"), (5, "distance"), (5, "softmax"), (15, "softmax"))

_CLOCK = """([title, x, y]) => {
  const {view, canvas, scale} = window.planes[title]
  const {left, top, width, height} = view.frame.bbox
  const px = Math.round((left + (x + 3) / 6 * width) * scale), py = Math.round((top + (3 - y) / 6 * height) * scale)
  const context = canvas.getContext("2d")
  const read = () => context.getImageData(px, py, 1, 1).data.slice(0, 3).join()
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


def compute(metric: str, k: int, weights: str, rounds: int = 41) -> tuple[float, float]:
    """Median ms of (whole, move)."""
    rng = np.random.default_rng(0)
    points, codes = rng.integers(-300, 301, (200, 2)).astype(float), rng.integers(0, 5, 200)
    whole, move = [], []
    regions = Regions(metric)
    for _ in range(rounds):
        regions.forget()
        start = time.perf_counter()
        regions.picture(points, codes, 5, k, weights)
        whole.append(time.perf_counter() - start)
    for _ in range(rounds):
        points[7] = np.clip(points[7] + rng.integers(-15, 16, 2), -300, 300)
        start = time.perf_counter()
        regions.picture(points, codes, 5, k, weights)
        move.append(time.perf_counter() - start)
    return 1e3 * statistics.median(whole), 1e3 * statistics.median(move)


def places(state: KnnState) -> tuple[tuple[float, float], tuple[float, float], tuple[float, float]]:
    """Two positions of point 0, and a pixel whose colour differs between them: 0.4 units from both, 0.2 from all points."""
    controller, pictures, ends = KnnController(state), [], [(-100.0, 0.0), (100.0, 0.0)]
    for x, y in ends:
        controller.move(0, x, y)
        pictures.append(np.stack([controller.picture(metric) for metric in state.metrics]))
    at = np.arange(-2.99, 3, 0.02)
    x, y = np.meshgrid(at, at)
    free = (pictures[0] != pictures[1]).all(axis=0)
    for px, py in (*ends, *state.points[1:]):
        free &= np.hypot(x - px / 100, y - py / 100) > (0.4 if (px, py) in ends else 0.2)
    for shift in (-2, 2):  # not at the edge of the changed region, where a screen pixel covers two pixels of the picture
        free &= np.roll(free, shift, axis=0) & np.roll(free, shift, axis=1)
    found = np.argwhere(free)
    if not len(found):
        raise RuntimeError("no pixel differs between the two positions: choose another state")
    row, column = found[len(found) // 2]
    return (ends[0][0] / 100, 0.0), (ends[1][0] / 100, 0.0), (float(at[column]), float(at[row]))


def drag(metric: str, k: int, weights: str, moves: int = 60) -> float:
    """Median ms from a mouse move to changed pixels."""
    state = crowd(metric, k, weights)
    first, second, probe = places(state)
    command = [sys.executable, "-m", "fastcls.cli", "demo", "knn", "--port", "0", "--no-browser", "--state", state.text()]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split("at ")[1].split(" ")[0]
        with browser() as chromium:
            demo = DemoPage(chromium.new_page(viewport={"width": 1280, "height": 900}), url)
            time.sleep(1)
            title = {"l1": "L1 (Manhattan)", "l2": "L2 (Euclidean)", "both": "L2 (Euclidean)"}[metric]
            mouse = demo.page.mouse
            x, y = state.points[0] / 100
            mouse.move(*demo.at(title, x, y))
            mouse.down()
            targets = [demo.at(title, *first), demo.at(title, *second)]
            mouse.move(*targets[1], steps=4)
            mouse.move(*targets[0], steps=4)
            time.sleep(0.5)
            demo.page.evaluate(_CLOCK, [title, *probe])
            for turn in range(1, moves + 1):
                mouse.move(*targets[turn % 2])
                demo.page.wait_for_function(f"window.taken.length >= {turn}", polling=5, timeout=5000)
            taken = demo.page.evaluate("window.taken")
            mouse.up()
        return statistics.median(taken)
    finally:
        server.terminate()
        server.wait(10)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moves", type=int, default=60)
    moves = parser.parse_args().moves
    print("compute, ms      metric   k  weights    whole   move")
    for metric in ("l1", "l2"):
        for k, weights in VOTES:
            whole, move = compute(metric, k, weights)
            print(f"                 {metric:6} {k:3}  {weights:8} {whole:7.2f} {move:6.2f}", flush=True)
    if CHROMIUM is None:
        print("drag: Chromium is not installed")
        return
    print("drag, to pixels  metric   k  weights  median ms  updates/s")
    for metric, k, weights in DRAGS:
        taken = drag(metric, k, weights, moves)
        print(f"                 {metric:6} {k:3}  {weights:8} {taken:8.1f} {1000 / taken:10.1f}", flush=True)


if __name__ == "__main__":
    main()

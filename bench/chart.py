"""The speed chart of the README and the front page: ``python -m bench.chart`` draws it from bench/results/filter.json.

``python -m bench compare`` measures its problems anew, all rivals in the same run, and then draws it.
"""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from fastcls._storage.atomic import write_text

RESULTS = Path(__file__).with_name("results") / "filter.json"
FIGURES = Path(__file__).resolve().parents[1] / "docs" / "figures"

#: rows of the table -> their titles in the chart
PROBLEMS = {
    "cifar10-l1-k7": "CIFAR-10, bytes, L1",
    "cifar10-l2-k7": "CIFAR-10, bytes, L2",
    "mnist-l1": "MNIST, bytes, L1",
    "mnist-l2": "MNIST, bytes, L2",
    "debian-l2-float32": "embeddings, float32, L2",
    "debian-cosine-float32": "embeddings, float32, cosine",
    "debian-l2-float16": "embeddings, float16, L2",
    "noise-float32-l2": "white noise, float32, L2",
}
NAMES = {
    "opencv": "OpenCV",
    "torch": "torch",
    "scann": "ScaNN",
    "faiss": "faiss",
    "numkong": "NumKong",
    "sklearn": "scikit-learn",
}
THEMES = {
    "light": {"ink": "#1b1f24", "soft": "#57606a", "ours": "#0a6c74", "theirs": "#b9c2cb"},
    "dark": {"ink": "#e6edf3", "soft": "#9aa4af", "ours": "#3fb6bf", "theirs": "#56616d"},
}
_WIDTH, _LEFT, _RIGHT, _BAR, _ROW, _TOP = 760, 220, 205, 13, 46, 58


def problems(results: dict[str, Any]) -> list[tuple[str, float, str, float]]:
    """(title, seconds of fastcls, name of the fastest rival, its seconds) of the problems that were measured."""
    found = []
    for row, title in PROBLEMS.items():
        if row in results:
            ours, rival = results[row]["ours"], results[row]["other"]
            theirs = results[row]["others"][rival]
            found.append((title, ours["seconds"], NAMES.get(rival, rival), theirs["seconds"]))
    return found


def svg(results: dict[str, Any], theme: str) -> str:
    """The chart: two bars for each problem, as long as their seconds relative to the slower one."""
    colours, found = THEMES[theme], problems(results)
    rows = [results[row] for row in PROBLEMS if row in results]
    room = _WIDTH - _LEFT - _RIGHT
    parts = [_text(0, 18, "Fit and search, exact: fastcls and the fastest other library", colours["ink"], weight="bold")]
    parts.append(_text(0, 37, _facts(rows), colours["soft"], size=12))
    for at, (title, ours, name, theirs) in enumerate(found):
        y, longest = _TOP + at * _ROW, max(ours, theirs)
        parts.append(_text(_LEFT - 12, y + 19, title, colours["ink"], anchor="end"))
        for place, (seconds, colour, words) in enumerate(
            ((ours, colours["ours"], f"fastcls {ours:.2f} s"), (theirs, colours["theirs"], f"{name} {theirs:.2f} s"))
        ):
            top, width = y + place * (_BAR + 2), max(2.0, room * seconds / longest)
            parts.append(f'<rect x="{_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR}" rx="2" fill="{colour}"/>')
            parts.append(_text(_LEFT + width + 6, top + 11, words, colours["soft"], size=12))
        parts.append(_text(_WIDTH, y + 19, f"{theirs / ours:.1f} x", colours["ink"], weight="bold", anchor="end"))
    height = _TOP + len(found) * _ROW
    said = "; ".join(f"{title}: {theirs / ours:.1f} times as fast as {name}" for title, ours, name, theirs in found)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        'role="img" font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif">\n'
        f"<title>{escape(said)}</title>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _facts(rows: list[dict[str, Any]]) -> str:
    machine, dates = rows[0]["machine"], sorted({row["date"] for row in rows})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return f"Seconds, shorter is better. {machine['processor']}, {machine['cpus']} threads, {when}."


def _text(
    x: float, y: float, words: str, colour: str, *, size: int = 14, weight: str = "normal", anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" fill="{colour}">'
        f"{escape(words)}</text>"
    )


def draw(results: dict[str, Any], folder: Path = FIGURES) -> None:
    """Write the light and the dark chart."""
    for theme in THEMES:
        write_text(svg(results, theme), folder / f"speed-{theme}.svg", "the chart")


if __name__ == "__main__":
    draw(json.loads(RESULTS.read_text(encoding="utf-8")))

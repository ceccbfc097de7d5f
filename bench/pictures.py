"""Screenshots small enough for the repository: with a palette instead of true colours."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

COLOURS = 128


def keep(png: bytes, path: Path) -> None:
    """Write a screenshot with a palette of `COLOURS` colours."""
    from PIL import Image

    picture = Image.open(BytesIO(png)).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)

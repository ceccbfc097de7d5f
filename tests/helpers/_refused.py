"""A refusal is one clear line; small files that are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from fastcls._validation.errors import InputError

Case = tuple[Callable[[Path], object], str]


def check_refused(act: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError) as refused:
        act()
    message = str(refused.value)
    assert words in message, message
    assert message.isprintable(), repr(message)  # one line, no control character
    assert refused.value.__cause__ is None  # no second traceback behind the line


def cases(table: dict[str, Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("act", "words"), list(table.values()), ids=list(table))


def touch(path: Path, content: bytes = b"") -> Path:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def picture(path: Path, size: tuple[int, int] = (4, 4)) -> Path:
    """Write an image of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (9, 99, 199)).save(path)
    return path


def two_classes(root: Path) -> Path:
    """Write a folder of two classes, 'a' and 'b', with one image each."""
    for name in "ab":
        picture(root / name / "x.png")
    return root

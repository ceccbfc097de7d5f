"""What it is to be refused: one clear line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

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

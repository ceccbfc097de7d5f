"""Counts in messages are in the singular for one, and types have the right article."""

import re
from pathlib import Path

import pytest

import fastcls
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, kind

SOURCES = sorted(Path(fastcls.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize(
    ("value", "named"),
    [(1, "an int"), ([], "a list"), (1.0, "a float"), ({}, "a dict"), (object(), "an object"), (None, "a NoneType")],
)
def test_a_type_has_its_article(value, named):
    assert kind(value) == named


def test_counted_knows_one():
    assert [counted(n, "class") for n in (0, 1, 2, 1000)] == ["0 classes", "1 class", "2 classes", "1,000 classes"]
    assert [counted(2, word) for word in ("epoch", "batch", "box", "row")] == ["2 epochs", "2 batches", "2 boxes", "2 rows"]
    assert counted(1, "query", "queries") == "1 query"


def test_no_message_makes_a_plural_or_an_article_of_its_own():
    for path in SOURCES:
        text = path.read_text(encoding="utf-8") if path.name != "messages.py" else ""
        assert not re.search(r"""['"]e?s['"] \*|\ba \{type\(""", text), path


def test_a_checkpoint_of_the_wrong_type_is_named_with_its_article():
    with pytest.raises(InputError, match="checkpoint is a list; wanted the path"):
        fastcls.SoftmaxClassifier(checkpoint=[3]).fit([[0.0], [1.0]], [0, 1])

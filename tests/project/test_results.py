"""Results that hold arrays can be compared with ``==``: by identity, since arrays have no single truth value."""

import dataclasses
import importlib

import numpy as np
import pytest

import fastcls

MODULES = ("protocols", "model_selection", "optim", "gradcheck", "datasets", "neighbors", "linear", "course", "display")


def results():
    """Public dataclasses with a field that is compared and may hold an array."""
    for name in MODULES:
        module = importlib.import_module(f"fastcls.{name}")
        for public in getattr(module, "__all__", ()):
            made = getattr(module, public)
            fields = dataclasses.fields(made) if isinstance(made, type) and dataclasses.is_dataclass(made) else ()
            if any("ndarray" in str(field.type) for field in fields if field.compare):
                yield made


@pytest.mark.parametrize("kind", sorted(set(results()), key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_a_result_with_arrays_is_equal_to_itself_alone(kind):
    assert kind.__eq__ is object.__eq__
    assert kind.__hash__ is object.__hash__


def test_duplicates_of_the_same_rows_are_two_results():
    X = np.ones((3, 2))
    one, other = fastcls.duplicates(X), fastcls.duplicates(X)
    assert one == one
    assert one != other
    assert type(one) in set(results())

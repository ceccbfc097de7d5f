"""The error that every refusal of user input raises."""

from __future__ import annotations


class InputError(ValueError):
    """Input that cannot be used. The message is one line: what came, what was wanted, what to do."""


class InputTypeError(InputError, TypeError):
    """A value whose type is not a number: scikit-learn's users expect a TypeError."""

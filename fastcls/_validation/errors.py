"""The error that every refusal of user input raises."""

from __future__ import annotations


class InputError(ValueError):
    """Input that cannot be used as it came. The message is one line that says what came, what was wanted, what to do."""


class InputTypeError(InputError, TypeError):
    """The same where a value is of a type that is no number: scikit-learn's users expect a TypeError of it."""

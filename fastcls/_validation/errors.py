"""The error that every refusal of user input raises."""

from __future__ import annotations


class InputError(ValueError):
    """Input that cannot be used. The message is one line: what came, what was wanted, what to do.

    Parameters
    ----------
    message : str
    argument : str, optional

    Attributes
    ----------
    argument : str or None
        Name of the argument that is refused; None if the message is not about one argument.
    """

    def __init__(self, message: str = "", *, argument: str | None = None):
        super().__init__(message)
        self.argument = argument


class InputTypeError(InputError, TypeError):
    """A value whose type is not a number: scikit-learn's users expect a TypeError."""

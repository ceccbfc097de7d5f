"""Checkpoints: the state of a training in a file, from which an interrupted training resumes and ends with the same bits.

Like a model's file, a checkpoint is data: safetensors, arrays with a JSON header, never a pickle. The file is replaced as a
whole, so a training that is killed at any moment leaves the last complete state.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np

from fastcls._gradient.problem import LinearProblem
from fastcls._storage.atomic import replacing
from fastcls._storage.digest import digest
from fastcls._storage.safetensors import Arrays, read_header, write
from fastcls._validation.base import check_number, check_switch
from fastcls._validation.errors import InputError
from fastcls._validation.linear import check_checkpoint_file
from fastcls._validation.messages import kind, quoted, reason
from fastcls._validation.paths import check_path
from fastcls._version import __version__

from .. import simd

FORMAT, VERSION = "fastcls checkpoint", "3"

#: What is compared by digest; these are the names in messages.
_DIGESTS = ("X", "y", "sample_weight", "center", "scale", "start", "rows", "validation", "random_state")

State = tuple[dict[str, np.ndarray], dict[str, Any]]


class Checkpoint:
    """File in which an optimiser keeps its state, and whether it resumes from it.

    Parameters
    ----------
    path : str or path
    seconds : float
        Least time between two states that are written; 0: after every chunk of about 50 ms. The first state, before any
        step, and the last are always written.
    resume : bool
        Resume from `path` if it exists. Without `resume` an existing file is refused, so that no state is lost.

    Notes
    -----
    A resumed training ends with the same bits as one that was never interrupted. Resuming is refused with other data,
    parameters or initial weights, another version of fastcls, or another instruction set (`fastcls.simd.use` selects a
    lesser one).
    """

    def __init__(self, path: str | os.PathLike[str], seconds: float = 30.0, *, resume: bool = False):
        check_path(path, "a file for the checkpoint")
        self.path = path
        self.seconds = float(check_number("checkpoint_seconds", seconds, minimum=0))
        self.resume = check_switch("resume", resume)
        self._identity: dict[str, Any] = {}
        self._written = 0.0
        self._interrupted = False

    def begin(self, identity: dict[str, Any]) -> State | None:
        """The state to resume from, or None for a training from the beginning.

        Parameters
        ----------
        identity : dict
            Everything that determines the training, in plain values.

        Returns
        -------
        (arrays, values) or None

        Raises
        ------
        InputError
            If the file is damaged, belongs to another training, or exists without `resume`.
        """
        # Another instruction set rounds sums differently: a resumed training would end with other bits.
        made_here = {"fastcls": __version__, "instruction set": simd.active()}
        self._identity = json.loads(json.dumps({**made_here, **identity}, default=float))
        self._written = time.monotonic()
        check_checkpoint_file(self.path, self.resume)
        if not os.path.lexists(self.path):
            return None
        header = read_header(self.path, "a checkpoint that a training wrote")
        if header.get("format") != FORMAT or header.get("version") != VERSION:
            raise InputError(
                f"{quoted(self.path)} is not a checkpoint of this version of fastcls; give the file that a training wrote"
            )
        with self.reading():
            made_with, values = dict(json.loads(header["identity"])), dict(json.loads(header["values"]))
            arrays = {
                key: np.array(array) for key, array in Arrays(self.path, header).items()
            }  # copied: the file will be replaced
        for what in {**made_with, **self._identity}:  # a training on a cluster has more entries
            was, value = made_with.get(what), self._identity.get(what)
            if was != value:
                how = f"another {what}" if what in _DIGESTS else f"{what}={quoted(was, 60)}, not {quoted(value, 60)}"
                raise InputError(
                    f"the checkpoint {quoted(self.path)} belongs to a training with {how}: resume with the same data and "
                    "parameters, or name another file"
                )
        return arrays, values

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Around code that reads a state from the file: any value that is not as written is reported as damage.

        Yields
        ------
        None

        Raises
        ------
        InputError
            If the file is damaged.
        """
        try:
            yield
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
            found = f"without {reason(error)}" if isinstance(error, KeyError) else reason(error)
            raise InputError(
                f"the checkpoint {quoted(self.path)} is damaged ({found}): delete it to start from the beginning"
            ) from None

    def offer(self, state: Callable[[], State], *, now: bool = False) -> None:
        """Write the state if `seconds` have passed, or if Ctrl-C was pressed.

        Parameters
        ----------
        state : callable
            Returns (arrays, values); called only if they are written.
        now : bool
            Write in any case.
        """
        if not now and not self._interrupted and time.monotonic() - self._written < self.seconds:
            return
        arrays, values = state()
        header = {"format": FORMAT, "version": VERSION, "identity": json.dumps(self._identity), "values": json.dumps(values)}
        with replacing(self.path, "the checkpoint") as temporary:
            write(temporary, arrays, header)
        self._written = time.monotonic()
        self._end_if_interrupted()

    def _end_if_interrupted(self) -> None:
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt(f"the state of the training is in {quoted(self.path)}: resume with resume=True")

    @contextmanager
    def through_interrupts(self) -> Iterator[None]:
        """Around a training: Ctrl-C ends it at the next `offer`, about 50 ms later, once a complete state is written.

        A second Ctrl-C ends it at once. This applies only in the main thread and with Python's default handler.

        Yields
        ------
        None
        """
        own = signal.default_int_handler
        if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not own:
            yield
            return

        def remember(number: int, frame: Any) -> None:
            if self._interrupted:
                own(number, frame)
            self._interrupted = True

        self._interrupted = False
        signal.signal(signal.SIGINT, remember)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, own)
        self._end_if_interrupted()  # Ctrl-C after the last offer


def identity(
    problem: LinearProblem,
    W: np.ndarray | None,
    validation: LinearProblem | None,
    random_state: np.random.RandomState | None,
) -> dict[str, Any]:
    """What determines a training besides the parameters of its solver; W: the initial weights, if any."""
    return {
        "random_state": None if random_state is None else _digest(of_random_state(random_state)),
        **problem.identity(),
        "start": None if W is None else digest(W),
        "validation": None if validation is None else _digest(validation.identity()),
    }


def _digest(plain: Any) -> str:
    """Digest of values that JSON can hold."""
    return digest(np.frombuffer(json.dumps(plain, default=float).encode(), dtype=np.uint8))


def through_interrupts(checkpoint: Checkpoint | None) -> AbstractContextManager[None]:
    """`Checkpoint.through_interrupts`, if there is a checkpoint."""
    return nullcontext() if checkpoint is None else checkpoint.through_interrupts()


def checked(checkpoint: Any) -> Checkpoint | None:
    """`checkpoint`, if it is a `Checkpoint` or None."""
    if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
        raise InputError(f"checkpoint is {kind(checkpoint)}; an optimiser takes fastcls.optim.Checkpoint(path)")
    return checkpoint


def of_random_state(random_state: np.random.RandomState) -> list[Any]:
    """The state of a generator as plain values."""
    kind, keys, *others = random_state.get_state()
    return [kind, [int(key) for key in keys], *others]


def set_random_state(random_state: np.random.RandomState, state: list[Any]) -> None:
    """Set a generator to a state that `of_random_state` returned."""
    kind, keys, position, has_gauss, gauss = state
    keys = np.array(keys, dtype=np.uint32)
    if kind != "MT19937" or keys.shape != (624,) or not 0 <= int(position) <= 624:  # NumPy would read beyond its keys
        raise ValueError("not the state of a generator")
    random_state.set_state((kind, keys, int(position), int(has_gauss), float(gauss)))

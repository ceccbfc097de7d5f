"""Trainings that can be broken off: their state in a file, from which the same training goes on to the same bits.

A file is data, as a model's is (``persistence.py``): safetensors, arrays beside a header of JSON, never a pickle. It is
replaced whole, so a training that is killed at any moment leaves the last state that was complete.
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
from fastcls._storage.atomic import digest, replacing
from fastcls._storage.safetensors import Arrays, read_header, write
from fastcls._validation.base import check_number
from fastcls._validation.errors import InputError
from fastcls._validation.linear import check_checkpoint_file, check_switch
from fastcls._validation.messages import kind, reason, shown

from .. import simd

FORMAT, VERSION = "fastcls checkpoint", "2"

#: What is told apart by digests, in the words of the user.
_DIGESTS = ("X", "y", "sample_weight", "center", "scale", "start", "rows", "validation", "random_state")

State = tuple[dict[str, np.ndarray], dict[str, Any]]


class Checkpoint:
    """Where an optimiser keeps its state, and whether it goes on from there.

    Parameters
    ----------
    path : str or path
    seconds : float
        Between two states that are written, at least; 0: after every piece of about 50 ms. The first, before any step, and
        the last are always written.
    resume : bool
        Go on from `path` if it is there. Otherwise a file that is there is refused, so that no state is lost.

    Notes
    -----
    A resumed training ends with the bits of one that was never broken off. It is refused with other data, other parameters,
    another start, another fastcls, another instruction set (`fastcls.simd.use` takes a lesser one) and, for L-BFGS, another
    SciPy.
    """

    def __init__(self, path: str | os.PathLike[str], seconds: float = 30.0, *, resume: bool = False):
        self.path = path
        self.seconds = float(check_number("checkpoint_seconds", seconds, minimum=0))
        self.resume = check_switch("resume", resume)
        self._identity: dict[str, Any] = {}
        self._written = 0.0
        self._interrupted = False

    def begin(self, identity: dict[str, Any]) -> State | None:
        """The state to go on from, or None for a training from the start.

        Parameters
        ----------
        identity : dict
            What makes this training the one it is, in plain values.

        Raises
        ------
        InputError
            For a file that is damaged, of another training, or there without `resume`.
        """
        from fastcls._version import __version__

        # Sums of another instruction set are rounded otherwise: a training would go on, to other bits.
        made_here = {"fastcls": __version__, "instruction set": simd.active()}
        self._identity = json.loads(json.dumps({**made_here, **identity}, default=float))
        self._written = time.monotonic()
        check_checkpoint_file(self.path, self.resume)
        if not os.path.lexists(self.path):
            return None
        header = read_header(self.path, "a checkpoint that a training wrote")
        if header.get("format") != FORMAT or header.get("version") != VERSION:
            raise InputError(f"{shown(self.path)} is no checkpoint of this fastcls; name the file that a training wrote")
        with self.reading():
            made_with, values = dict(json.loads(header["identity"])), dict(json.loads(header["values"]))
            arrays = {key: np.array(array) for key, array in Arrays(self.path, header).items()}  # the file will be replaced
        for what in {**made_with, **self._identity}:  # one over a cluster has more
            was, value = made_with.get(what), self._identity.get(what)
            if was != value:
                how = f"had another {what}" if what in _DIGESTS else f"had {what}={shown(was, 60)}, not {shown(value, 60)}"
                raise InputError(
                    f"the checkpoint {shown(self.path)} is of a training that {how}; repeat that training with "
                    "what it had, or name another file"
                )
        return arrays, values

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Around what takes a state from the file: whatever is not as it was written is damage."""
        try:
            yield
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
            found = f"without {reason(error)}" if isinstance(error, KeyError) else reason(error)
            raise InputError(f"the checkpoint {shown(self.path)} is damaged ({found}); delete it to start anew") from None

    def offer(self, state: Callable[[], State], *, now: bool = False) -> None:
        """Write the state if it is time to, or Ctrl-C came since."""
        if not now and not self._interrupted and time.monotonic() - self._written < self.seconds:
            return
        arrays, values = state()
        header = {"format": FORMAT, "version": VERSION, "identity": json.dumps(self._identity), "values": json.dumps(values)}
        with replacing(self.path, "the checkpoint") as beside:
            write(beside, arrays, header)
        self._written = time.monotonic()
        self._end_if_interrupted()

    def _end_if_interrupted(self) -> None:
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt(f"the training's state is in {shown(self.path)}: go on from it with resume=True")

    @contextmanager
    def through_interrupts(self) -> Iterator[None]:
        """Around a training: Ctrl-C ends it at the next `offer`, about 50 ms later, when the state is whole and written.

        A second Ctrl-C ends it at once. Only in the main thread, and where Python's own handler would be asked.
        """
        own = signal.default_int_handler
        if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not own:
            yield
            return

        def note(number: int, frame: Any) -> None:
            if self._interrupted:
                own(number, frame)
            self._interrupted = True

        self._interrupted = False
        signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, own)
        self._end_if_interrupted()  # it came behind the last offer


def identity(
    problem: LinearProblem,
    W: np.ndarray | None,
    validation: LinearProblem | None,
    random_state: np.random.RandomState | None,
) -> dict[str, Any]:
    """What makes a training the one it is, besides its solver's parameters; W: where it starts, if anywhere."""
    return {
        "random_state": None if random_state is None else _digest(of_random_state(random_state)),
        **problem.identity(),
        "start": None if W is None else digest(W),
        "validation": None if validation is None else _digest(validation.identity()),
    }


def _digest(plain: Any) -> str:
    """Of values that JSON holds."""
    return digest(np.frombuffer(json.dumps(plain, default=float).encode(), dtype=np.uint8))


def through_interrupts(checkpoint: Checkpoint | None) -> AbstractContextManager[None]:
    """`Checkpoint.through_interrupts`, if there is one."""
    return nullcontext() if checkpoint is None else checkpoint.through_interrupts()


def checked(checkpoint: Any) -> Checkpoint | None:
    """A `Checkpoint` or None."""
    if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
        raise InputError(
            f"checkpoint is {kind(checkpoint)}; an optimiser takes fastcls.optim.Checkpoint(path)", argument="checkpoint"
        )
    return checkpoint


def of_random_state(random_state: np.random.RandomState) -> list[Any]:
    """The state of a generator in plain values."""
    kind, keys, *others = random_state.get_state()
    return [kind, [int(key) for key in keys], *others]


def set_random_state(random_state: np.random.RandomState, state: list[Any]) -> None:
    """Put a generator into a state that `of_random_state` told."""
    kind, keys, position, has_gauss, gauss = state
    keys = np.array(keys, dtype=np.uint32)
    if kind != "MT19937" or keys.shape != (624,) or not 0 <= int(position) <= 624:  # NumPy would read beyond its keys
        raise ValueError("no state of a generator")
    random_state.set_state((kind, keys, int(position), int(has_gauss), float(gauss)))

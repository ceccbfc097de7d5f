"""Checks of user input for `fastcls.dask`, in the manner of ``_validation.py``."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from fastcls._validation.base import check_number
from fastcls._validation.containers import STORED_TYPES
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, kind


def require_dask() -> None:
    """One line that says what to install, if Dask's scheduler is not here."""
    if find_spec("distributed") is None:
        raise InputError('fastcls.dask needs the package distributed: install with: pip install "fastcls[dask]"')


def check_client(client: Any) -> Any:
    """The client given, or the current one, with a scheduler that answers and at least one worker."""
    require_dask()
    from distributed import Client, get_client

    if client is None:
        try:
            client = get_client()
        except ValueError:
            raise InputError(
                "no Dask cluster is there: client=None, and no client is current; start one first (client = "
                "distributed.Client(), or Client('address of the scheduler')), or pass client="
            ) from None
    if not isinstance(client, Client):
        raise InputError(f"client is {kind(client)}; wanted a distributed.Client, or None for the current one")
    if client.asynchronous:
        raise InputError("client is asynchronous; wanted one made with asynchronous=False, whose results can be waited for")
    if client.status != "running":
        raise InputError(f"client is {client.status}: its cluster is gone; connect a new one with distributed.Client(...)")
    if not client.nthreads():
        raise InputError(
            "the Dask cluster has no worker; start one (cluster.scale(1)), or wait for it with client.wait_for_workers(1)"
        )
    return client


def check_n_shards(n_shards: Any, n_rows: int) -> int:
    """How many parts the rows are cut into: none may be empty."""
    n_shards = int(check_number("n_shards", n_shards, minimum=1, whole=True))
    if n_shards > n_rows:
        raise InputError(
            f"n_shards={n_shards}, but there are only {counted(n_rows, 'row')}; ask for at most {counted(n_rows, 'shard')}"
        )
    return n_shards


def check_described(dtype: np.dtype, ndim: int, shape: Any, name: str) -> None:
    """Refuse rows that workers could not read as they lie: they are opened there, and nothing is converted."""
    if ndim != 2:
        raise InputError(
            f"{name} has {counted(ndim, 'dimension')}, shape {tuple(shape)}; wanted rows of numbers, "
            "(n_rows, n_features): reshape before saving"
        )
    if dtype.name not in STORED_TYPES or not dtype.isnative:
        raise InputError(
            f"{name} is {dtype.str if not dtype.isnative else dtype}, which workers would have to convert; "
            f"save it as one of {', '.join(STORED_TYPES)} in this machine's byte order"
        )
    if min(shape) < 1:
        raise InputError(f"{name} is empty: shape {tuple(shape)}; wanted at least one row and one feature")


def check_reachable(is_direct: bool, n_bytes: int, most: int) -> None:
    """Refuse rows of this process's memory that only the scheduler could pass on."""
    if not is_direct:
        raise InputError(
            f"X holds {n_bytes:,} bytes in this process's memory, and with direct_to_workers=False all above {most:,} would "
            "pass through the scheduler: save them where the workers see them (np.save) and pass the .npy path, or make "
            "the client without that option"
        )


def check_unchanged(is_same: bool) -> None:
    """Refuse to send rows again, to a new worker, that are not those of the fit."""
    if not is_same:
        raise InputError("X was changed after fit, and a worker needs its rows again; fit again, and leave X as it is")


def check_contiguous(array: np.ndarray, name: str) -> None:
    """Refuse a part of a memory map that is no run of whole rows."""
    if not array.flags.c_contiguous:
        raise InputError(
            f"{name} does not lie row after row in its file (some are left out, or it was saved in Fortran "
            "order); workers open runs of whole rows: save np.ascontiguousarray of it first"
        )


def check_not_private(mode: str, name: str) -> None:
    """Refuse a copy-on-write map: what was changed in it no worker would see."""
    if mode == "c":
        raise InputError(f"{name} is a copy-on-write memory map, whose changes no worker sees; open it with mmap_mode='r'")


def check_alike(first: Any, other: Any, name: str, first_name: str) -> None:
    """Parts of one set of rows have one type and one width."""
    if other.n_features != first.n_features:
        raise InputError(
            f"{name} has {counted(other.n_features, 'feature')}, {first_name} has {first.n_features}; "
            "give parts of one "
            "width"
        )
    if other.dtype != first.dtype:
        raise InputError(f"{name} is {other.dtype} and {first_name} is {first.dtype}; convert the parts to one type first")


def check_labels_alike(parts: list[np.ndarray], name: str) -> None:
    """Refuse labels that NumPy would join to what none of them was: numbers become text, truth values numbers."""
    for i, part in enumerate(parts):
        if part.ndim != 1:
            raise InputError(
                f"{name}[{i}] has {counted(part.ndim, 'dimension')}, shape {part.shape}; wanted one label a row"
            )
        if len({"i" if kind == "u" else kind for kind in (parts[0].dtype.kind, part.dtype.kind)}) > 1:
            raise InputError(f"{name}[{i}] is {part.dtype} and {name}[0] is {parts[0].dtype}; save labels of one kind")


def check_solver_of_shards(solver: Any) -> None:
    """Solvers that need no more of the rows than sums over them."""
    good = ("sgd", "gd", "lbfgs")
    if solver not in good:
        raise InputError(
            f"solver={solver!r} over a cluster; choose one of: {', '.join(good)} (fastcls.{{SoftmaxClassifier, "
            "MulticlassSVM} have the others)"
        )

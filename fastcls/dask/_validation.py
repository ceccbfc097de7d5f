"""Checks of user input for `fastcls.dask`."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from fastcls._validation.base import check_number
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, kind, only
from fastcls._validation.types import STORED_TYPES, name_of
from fastcls.optim import SOLVERS


def require_dask() -> None:
    """Refuse, naming what to install, if the package distributed is missing."""
    if find_spec("distributed") is None:
        raise InputError('fastcls.dask needs the package distributed: pip install "fastcls[dask]"')


def check_client(client: Any) -> Any:
    """The given client, or the current one, if its scheduler answers and it has at least one worker."""
    require_dask()
    from distributed import Client, get_client

    if client is None:
        try:
            client = get_client()
        except ValueError:
            raise InputError(
                "client=None, and there is no current Dask client: start one (distributed.Client(), or "
                "distributed.Client('address of the scheduler')), or pass client="
            ) from None
    if not isinstance(client, Client):
        raise InputError(f"client is {kind(client)}; wanted a distributed.Client, or None for the current one")
    if client.asynchronous:
        raise InputError("client is asynchronous; wanted a synchronous one: create it with asynchronous=False")
    if client.status != "running":
        raise InputError(f"client is {client.status}: its cluster is gone; connect a new one with distributed.Client(...)")
    if not client.nthreads():
        raise InputError(
            "the Dask cluster has no worker: start one (cluster.scale(1)), or wait for one (client.wait_for_workers(1))"
        )
    return client


def check_n_shards(n_shards: Any, n_rows: int) -> int:
    """The number of shards, at most one per row."""
    n_shards = int(check_number("n_shards", n_shards, minimum=1, whole=True))
    if n_shards > n_rows:
        raise InputError(f"n_shards={n_shards}, but {only(n_rows, 'row')}; choose at most {counted(n_rows, 'shard')}")
    return n_shards


def check_described(dtype: np.dtype, ndim: int, shape: Any, name: str) -> None:
    """Refuse rows that workers could not use unconverted."""
    if ndim != 2:
        raise InputError(
            f"{name} has {counted(ndim, 'dimension')}, shape {tuple(shape)}; wanted rows of numbers, "
            "(n_rows, n_features): reshape before saving"
        )
    if name_of(dtype) not in STORED_TYPES or not dtype.isnative:
        raise InputError(
            f"{name} is {dtype.str if not dtype.isnative else dtype}, which workers cannot use unconverted; "
            f"save it as one of {', '.join(STORED_TYPES)} in this machine's byte order"
        )
    if min(shape) < 1:
        raise InputError(f"{name} is empty: shape {tuple(shape)}; wanted at least one row and one feature")


def check_reachable(is_direct: bool, n_bytes: int, most: int) -> None:
    """Refuse rows in this process's memory that would have to pass through the scheduler."""
    if not is_direct:
        raise InputError(
            f"X holds {n_bytes:,} bytes in this process's memory; with direct_to_workers=False more than {most:,} "
            "bytes would pass through the scheduler: save X where the workers can read it (np.save) and pass the .npy "
            "path, or create the client without direct_to_workers=False"
        )


def check_unchanged(is_same: bool) -> None:
    """Refuse to send rows to a new worker if they have changed since fit."""
    if not is_same:
        raise InputError(
            "X was changed after fit, and a new worker needs its rows: fit again, and do not change X afterwards"
        )


def check_contiguous(array: np.ndarray, name: str) -> None:
    """Refuse a slice of a memory map that is not a contiguous run of rows."""
    if not array.flags.c_contiguous:
        raise InputError(
            f"{name} is not a contiguous run of rows of its file (rows are skipped, or the file is in Fortran order): save "
            f"np.ascontiguousarray({name}) and pass that file"
        )


def check_not_private(mode: str, name: str) -> None:
    """Refuse a copy-on-write map: workers would not see changes made to it."""
    if mode == "c":
        raise InputError(
            f"{name} is a copy-on-write memory map, and workers do not see its changes: open it with mmap_mode='r'"
        )


def check_alike(first: Any, other: Any, name: str, first_name: str) -> None:
    """Refuse parts of different widths or types."""
    if other.n_features != first.n_features:
        raise InputError(
            f"{name} has {counted(other.n_features, 'feature')} and {first_name} has {first.n_features:,}; wanted the same "
            "number in all parts"
        )
    if other.dtype != first.dtype:
        raise InputError(f"{name} is {other.dtype} and {first_name} is {first.dtype}: convert them to one type")


def check_labels_alike(parts: list[np.ndarray], name: str) -> None:
    """Refuse labels of different kinds: NumPy would turn numbers into strings and booleans into numbers."""
    for i, part in enumerate(parts):
        if part.ndim != 1:
            raise InputError(
                f"{name}[{i}] has {counted(part.ndim, 'dimension')}, shape {part.shape}; wanted one label per row"
            )
        if len({"i" if kind == "u" else kind for kind in (parts[0].dtype.kind, part.dtype.kind)}) > 1:
            raise InputError(f"{name}[{i}] is {part.dtype} and {name}[0] is {parts[0].dtype}: save all labels as one kind")


def check_solver_of_shards(solver: Any) -> None:
    """Refuse solvers that do not descend by sums over the rows."""
    good = [name for name, row in SOLVERS.items() if row.uses_gradient]
    if solver not in good:
        raise InputError(
            f"solver={solver!r} is not available over a cluster; choose one of: {', '.join(good)} "
            "(fastcls.SoftmaxClassifier and fastcls.MulticlassSVM have the others)"
        )

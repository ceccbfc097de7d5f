"""Both families over the workers of a Dask cluster: `KNeighborsClassifier`, `SoftmaxClassifier`, `MulticlassSVM`.

Needs the extra ``dask`` (distributed). Workers open the rows themselves, or receive them from the client's memory; no
training row passes through the scheduler. Neighbours are those of one process, byte for byte, and fitted weights have the
same bits for any number of workers. docs/dask.md explains usage, worker failures and planning for size.

::

    _neighbors   _linear ── _problem      the estimators; the sums of a training
         └─────────┴───────────┴── _workers   shards and their owners; round trips to all of them
                                     _tasks     what runs on workers: open shards, search them, sum over them
      _estimator   a client that is never copied    _merge     merge the results of shards
      _validation  checks of client and shards      _sources   rows that are described, or sent
"""

from __future__ import annotations

from ._linear import MulticlassSVM, SoftmaxClassifier
from ._neighbors import KNeighborsClassifier
from ._workers import ClusterError

__all__ = ["ClusterError", "KNeighborsClassifier", "MulticlassSVM", "SoftmaxClassifier"]

"""Both families over the workers of a Dask cluster: `KNeighborsClassifier`, `SoftmaxClassifier`, `MulticlassSVM`.

Needs the extra ``dask`` (distributed). Rows are described and opened by the workers, or sent to them from the client's
memory; no training row passes through the scheduler. Neighbours are those of one process, byte for byte, and fitted weights
have the same bits for any number of workers. docs/dask.md tells how to use it, what happens when a worker dies, and what
to plan for size.

::

    _neighbors   _linear ── _problem      the estimators; the sums of a training
         └─────────┴───────────┴── _workers   shards and their owners; round trips to all of them
                                     _tasks     what runs on workers: shards opened, searched, summed over
      _estimator   client never copied          _merge     results of shards made one
      _validation  checks of client and shards  _sources   rows described, or sent
"""

from __future__ import annotations

from ._linear import MulticlassSVM, SoftmaxClassifier
from ._neighbors import KNeighborsClassifier
from ._workers import ClusterError

__all__ = ["ClusterError", "KNeighborsClassifier", "MulticlassSVM", "SoftmaxClassifier"]

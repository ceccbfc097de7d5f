"""Both families over the workers of a Dask cluster: `KNeighborsClassifier`, `SoftmaxClassifier`, `MulticlassSVM`.

Needs the extra ``dask`` (distributed). Rows are described and opened by the workers, or sent to them from the client's
memory; no training row passes through the scheduler. Neighbours are those of one process, byte for byte, and fitted weights
have the same bits for any number of workers. docs/dask.md tells how to use it, what happens when a worker dies, and what
to plan for size.

::

    _neighbors   _linear ── _problem      what users call; the sums of a training
         └─────────┴───────────┴── _crew      shards at home on workers, rounds of questions to all of them
                                     _work      what runs on workers: shards opened, searched, summed over
      _estimator   client never copied          _merge     results of shards made one       _inputs   rows described
"""

from __future__ import annotations

from ._crew import ClusterError
from ._linear import MulticlassSVM, SoftmaxClassifier
from ._neighbors import KNeighborsClassifier

__all__ = ["ClusterError", "KNeighborsClassifier", "MulticlassSVM", "SoftmaxClassifier"]

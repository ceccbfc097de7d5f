"""Files that are written whole or not at all, and read as untrusted data.

``atomic.py`` writes any file, ``safetensors.py`` reads and writes arrays with checksums, ``external_rows.py`` finds rows
that stay in files of their own, ``header.py`` describes a model in JSON, ``saving.py`` is `save` of the estimators,
``once.py`` does a check once for all threads and forked processes.
"""

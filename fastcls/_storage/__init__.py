"""Files that are written whole or not at all, and read as untrusted data.

``atomic.py`` writes any file, ``digest.py`` computes checksums, ``safetensors.py`` reads and writes arrays with them,
``external_rows.py`` finds rows that stay in files of their own, ``header.py`` describes a model in JSON, ``saving.py``
saves and restores estimators, ``once.py`` does a check once for all threads and forked processes, and ``csv.py`` writes
tables that are safe to open.
"""

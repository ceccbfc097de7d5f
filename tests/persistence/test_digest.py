"""Checksums of arrays: of type, shape and bytes, however the array is cut, and never of all bytes at once."""

import hashlib

import numpy as np
import pytest

from fastcls._storage import digest as module
from fastcls._storage.digest import chunks, digest

ROWS = np.arange(60, dtype=np.int16).reshape(10, 6)


def test_a_checksum_is_that_of_type_shape_and_bytes():
    wanted = hashlib.blake2b(b"<i2 (10, 6)" + ROWS.tobytes(), digest_size=16).hexdigest()
    assert digest(ROWS) == wanted
    assert digest(ROWS[:3], ROWS[3:4], ROWS[4:]) == wanted
    assert digest(np.asfortranarray(ROWS)) == wanted
    assert digest(np.array(7.0)) == hashlib.blake2b(b"<f8 ()" + np.array(7.0).tobytes(), digest_size=16).hexdigest()
    others = (ROWS.reshape(6, 10), ROWS.view(np.uint16), ROWS[:9], ROWS + np.int16(1))
    assert len({wanted, *map(digest, others)}) == 5


@pytest.mark.parametrize(("most", "rows"), [(1, 1), (12, 1), (23, 1), (24, 2), (36, 3), (119, 9), (120, 10), (500, 10)])
def test_chunks_are_whole_rows_of_at_most_the_limit_or_one_row(most, rows, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_BYTES", most)
    found = [bytes(chunk) for chunk in chunks([ROWS])]
    assert b"".join(found) == ROWS.tobytes()
    assert len(found[0]) == rows * 12
    assert len(found) == -(-10 // rows)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), ()])
def test_an_array_without_values_has_a_checksum(shape):
    empty = np.zeros(shape)
    assert digest(empty) == hashlib.blake2b(f"<f8 {shape}".encode() + empty.tobytes(), digest_size=16).hexdigest()

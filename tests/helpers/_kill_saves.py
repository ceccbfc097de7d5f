"""Kill processes at random moments of `save`, and look at what is there: ``python tests/helpers/_kill_saves.py [COUNT]``.

A child saves two models in turn to one path, without end, until SIGKILL. Then the file must be one of the two, whole; what
else is in the folder must be hidden, and refused by load unless only the rename was missing. Ends with
status 1 at the first that is not so, and prints how many kills came in the middle of a write: those that left such a file.
"""

import os
import random
import re
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np

import fastcls
from fastcls._validation.errors import InputError

ROWS, FEATURES = 4000, 512  # 2 MB: a save takes some ms, most of them on the way to the disk


def models():
    """Two k-NN models that differ in every row."""
    X = np.random.default_rng(0).integers(0, 255, (ROWS, FEATURES), dtype=np.uint8)
    y = np.arange(ROWS) % 7
    return [fastcls.KNeighborsClassifier(k, algorithm="brute").fit(X + np.uint8(k), y) for k in (1, 2)]


def which(path, made):
    """The number of the model that lies there; an error if it is none of them to the last byte."""
    found = fastcls.load(path)
    number = found.n_neighbors - 1
    wanted = made[number]
    assert np.array_equal(found._rows.chunks[0], wanted._rows.chunks[0])
    assert np.array_equal(found._codes, wanted._codes)
    assert found.metadata_ == {"number": number}
    return number


def is_whole(path, made):
    """Whether what a killed process left is a model that only lacks its name; any other file must be refused."""
    try:
        which(path, made)
    except InputError:
        return False
    return True


def save_without_end(made, path, begun):
    for number in [1, 0] * 1_000_000:
        made[number].save(path, metadata={"number": number})
        os.write(begun, b".")


def bytes_in(room):
    """The sizes of all files, of those that come and go too."""
    total = 0
    for entry in os.scandir(room):
        with suppress(FileNotFoundError):
            total += entry.stat().st_size
    return total


def killed_once(made, path, share, looks):
    """Start a child that saves; once it has finished a file, kill it when this share of another is written, or soon after.

    What is written so far is what the folder holds beyond whole files. `looks` more looks at it delay the kill.
    """
    size = path.stat().st_size
    heard, begun = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            save_without_end(made, path, begun)
        finally:
            os._exit(1)
    os.close(begun)
    n_saved = len(os.read(heard, 1))
    while bytes_in(path.parent) % size < share * size:
        pass
    for _ in range(looks):
        bytes_in(path.parent)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"the child ended by itself: {status}"
    while more := os.read(heard, 4096):
        n_saved += len(more)
    os.close(heard)
    return n_saved


def main(count):
    made, chance = models(), random.Random(0)
    found, in_the_middle, n_whole = {0: 0, 1: 0}, 0, 0
    with tempfile.TemporaryDirectory() as room:
        path = Path(room) / "model.safetensors"
        made[0].save(path, metadata={"number": 0})
        for _ in range(count):
            killed_once(made, path, chance.uniform(0, 0.99), chance.choice([0, 0, 30, 300]))
            found[which(path, made)] += 1
            others = [entry for entry in Path(room).iterdir() if entry != path]
            in_the_middle += bool(others)
            for entry in others:
                assert re.fullmatch(r"\.model\.safetensors\.[0-9a-f]{8}\.partial", entry.name), entry.name
                n_whole += is_whole(entry, made)
                entry.unlink()
            assert [entry.name for entry in Path(room).glob("*.safetensors")] == [path.name]
            made[0].save(path, metadata={"number": 0})  # a save after the kill works as ever
            assert which(path, made) == 0
    print(
        f"{count} kills, {in_the_middle} in the middle of a write ({n_whole} of them behind its last byte); then the file "
        f"was {found[0]} times the one model and {found[1]} times the other, each whole"
    )
    return in_the_middle


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)

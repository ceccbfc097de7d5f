"""A k-NN model whose training rows stay in files next to it: the same answers, and only those files are opened."""

import json
import os

import numpy as np
import pytest
from _models import answers, refusal, rewritten, rows

import fastcls
from fastcls._storage import safetensors
from fastcls._validation.errors import InputError


def model_on_files(folder, n=20_000, dtype="uint8", parts=1):
    """A model on memory maps of files in the folder, and the same on arrays."""
    X, y = rows(dtype, n=n, d=64), np.arange(n) % 3
    model = fastcls.KNeighborsClassifier(3)
    for number, (part, labels) in enumerate(zip(np.array_split(X, parts), np.array_split(y, parts), strict=True)):
        np.save(folder / f"rows-{number}.npy", part)
        model.partial_fit(np.load(folder / f"rows-{number}.npy", mmap_mode="r"), labels, classes=np.arange(3))
    return model, fastcls.KNeighborsClassifier(3).fit(X, y), X


@pytest.mark.parametrize(("dtype", "parts"), [("uint8", 1), ("float32", 1), ("uint8", 3)])
def test_rows_stay_in_their_own_files(tmp_path, dtype, parts):
    model, right, X = model_on_files(tmp_path, n=200_000, dtype=dtype, parts=parts)
    model.save(tmp_path / "m", rows="external")
    assert (tmp_path / "m").stat().st_size < X.nbytes / 4
    again = fastcls.load(tmp_path / "m")
    assert len(again._rows.chunks) == parts
    assert all(isinstance(chunk, np.memmap) and not chunk.flags.writeable for chunk in again._rows.chunks)
    assert answers(again, X[:20]) == answers(right, X[:20])
    again.save(tmp_path / "again", rows="external")  # a loaded model knows its files
    (tmp_path / "moved").mkdir()
    for name in ("m", *(f"rows-{number}.npy" for number in range(parts))):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    assert answers(fastcls.load(tmp_path / "moved" / "m"), X[:20]) == answers(right, X[:20])


def test_part_of_a_memory_map_can_be_external(tmp_path):
    model, _, X = model_on_files(tmp_path)
    part = fastcls.NearestNeighbors(3).fit(model._rows.chunks[0][5000:15_000])
    part.save(tmp_path / "m", rows="external")
    assert answers(fastcls.load(tmp_path / "m"), X[:9]) == answers(fastcls.NearestNeighbors(3).fit(X[5000:15_000]), X[:9])


def test_rows_that_cannot_stay_external_are_refused(tmp_path):
    model, in_memory, _ = model_on_files(tmp_path)
    before = sorted(entry.name for entry in tmp_path.iterdir())
    with pytest.raises(InputError, match=r"rows='external' .* 20,000 rows of this model are in memory.*rows='embedded'"):
        in_memory.save(tmp_path / "m", rows="external")
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match=r"rows='external' .*rows-0.npy' is not in .*other'"):
        model.save(tmp_path / "other" / "m", rows="external")
    with pytest.raises(InputError, match="rows='linked' is unknown; choose one of: embedded, external"):
        model.save(tmp_path / "m", rows="linked")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([*before, "other"])


def test_files_of_rows_that_changed_are_refused(tmp_path):
    model, _, X = model_on_files(tmp_path)
    path, file = tmp_path / "m", tmp_path / "rows-0.npy"
    model.save(path, rows="external")
    whole = file.read_bytes()
    del model
    file.write_bytes(whole[:-1])
    assert "has 1,280,127 bytes; it had 1,280,128" in refusal(path)
    file.write_bytes(whole[:-1] + b"x")  # of the right size: found before the first search
    with pytest.raises(InputError, match=r"training data in .* is corrupt \(checksum mismatch\)"):
        fastcls.load(path).predict(X[:1])
    file.unlink()
    assert "cannot be opened: No such file" in refusal(path)


@pytest.mark.skipif(os.name != "posix", reason="links and pipes as POSIX has them")
def test_only_regular_files_are_opened(tmp_path):
    model, _, _ = model_on_files(tmp_path)
    path, file = tmp_path / "m", tmp_path / "rows-0.npy"
    model.save(path, rows="external")
    file.rename(tmp_path / "elsewhere.npy")
    file.symlink_to("elsewhere.npy")
    assert "is a link, a folder or a device" in refusal(path)
    file.unlink()
    file.mkdir()
    assert "is a link, a folder or a device" in refusal(path)
    file.rmdir()
    os.mkfifo(file)
    assert "is a link, a folder or a device" in refusal(path)


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="links as POSIX has them")
def test_a_link_that_is_put_there_after_the_look_is_not_followed(tmp_path, monkeypatch):
    model, _, _ = model_on_files(tmp_path)
    path, file = tmp_path / "m", tmp_path / "rows-0.npy"
    model.save(path, rows="external")
    look = type(file).lstat

    def exchanged(self):
        found = look(self)
        monkeypatch.undo()
        file.rename(tmp_path / "elsewhere.npy")
        file.symlink_to("elsewhere.npy")
        return found

    monkeypatch.setattr(type(file), "lstat", exchanged)
    assert "cannot be opened" in refusal(path)


FILES = [
    ({"name": "../rows-0.npy"}, "wanted a plain file name"),
    ({"name": ".."}, "wanted a plain file name"),
    ({"name": "/etc/passwd"}, "wanted a plain file name"),
    ({"name": ""}, "wanted a plain file name"),
    ({"name": "a\0b"}, "wanted a plain file name"),
    ({"name": 7}, "wanted a plain file name"),
    ({"name": None}, "wanted a plain file name"),
    ({"offset": -64}, "has invalid sizes"),
    ({"offset": True}, "has invalid sizes"),
    ({"offset": 10**30}, "do not fit"),
    ({"offset": 129}, "do not fit"),
    ({"shape": [20_000, 65]}, "do not fit"),
    ({"shape": [0, 64]}, "has invalid sizes"),
    ({"shape": [20_000]}, "has invalid sizes"),
    ({"shape": 7}, "is damaged"),
    ({"bytes": 10}, "do not fit"),
    ({"bytes": "1"}, "has invalid sizes"),
    ({"shape": [19_999, 65]}, "do not fit"),
    ({"shape": [20_000, 32]}, "arrays have 32 features"),
]


@pytest.mark.parametrize(("changes", "why"), FILES, ids=lambda value: str(value)[:40])
def test_a_model_that_names_a_file_outside_its_folder_is_refused(tmp_path, changes, why):
    (tmp_path / "inner").mkdir()
    model, _, _ = model_on_files(tmp_path / "inner")
    path = tmp_path / "inner" / "m"
    model.save(path, rows="external")
    (tmp_path / "rows-0.npy").write_bytes((tmp_path / "inner" / "rows-0.npy").read_bytes())
    values = json.loads(safetensors.read_header(path, "a model")["values"])
    values["X"]["files"][0] |= changes
    assert why in refusal(rewritten(path, {"values": json.dumps(values)}))


@pytest.mark.parametrize(
    "rows_of", [{}, {"dtype": "object"}, {"files": []}, {"files": "rows-0.npy"}, {"files": [7]}, {"digest": None}], ids=str
)
def test_wrong_descriptions_of_external_rows_are_refused(tmp_path, rows_of):
    model, _, X = model_on_files(tmp_path)
    model.save(tmp_path / "m", rows="external")
    values = json.loads(safetensors.read_header(tmp_path / "m", "a model")["values"])
    values["X"] = values["X"] | rows_of if rows_of else {}
    rewritten(tmp_path / "m", {"values": json.dumps(values)})
    if "digest" in rows_of:
        with pytest.raises(InputError, match=r"training data in .* is corrupt \(checksum mismatch\)"):
            fastcls.load(tmp_path / "m").predict(X[:1])
    else:
        assert "is damaged" in refusal(tmp_path / "m")

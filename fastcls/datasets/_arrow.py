"""Load Parquet, Arrow and Feather files, and folders saved by Hugging Face's datasets (extra ``formats``).

pyarrow reads all of them; the datasets library is not needed. Only the columns in use are decoded, one at a time, after the
number of their values was compared with the free memory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._runtime import memory
from fastcls._runtime.pacing import Progress
from fastcls._validation.errors import InputError, is_of_caller
from fastcls._validation.messages import counted, quoted, reason
from fastcls.datasets._columns import Column, Kind, Table, no_value, of_features, refuse_repeated, too_large, without
from fastcls.datasets._common import existing_path, file_size, name_of, note_left_out, noting
from fastcls.datasets._dataset import Dataset
from fastcls.datasets._folder import OnError
from fastcls.datasets._parquet_footer import column_chunks
from fastcls.datasets._tables import load_tables

_PARQUET, _ARROW = (".parquet", ".pq"), (".arrow", ".feather", ".ipc")
SUFFIXES = (*_PARQUET, *_ARROW)
#: part of the name of a type -> how to make it a feature
_HINTS = {
    "decimal": "cast it to float64",
    "null": "fill it",
    "binary": "store numbers as lists, and images as structs of bytes and path",
}
_MAX_INFO_BYTES = 1 << 24
_OLDEST = 15  # pyarrow 14.0.0 and older run code from a file (CVE-2023-47248)


def is_arrow(path: Path) -> bool:
    """Tell whether `path` is a Parquet, Arrow or Feather file."""
    return path.is_file() and path.suffix.lower() in SUFFIXES


def is_saved_dataset(path: Path) -> bool:
    """Tell whether `path` is a folder that Hugging Face's datasets saved."""
    return (path / "dataset_dict.json").is_file() or (path / "state.json").is_file()


@noting
def load_arrow(
    path: str | os.PathLike[str],
    *,
    labels: Any = None,
    features: str | None = None,
    drop: Any = None,
    image_size: int | None = None,
    on_error: OnError = "raise",
    progress: Progress | None = None,
) -> Dataset:
    """Load a Parquet, Arrow or Feather file, or a folder written by ``save_to_disk`` of Hugging Face's datasets.

    Parameters
    ----------
    path : path
        Features are one column of lists of one length (called ``features``, ``embedding`` or the like if there are
        several), or one column of images (structs of bytes and path), or one column of numbers each. Labels are the column
        ``label``, ``y``, ``target`` or ``class``, or the only column of classes or of text. A column ``split`` with the
        values train and test divides the rows; of a saved ``DatasetDict``, train and test are read. Columns that name or
        number the rows are left out, as by ``load_csv``.
    labels : name, path or array-like, optional
        The name of the column with the labels, or labels from elsewhere.
    features : str, optional
        The name of the column with the features, of several of lists; no other column is one then.
    drop : str or sequence of str, optional
        Names of columns to leave out, such as all but one of several columns of lists.
    image_size, on_error, progress
        As for ``load_image_folder``, for columns of images.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If lists differ in length, values are missing or not finite (the row and the column are named), columns have
        another type, the file is damaged or does not fit into memory, or pyarrow is not installed.
    """
    found = existing_path(path, wanted="a Parquet or Arrow file, or a saved dataset")
    options: dict[str, Any] = {"labels": labels, "image_size": image_size, "on_error": on_error, "progress": progress}
    if found.is_file():
        table = of_features(without(read_arrow(found), drop), features, labels)
        return load_tables(table, name=name_of(found), **options)
    train, test = _saved_parts(found)
    table = of_features(without(_saved(train), drop), features, labels)
    test_table = None if test is None else of_features(without(_saved(test), drop, must_exist=False), features, labels)
    return load_tables(table, test_table, name=name_of(found), **options)


def pyarrow_for(what: str) -> Any:
    """The pyarrow package, to read `what`."""
    try:
        import pyarrow
    except ImportError:
        raise InputError(f"reading {what} needs pyarrow, which is not installed: pip install 'fastcls[formats]'") from None
    if int(pyarrow.__version__.split(".")[0]) < _OLDEST:
        raise InputError(
            f"pyarrow {pyarrow.__version__} can run code from a file and is not used: pip install 'pyarrow>={_OLDEST}'"
        )
    return pyarrow


@contextmanager
def _reading(where: str) -> Iterator[None]:
    """Refuse in one line what pyarrow cannot read: damaged bytes can make it fail in any way."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if is_of_caller(error):
            raise
        raise InputError(
            f"{where} cannot be read ({reason(error)}): it is of another kind, or damaged; write it again"
        ) from None


# files ----------------------------------------------------------------------------------------------------------------


def read_arrow(file: Path) -> Table:
    """The columns of a Parquet, Arrow or Feather file; their values are read later."""
    file_size(file)
    if file.suffix.lower() in _PARQUET:
        return _of_parquet(file)
    return of_arrow(_ipc([file]), quoted(file))


def _of_parquet(file: Path) -> Table:
    pyarrow_for("Parquet")
    import pyarrow as pa
    import pyarrow.parquet

    with _reading(quoted(file)):
        opened = pa.parquet.ParquetFile(file)
        schema = opened.schema_arrow
        text = [field.name for field in schema if _kind_of(field.type) == "text"]
        opened = pa.parquet.ParquetFile(file, read_dictionary=text)  # a long label is not repeated for every row
        n_rows, classes = opened.metadata.num_rows, _classes_in((schema.metadata or {}).get(b"huggingface", b"{}"), "info")

    def chunks(name: str) -> Iterator[Any]:
        for group in range(opened.num_row_groups):
            yield from opened.read_row_group(group, columns=[name], use_threads=False).column(0).chunks

    with _reading(quoted(file)):
        fields = [(field.name, field.type) for field in schema]
        sizes = _sizes_of(file, [name for name, _ in fields])
        return _table(fields, n_rows, chunks, sizes.__getitem__, quoted(file), classes)


def _sizes_of(file: Path, names: Sequence[str]) -> dict[str, int]:
    """Bytes of each column once it is decoded; those of a list or a struct are one or several parts, ``name.part``."""
    sizes = dict.fromkeys(names, 0)
    for path, n_values, uncompressed in column_chunks(file):
        dots = [place for place, character in enumerate(path) if character == "."]
        for name in [path[:end] for end in (*dots, len(path))]:
            if name in sizes:
                sizes[name] += max(n_values * 8, uncompressed)
    return sizes


def _ipc(files: Sequence[Path]) -> Any:
    """The table in Arrow files, on memory maps; its structure is validated, because pyarrow trusts it."""
    pa = pyarrow_for("Arrow")
    tables: list[Any] = []
    for file in files:
        with _reading(quoted(file)):
            source = pa.memory_map(str(file))
            is_file = file.open("rb").read(6) == b"ARROW1"
            reader = pa.ipc.open_file(source) if is_file else pa.ipc.open_stream(source)
            batches = []
            for batch in map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader:
                batch.validate(full=True)
                batches.append(batch)
                if not memory.fits(pa.total_allocated_bytes()):
                    raise too_large(quoted(file))
            tables.append(pa.Table.from_batches(batches, reader.schema))
    with _reading(quoted(files[-1])):
        return pa.concat_tables(tables)


def of_arrow(table: Any, where: str, info: bytes = b"{}") -> Table:
    """The columns of a table of pyarrow; `info` is the description that Hugging Face's datasets writes."""
    with _reading(where):
        metadata = (table.schema.metadata or {}).get(b"huggingface")
        classes = _classes_in(info, None) | (_classes_in(metadata, "info") if metadata else {})
        fields = [(field.name, field.type) for field in table.schema]
        return _table(
            fields,
            table.num_rows,
            lambda name: iter(table.column(name).chunks),
            lambda name: table.column(name).nbytes,
            where,
            classes,
        )


# folders of Hugging Face's datasets -----------------------------------------------------------------------------------


def _saved_parts(folder: Path) -> tuple[Path, Path | None]:
    """The folders of the training and of the test rows of a saved dataset."""
    if not (folder / "dataset_dict.json").is_file():
        return folder, None
    splits = _json(folder / "dataset_dict.json").get("splits")
    names = [name for name in splits if isinstance(name, str)] if isinstance(splits, list) else []
    safe = [name for name in names if name not in ("", ".", "..") and os.path.basename(name) == name]
    train = next((name for name in safe if name.lower() in ("train", "training")), safe[0] if len(safe) == 1 else None)
    if train is None:
        raise InputError(f"{quoted(folder)} has the splits {names or 'none'}, but no 'train': give the folder of one split")
    test = next((name for name in safe if name.lower() in ("test", "testing")), None)
    others = sorted({*safe} - {train, test})
    note_left_out(quoted(folder), others, quoted(train) if test is None else f"{quoted(train)} and {quoted(test)}")
    return folder / train, None if test is None else folder / test


def _saved(folder: Path) -> Table:
    listed = _json(folder / "state.json").get("_data_files")
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    names: list[str] = [entry["filename"] for entry in entries if isinstance(entry.get("filename"), str)]
    if not names or len(names) < len(entries) or not all(os.path.basename(name) == name for name in names):
        raise InputError(f"{quoted(folder)} lists no files of its own in state.json: save the dataset again")
    for name in names:
        file_size(folder / name)
    info = folder / "dataset_info.json"
    return of_arrow(_ipc([folder / name for name in names]), quoted(folder), _bytes(info) if info.is_file() else b"{}")


def _bytes(path: Path) -> bytes:
    if file_size(path) > _MAX_INFO_BYTES:
        raise InputError(f"{quoted(path)} is larger than {_MAX_INFO_BYTES:,} bytes: save the dataset again")
    return path.read_bytes()


def _json(path: Path) -> dict[str, Any]:
    with _reading(quoted(path)):
        found = json.loads(_bytes(path))
    return found if isinstance(found, dict) else {}


def _classes_in(text: bytes, key: str | None) -> dict[str, list[str]]:
    """Column -> names of its classes, from the description that Hugging Face's datasets writes."""
    try:
        described = json.loads(text)
        features = (described[key] if key else described)["features"]
        return {
            name: [str(label) for label in feature["names"]]
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and feature.get("names")
        }
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return {}


# columns --------------------------------------------------------------------------------------------------------------


def _table(
    fields: Sequence[tuple[str, Any]],
    n_rows: int,
    chunks: Callable[[str], Iterator[Any]],
    size: Callable[[str], int],
    where: str,
    classes: dict[str, list[str]],
) -> Table:
    if not n_rows:
        raise InputError(f"{where} has no rows: give at least one")
    names = [name for name, _ in fields]
    refuse_repeated(names, where)

    def values(name: str, what: Kind) -> Any:
        readers: dict[Kind, Callable[[Iterator[Any], str], Any]] = {"text": _text, "images": _images}
        with _reading(where):
            if not memory.fits(size(name)):
                raise too_large(where)
            read: Callable[[Iterator[Any], str], Any] = readers.get(what, _numbers)
            found = read(chunks(name), f"{where}: the column {quoted(name)}")
        if len(found) != n_rows:
            raise InputError(
                f"{where}: the column {quoted(name)} has {len(found):,} of {n_rows:,} rows: write the file again"
            )
        return found

    columns = []
    for name, type_ in fields:
        what = _kind_of(type_)
        hint = next((text for word, text in _HINTS.items() if word in str(type_)), None)
        shown = "text" if what == "text" else str(type_)
        column = Column(name, what, shown, lambda name=name, what=what: values(name, what), classes.get(name), hint=hint)  # type: ignore[misc]
        columns.append(column._replace(is_category=_is_dictionary(type_)))
    return Table(where, n_rows, columns)


def _storage(type_: Any) -> Any:
    return getattr(type_, "storage_type", type_)


def _is_dictionary(type_: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_dictionary(_storage(type_)))


def _is_list(types: Any, type_: Any) -> bool:
    return str(type_).startswith(("list", "large_list", "fixed_size_list")) and types.is_nested(type_)  # and views


def _kind_of(type_: Any) -> Kind:
    import pyarrow.types as types

    type_ = _storage(type_)
    if types.is_integer(type_) or types.is_floating(type_) or types.is_boolean(type_):
        return "numbers"
    inner = type_.value_type if types.is_dictionary(type_) else type_
    if types.is_string(inner) or types.is_large_string(inner) or "string_view" in str(inner):
        return "text"
    if types.is_struct(type_) and type_.get_field_index("bytes") >= 0:
        return "images"
    while _is_list(types, inner):
        inner = _storage(inner.value_type)
    if types.is_dictionary(type_):
        return "numbers" if types.is_integer(inner) or types.is_floating(inner) else "other"
    is_number = types.is_integer(inner) or types.is_floating(inner) or types.is_boolean(inner)
    return "vectors" if inner is not type_ and is_number else "other"


def _numbers(chunks: Iterator[Any], what: str) -> np.ndarray:
    """Numbers (n,), or lists of one length as (n, d) or (n, h, w, ...)."""
    parts: list[np.ndarray] = []
    done = 0
    for chunk in chunks:
        if len(chunk):
            parts.append(_of_chunk(chunk, what, done, parts[0].shape[1:] if parts else None))
            done += len(chunk)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _of_chunk(chunk: Any, what: str, first: int, wanted: tuple[int, ...] | None) -> np.ndarray:
    import pyarrow.compute as pc
    import pyarrow.types as types

    shape: list[int] = [len(chunk)]
    while True:
        chunk = getattr(chunk, "storage", chunk)
        if types.is_dictionary(chunk.type):
            chunk = chunk.dictionary_decode()
        per_row = max(1, len(chunk) // shape[0])
        if chunk.null_count:
            at = int(np.argmax(chunk.is_null().to_numpy(zero_copy_only=False)))
            raise no_value(what, first + at // per_row, at % per_row if len(shape) > 1 else None)
        if not _is_list(types, chunk.type):
            break
        lengths = pc.list_value_length(chunk).to_numpy(zero_copy_only=False)
        length = int(lengths[0]) if wanted is None or len(wanted) < len(shape) else wanted[len(shape) - 1]
        if (other := lengths != length).any():
            at = int(np.argmax(other))
            raise InputError(
                f"{what} has a list of {counted(int(lengths[at]), 'value')} at row {first + at // per_row}, but {length} in "
                "the first row: give all rows one length"
            )
        shape.append(length)
        chunk = chunk.flatten()
    values = chunk.to_numpy(zero_copy_only=False)
    if not len(values):
        raise InputError(f"{what} has empty lists: give at least one value per row")
    return values.reshape(shape)


def _text(chunks: Iterator[Any], what: str) -> np.ndarray:
    found: list[np.ndarray] = []
    for chunk in chunks:
        if chunk.null_count:
            row = sum(map(len, found)) + int(np.argmax(chunk.is_null().to_numpy(zero_copy_only=False)))
            raise no_value(what, row)
        if hasattr(chunk, "indices"):
            words = np.array(chunk.dictionary.to_pylist(), dtype=object)
            found.append(words[chunk.indices.to_numpy(zero_copy_only=False)])
        else:
            found.append(np.array(chunk.to_pylist(), dtype=object))
    return np.concatenate(found)


def _images(chunks: Iterator[Any], what: str) -> list[bytes]:
    images: list[bytes] = []
    for chunk in chunks:
        for content in chunk.field("bytes"):
            if not content.is_valid:
                raise InputError(
                    f"{what} has no bytes at row {len(images)}, and paths are not followed: save the images in the data"
                )
            images.append(content.as_py())
    return images

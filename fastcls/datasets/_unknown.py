"""The refusal of a path of unknown layout: what is there, and what to do with it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from fastcls._validation.messages import counted, quoted, quoted_list
from fastcls._validation.paths import is_archive, of_archive
from fastcls.datasets._common import entries, is_folder, is_plain_file
from fastcls.datasets._image import SUFFIXES
from fastcls.datasets._listing import is_system
from fastcls.datasets._safetensors import model_in

#: where all layouts are listed
LISTED = "fastcls run --help and help(fastcls.datasets.load) list the layouts"

_NPZ = "np.savez('data.npz', X=rows, y=labels)"

#: ending -> what such a file is, and what reads its arrays
_READERS = {
    ".txt": ("a text file", "numpy.loadtxt or pandas.read_csv"),
    ".arff": ("an ARFF file", "scipy.io.arff.loadarff"),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), ("a spreadsheet", "pandas.read_excel")),
    **dict.fromkeys((".json", ".jsonl"), ("a JSON file", "pandas.read_json")),
    **dict.fromkeys((".pt", ".pth", ".ckpt"), ("a PyTorch file", "torch.load(file, weights_only=True)")),
    **dict.fromkeys(
        (".pkl", ".pickle", ".joblib"), ("a pickle, which can run code", "pickle.load (only if you trust its source)")
    ),
    ".mat": ("a MATLAB file", "scipy.io.loadmat (version 7.3: h5py.File)"),
    **dict.fromkeys((".tfrecord", ".tfrecords"), ("a TFRecord file", "tf.data.TFRecordDataset")),
    ".nc": ("a NetCDF file", "xarray.open_dataset"),
    ".lmdb": ("an LMDB file", "lmdb.open"),
    ".libsvm": ("a libsvm file", "sklearn.datasets.load_svmlight_file"),
    ".svmlight": ("a libsvm file", "sklearn.datasets.load_svmlight_file"),
}

#: endings of images that are not read, and of models
_OTHER_IMAGES = (".heic", ".heif", ".avif", ".svg", ".jp2", ".raw", ".dng", ".cr2", ".nef", ".arw", ".dcm", ".ico", ".psd")
_MODELS = (".onnx", ".keras", ".tflite", ".gguf")

#: names of files about data, which are no data
_ABOUT = ("readme", "license", "licence", "notes", "notice", "changelog", "citation", "requirements")
_MOST_ENTRIES = 1000


def why_unknown(path: Path) -> str:
    """One line: what is at `path`, and what to do with it."""
    if path.is_dir():
        return _of_folder(path)
    ending = path.suffix.lower()
    if not path.is_file():
        return f"{quoted(path)} is neither a file nor a folder: {LISTED}"
    if ending in SUFFIXES:
        return (
            f"{quoted(path)} is one image; wanted a folder of images by class, <class>/<file>. To predict its class: "
            "fastcls predict MODEL IMAGE"
        )
    if ending == ".safetensors" and (model := model_in(path)):
        return f"{quoted(path)} is a saved model ({quoted(model, 40)}), not data: use it with fastcls predict MODEL DATA"
    if ending in _READERS:
        what, reader = _READERS[ending]
        return f"{quoted(path)} is {what}; wanted arrays: read it with {reader}, and save them with {_NPZ}"
    if ending in _OTHER_IMAGES:
        return f"{quoted(path)} is an image of a format that is not read: convert it to PNG or JPEG"
    if ending in _MODELS:
        return f"{quoted(path)} is a model, not data: {LISTED}"
    if is_archive(path.name):
        return of_archive(str(path))
    return f"{quoted(path)} is a file of unknown layout: {LISTED}"


def _of_folder(path: Path) -> str:
    found = [entry for entry in entries(path) if not is_system(entry.name)]
    if not found:
        return f"{quoted(path)} is an empty folder: put images into it by class, <class>/<file>, or give another"
    endings = [os.path.splitext(entry.name)[1].lower() for entry in found]
    images = sum(ending in SUFFIXES for ending in endings)
    if images:
        return (
            f"{quoted(path)} has {counted(images, 'image')} but no class folders: move "
            f"{'it' if images == 1 else 'them'} into one folder per class, <class>/<file>"
        )
    folders = [entry.path for entry in found if is_folder(entry)]
    if len(folders) == len(found) and not any(os.listdir(folder) for folder in folders if os.access(folder, os.R_OK)):
        return f"{quoted(path)} has {counted(len(found), 'empty folder')}: put images there, <class>/<file>"
    known = next(
        (
            at
            for at, entry in enumerate(found)
            if (endings[at] in _READERS or is_archive(entry.name)) and is_plain_file(entry) and not _is_about(entry.name)
        ),
        None,
    )
    if known is not None and not folders:
        return why_unknown(Path(found[known].path))
    below = _endings_below(path)
    if others := [ending for ending in below or () if ending in _OTHER_IMAGES]:
        return f"{quoted(path)} has images of a format that is not read ({', '.join(others)}): convert them to PNG or JPEG"
    kinds = ""
    if below is not None and not any(ending in SUFFIXES for ending in below):
        kinds = f" and no images{f' (only {quoted_list(below, 3)})' if below and folders else ''}"
    names = quoted_list([entry.name + "/" * is_folder(entry) for entry in found], 3)
    return f"{quoted(path)} is a folder of unknown layout, with {names}{kinds}: {LISTED}"


def _is_about(name: str) -> bool:
    return os.path.splitext(name)[0].lower() in _ABOUT


def _endings_below(folder: Path) -> list[str] | None:
    """The endings of all files in a folder and the folders in it (whole names without one); None if there are very many."""
    found: dict[str, None] = {}
    places, seen = [str(folder)], 0
    while places:
        with contextlib.suppress(OSError), os.scandir(places.pop()) as there:
            for entry in sorted(there, key=lambda entry: entry.name):
                if (seen := seen + 1) > _MOST_ENTRIES:
                    return None
                if is_folder(entry):
                    places += [] if entry.is_symlink() or is_system(entry.name) else [entry.path]
                elif not is_system(entry.name):
                    found[os.path.splitext(entry.name)[1].lower() or entry.name] = None
    return list(found)

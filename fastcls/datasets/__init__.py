"""Load data: every layout on disk becomes one `Dataset` of arrays.

``load`` recognises the layout of what it is given and calls its loader. Each layout has one file here and one row in the
table of ``_load.py``. A loader checks everything that belongs to its format, and raises ``InputError`` with one line.

::

    load(path or name)  ->  _load.py     the table: layout -> recogniser, loader
                              |
        _digits.py   'digits', scikit-learn's own 1,797 images of 8 x 8
        _idx.py      MNIST and Fashion-MNIST as IDX files, gzipped or not
        _cifar.py    CIFAR-10 and CIFAR-100: binary, python version, the official .tar.gz
        _folder.py   images by class: <class>/<file>, or train/<class>/.. and test/<class>/..
        _arrays.py   .npz, .npy with labels next to it, a folder of X.npy and y.npy, a zarr group of X and y
        _safetensors.py  a .safetensors file of X and y
        _table_folder.py  a folder of train.csv and test.csv
        _hdf5.py     an .h5 file of X and y
        _csv.py      a .csv of numbers and labels
        _arrow.py    Parquet and Arrow files, folders of Hugging Face's datasets
                     (_parquet_footer.py: sizes of a Parquet file's columns, from its footer)
        _frames.py   data frames of pandas, polars and pyarrow
                              |
                          Dataset        _dataset.py: rows, codes, class names, image shape, recipe
                              |
        _test_set.py  Dataset.score_test; counts evaluations of the test rows, and warns at the second
        _split.py    train_test_split, train_validation_split, train_validation_test_split, limit: stratified, or a line is
                     logged; group_split: no group is on both sides

    _fetch.py    downloads the official files and verifies their checksums: the only code that uses the network
    _synthetic.py  the lecture's hard cases: make_parity, make_ring, make_three_modes

    _stored.py   anything with a shape, a dtype and slices (zarr, h5py): read whole, or in parts (array_parts)
    _zarr.py     (_zarr_chunks.py: its chunks) checks a zarr array in a folder before zarr opens it
    _archive.py  reads a .tar.gz in memory, in one pass, up to a limit; refuses paths and links
    _pickles.py  reads arrays from a pickle and executes nothing in it
    _planes.py   channel planes to (h, w, c) rows
    _listing.py  which files of a folder are images of which class, by names alone
    _cache.py    decoded images of a folder, cached as .npy
    _image.py    one image -> one row, for training images and new images (prepare_image)
    _prepare.py  new images of any kind, one or many, to rows (prepare_images)
    _for_models.py  lets loaded models take images in place of rows, and predict class names
    _npy.py      compares the header of an .npy with the size of the file before NumPy allocates memory
    _assemble.py   which arrays of a file are rows and labels, by their names; arrays to a Dataset
    _next_to.py    labels, class names and test rows in files next to a file of rows, by their names
    _label_files.py  labels from a file of their own, of any format
    _columns.py  which columns of a table are features and labels, which divide or name the rows
    _tables.py   tables to a Dataset
    _row_names.py  columns of a table that name or number its rows, and are no features
    _row_ids.py  what these say: whether files have the same rows in the same order
    _doubtful_features.py  notes features that may be none (copies of the label, times, ids) or outweigh the others
    _labels.py   labels of any kind -> codes and class names
    _unknown.py  what to do with a path of unknown layout
    _common.py   checks of paths; what a loader leaves out or changes is noted once, in Dataset.notes
"""

from fastcls.datasets._arrays import load_arrays, load_npy, load_npy_folder, load_npz, load_zarr
from fastcls.datasets._arrow import load_arrow
from fastcls.datasets._cifar import load_cifar10, load_cifar100
from fastcls.datasets._common import DataWarning
from fastcls.datasets._csv import load_csv
from fastcls.datasets._dataset import Dataset
from fastcls.datasets._digits import load_digits
from fastcls.datasets._fetch import fetch, fetch_cifar10, fetch_cifar100, fetch_fashion_mnist, fetch_mnist
from fastcls.datasets._folder import load_image_folder
from fastcls.datasets._frames import load_frame
from fastcls.datasets._hdf5 import load_hdf5
from fastcls.datasets._idx import load_mnist
from fastcls.datasets._image import prepare_image
from fastcls.datasets._load import load
from fastcls.datasets._prepare import prepare_images
from fastcls.datasets._safetensors import load_safetensors
from fastcls.datasets._split import group_split, limit, train_test_split, train_validation_split, train_validation_test_split
from fastcls.datasets._stored import array_parts
from fastcls.datasets._synthetic import make_parity, make_ring, make_three_modes
from fastcls.datasets._table_folder import load_table_folder
from fastcls.datasets._test_set import ReusedTestRowsWarning, TestScore

# For other packages of fastcls:
from ._assemble import UNLABELLED, NoLabelsError, UnknownLabelsError
from ._columns import UnknownColumnsError
from ._common import existing_path, name_of, path_and_name
from ._doubtful_features import note_copies
from ._folder import OnError, load_listed, unreadable
from ._for_models import ScaleWarning, class_names, names_images, polarity_note, scale_note, takes_images
from ._image import Facts, ImageError, checked_recipe, prepare, summary_of
from ._label_files import read_labels
from ._labels import plain_labels
from ._listing import (
    FoundImage,
    Listing,
    Part,
    find_images,
    list_images,
    refused_link,
    relative_names,
)
from ._load import LAYOUTS, NAMES, folder_of_data, layout_of, refuse_unfetched
from ._next_to import find_labels, find_test_rows, own_labels_only
from ._npy import read_npy
from ._row_ids import RowIds, check_same_rows, kept_row_ids, note_shared
from ._row_names import features_wanted
from ._split import can_stratify, split_rows
from ._tables import in_order
from ._test_set import announce_evaluation, count_evaluation, scores_test_rows

__all__ = [
    "DataWarning",
    "Dataset",
    "ReusedTestRowsWarning",
    "TestScore",
    "array_parts",
    "fetch",
    "fetch_cifar10",
    "fetch_cifar100",
    "fetch_fashion_mnist",
    "fetch_mnist",
    "group_split",
    "limit",
    "load",
    "load_arrays",
    "load_arrow",
    "load_cifar10",
    "load_cifar100",
    "load_csv",
    "load_digits",
    "load_frame",
    "load_hdf5",
    "load_image_folder",
    "load_mnist",
    "load_npy",
    "load_npy_folder",
    "load_npz",
    "load_safetensors",
    "load_table_folder",
    "load_zarr",
    "make_parity",
    "make_ring",
    "make_three_modes",
    "prepare_image",
    "prepare_images",
    "train_test_split",
    "train_validation_split",
    "train_validation_test_split",
]

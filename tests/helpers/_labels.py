"""Labels of every type that a model may keep: shared by the tests of models on disk and in other formats."""

import numpy as np

LABELS = {
    "int64": np.array([7, -3, 2**40]),
    "uint8": np.array([0, 9, 255], dtype=np.uint8),
    "bool": np.array([True, False]),
    "float32": np.array([-1.0, 1.0, 2.0], dtype=np.float32),
    "str": np.array(["Maus", "Hündin", "a b\n\x1b[31m"]),
    "object": np.array(["cat", "a very long name of a class"], dtype=object),
}

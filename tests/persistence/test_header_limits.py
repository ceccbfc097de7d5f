"""Limits of a model file's header: labels at each limit are saved and loaded, those one step beyond it are refused."""

import numpy as np
import pytest

from fastcls._storage import header, safetensors
from fastcls._validation.errors import InputError


def both_ways(classes):
    """Labels as the header holds them, read again."""
    return header.decoded_classes(header.encoded_classes(classes))


@pytest.mark.parametrize("bytes_of_item", [1 << 16, (1 << 16) + 4])
def test_a_label_may_take_64_kilobytes(bytes_of_item):
    classes = np.array(["a", "b"], dtype=f"<U{bytes_of_item // 4}")
    if bytes_of_item == 1 << 16:
        assert both_ways(classes).tolist() == ["a", "b"]
        return
    with pytest.raises(InputError, match="far wider than its 2 labels need"):
        header.encoded_classes(classes)
    with pytest.raises(ValueError, match="more memory than their text"):
        header.decoded_classes({"dtype": classes.dtype.str, "values": ["a", "b"]})


def test_wide_labels_may_take_64_megabytes_and_more_only_as_their_text_justifies():
    width = 1 << 16
    short = [f"{number:04d}" for number in range(1025)]
    assert both_ways(np.array(short[:1024], dtype=f"<U{width // 4}")).tolist() == short[:1024]
    with pytest.raises(ValueError, match="1025 classes"):
        header.decoded_classes({"dtype": f"<U{width // 4}", "values": short})
    # 64 bytes for each of the text, which has quotes, a comma and a space for each label, and brackets
    long = [f"{number:0{width // 64 - 4}d}" for number in range(1025)]
    assert len(header.json.dumps(long)) * 64 == width * 1025
    assert header.decoded_classes({"dtype": f"<U{width // 4}", "values": long}).tolist() == long
    with pytest.raises(ValueError, match="1025 classes"):
        header.decoded_classes({"dtype": f"<U{width // 4}", "values": [long[0][1:], *long[1:]]})


@pytest.mark.parametrize("length", range(9))
def test_every_array_of_a_file_begins_at_a_multiple_of_its_item(tmp_path, length):
    """Memory maps of them are read by kernels."""
    arrays = {"a": np.zeros(3, np.uint8), "b": np.zeros(2), "c": np.zeros(5, np.int16), "d": [np.zeros(3, np.float32)] * 2}
    safetensors.write(tmp_path / "m", arrays, {"text": "x" * length})
    content = (tmp_path / "m").read_bytes()
    size = int.from_bytes(content[:8], "little")
    described = header.json.loads(content[8 : 8 + size])
    assert size % 8 == 0
    begins = {name: described[name]["data_offsets"][0] for name in arrays}
    assert sorted(begins, key=begins.get) == ["b", "d", "c", "a"]
    assert begins == {"b": 0, "d": 16, "c": 40, "a": 50}


@pytest.mark.parametrize("dtype", ["V2", "c16", "S3", "M8[s]"])
def test_labels_of_other_types_are_refused_in_a_header(dtype):
    with pytest.raises(ValueError, match="unknown type"):
        header.decoded_classes({"dtype": dtype, "values": [1, 2]})


@pytest.mark.parametrize(
    ("dtype", "values", "words"),
    [
        ("<i8", [], "unknown type"),
        ("<i8", "12", "unknown type"),
        ("<i8", [1, 2.0], "type given"),
        ("<u1", [1, 255.5], "type given"),
        ("<U1", ["a", "bc"], "do not fit"),
        ("<f4", [0.1, 1.0], "do not fit"),
        ("<i8", [1, 1], "ascending"),
        ("<i8", [2, 1], "ascending"),
        ("<f8", [1.0, float("nan")], "do not fit"),
    ],
)
def test_labels_that_fit_would_not_leave_are_refused(dtype, values, words):
    with pytest.raises(ValueError, match=words):
        header.decoded_classes({"dtype": dtype, "values": values})


def test_parameters_with_any_keys_return_as_they_were():
    for value in ({"a": 1}, {1: 2.5, False: 1}, {header._PAIRS: 3}, {0: None}, "balanced", [1, {"a": [2]}]):
        assert header.param_from(header.plain_param(value, "class_weight")) == value
    for value in ({(1, 2): 1}, {3: 4, (1, 2): 1}, {1: {2: 3}}, {"a": object()}, float("inf"), {1: print}):
        with pytest.raises(InputError):
            header.plain_param(value, "class_weight")

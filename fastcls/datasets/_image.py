"""Turn one image file into one row of bytes. Training images and new images use the same functions.

A *recipe* is a dict of JSON values that describes the whole conversion; ``prepare_image`` follows it.
"""

from __future__ import annotations

import io
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np

from fastcls._validation.errors import InputError, is_of_caller
from fastcls._validation.messages import quoted, quoted_list, reason
from fastcls.datasets._common import existing_path

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

#: one image: the path of a file, its bytes, an open file, an opened image, or pixels
ImageLike: TypeAlias = "str | os.PathLike[str] | bytes | BinaryIO | PillowImage | np.ndarray"

MAX_PIXELS = 64_000_000
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)
_EXIF_ORIENTATION, _TIFF_BITS = 0x0112, 0x0102
_COLOURS = {"P": "a palette", "PA": "a palette"} | {mode: mode for mode in ("CMYK", "YCbCr", "LAB", "HSV")}
_PNG = b"\x89PNG\r\n\x1a\n"
_RULES = {
    "kind": "image",
    "version": 1,
    "formats": list(FORMATS),
    "frame": "first",
    "max_pixels": MAX_PIXELS,
    "rotation": "EXIF orientation applied; damaged EXIF means upright",
    "alpha": "composited on white",
    "grey": "1-bit as 0 and 255; 16-bit v as round(v / 257); colour to grey as (299 R + 587 G + 114 B) / 1000",
    "colour": "palette, CMYK, YCbCr, LAB and HSV to RGB without colour profiles; grey to RGB by repetition",
    "fit": "centred region of the wanted aspect, bilinear with antialias; same size: untouched",
}


class ImageError(InputError):
    """An image that cannot be read. The message names it; `reason` is the rest of the message."""

    def __init__(self, message: str = "", *, reason: str = ""):
        super().__init__(message)
        self.reason = reason


class Facts(NamedTuple):
    """Properties of an image file that are lost when it becomes a row."""

    size: tuple[int, int]  # (h, w), upright
    grey: bool
    turned: bool  # by its EXIF orientation
    transparent: bool  # somewhere
    wide: bool  # 16 bits per channel
    colours: str = ""  # 'a palette', 'CMYK' and the like, if it was neither grey nor RGB
    frames: bool = False  # more than one


def summary_of(seen: Counter[Facts], size: tuple[int, int], *, grey: bool, fitted: bool = True) -> str:
    """Say in one line what was done to images to make rows of (h, w) grey or colour pixels; empty if nothing was done.

    With ``fitted=False`` the line does not mention scaling.
    """
    sizes = [facts.size for facts in seen if facts.size != size]
    done: dict[str, Callable[[Facts], bool]] = {}
    if fitted and sizes:
        low, high = (f"{pick(h for h, _ in sizes)}x{pick(w for _, w in sizes)}" for pick in (min, max))
        came = low if low == high else f"{low} to {high}"
        text = f"scaled and centre-cropped to {size[0]}x{size[1]} (height x width) from {came} pixels"
        done[text] = lambda facts: facts.size != size
    done["turned upright by EXIF"] = lambda facts: facts.turned
    done["put on white where transparent"] = lambda facts: facts.transparent
    done[f"converted from {'RGB to grey' if grey else 'grey to RGB'}"] = lambda facts: facts.grey != grey
    for colours in sorted({facts.colours for facts in seen} - {""}):
        done[f"converted from {colours} to RGB"] = lambda facts, colours=colours: facts.colours == colours  # type: ignore[misc]
    done["reduced from 16 bits per channel to 8"] = lambda facts: facts.wide
    done["reduced to the first of several frames"] = lambda facts: facts.frames
    counts = {text: sum(n for facts, n in seen.items() if has(facts)) for text, has in done.items()}
    counts = {text: n for text, n in counts.items() if n}
    if seen.total() == 1:
        return f"the image was {', '.join(counts)}" if counts else ""
    listed = [
        f"{n:,} {text}" if i else f"{n:,} {'was' if n == 1 else 'were'} {text}" for i, (text, n) in enumerate(counts.items())
    ]
    return f"of {seen.total():,} images, {', '.join(listed)}" if counts else ""


def recipe_for(image_shape: tuple[int, int, int], white: int = 255) -> dict[str, Any]:
    """Return the recipe that makes rows of `image_shape` (h, w, c) with `white` as the value of a white pixel."""
    h, w, c = image_shape
    return {**_RULES, "mode": "L" if c == 1 else "RGB", "size": [h, w], "white": white}


def prepare_image(image: ImageLike, preprocessing: dict[str, Any]) -> np.ndarray:
    """Prepare a new image exactly as the training images were.

    Parameters
    ----------
    image : path, bytes, binary file, PIL image or ndarray
        An image file (JPEG, PNG, BMP, GIF or TIFF (first frame), WEBP, PPM) or its bytes; a file opened in binary mode, or a
        ``BytesIO`` (read from its start); an opened image; or pixels (h, w), (h, w, 1), (h, w, 3) or (h, w, 4) of any size.
        Pixels are whole numbers 0 to 255, uint16 up to 65535 (if any is above 255), floats from 0 to 1, or booleans.
    preprocessing : dict
        ``Dataset.preprocessing`` of the training data, as stored in ``results.json`` and in saved models.

    Returns
    -------
    ndarray of shape (h * w * c,), uint8
        The row, in (h, w, c) order.

    Raises
    ------
    InputError
        If there is no recipe, or the image cannot be read.
    """
    return prepare(image, preprocessing)[0]


def prepare(image: ImageLike, preprocessing: dict[str, Any]) -> tuple[np.ndarray, Facts]:
    """The row of `prepare_image`, and the facts of the image."""
    mode, (h, w), white = checked_recipe(preprocessing)
    if isinstance(image, (str, os.PathLike)):
        image = existing_path(image, wanted="an image file")
    with quiet_pillow():
        decoded, facts = decode_image(image)
        pixels = fit_image(decoded, (h, w))
    if mode == "L":
        pixels = to_grey(pixels)
    elif pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    row = np.ascontiguousarray(pixels).reshape(-1)
    if white != 255:
        row = ((row.astype(np.uint32) * (2 * white) + 255) // 510).astype(np.uint8)  # round(v * white / 255)
    return row, facts


def checked_recipe(recipe: object) -> tuple[str, tuple[int, int], int]:
    """The mode ("L" or "RGB"), size (h, w) and value of white of a recipe that this version can follow."""
    if not isinstance(recipe, dict) or recipe.get("kind") != "image":
        raise InputError(
            "there is no recipe that turns an image into a row (the rows are not images, or their scale is unknown): give "
            "rows as an array instead"
        )
    changed = [key for key, rule in _RULES.items() if recipe.get(key) != rule]
    if changed:
        raise InputError(
            f"this version of fastcls does not follow the recipe's rule for {quoted_list(changed)}: use the version that "
            "made the recipe"
        )
    mode, size, white = recipe.get("mode"), recipe.get("size"), recipe.get("white")
    sizes_fit = isinstance(size, (list, tuple)) and len(size) == 2 and all(_is_count(s, 1 << 14) for s in size)
    if mode not in ("L", "RGB") or not sizes_fit or not _is_count(white, 255):
        raise InputError("the mode, size or white value of the recipe is damaged: give an unchanged Dataset.preprocessing")
    return mode, (size[0], size[1]), white  # type: ignore[index,return-value]


def _is_count(value: object, most: int) -> bool:
    return type(value) is int and 1 <= value <= most


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Suppress Pillow's warnings: sizes are checked here, and damage is an error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\b")
        yield


def decode_image(source: ImageLike) -> tuple[np.ndarray, Facts]:
    """Decode an image to uint8 pixels, (h, w) if it is grey and (h, w, 3) otherwise, and its facts.

    Raises
    ------
    InputError
        If Pillow is not installed.
    ImageError
        If the image cannot be read.
    """
    try:
        from PIL import Image
    except ImportError:
        raise InputError("reading images needs pillow, which is not installed: pip install 'fastcls[run]'") from None
    try:
        if isinstance(source, Image.Image):
            return _decoded(source.copy(), None)
        if hasattr(source, "read"):
            source = _content_of(source)
        if isinstance(source, np.ndarray):
            return _decoded(Image.fromarray(as_pixels(source)), None)
        if isinstance(source, (bytes, bytearray, memoryview)):
            with io.BytesIO(source) as content, Image.open(content, formats=FORMATS) as image:
                return _decoded(image, content)
        if not isinstance(source, (str, os.PathLike)):
            raise InputError("not an image: give a path, bytes, an open file, a PIL image or an array of pixels")
        if not Path(source).is_file():  # a pipe or a device would block for ever
            raise InputError("not a file; wanted an image file")
        with Path(source).open("rb") as file, Image.open(file, formats=FORMATS) as image:
            return _decoded(image, file)
    except InputError as error:
        why = str(error)
    except Image.DecompressionBombError:
        why = f"more than {MAX_PIXELS:,} pixels (shrink the image)"
    except Image.UnidentifiedImageError:
        why = f"not a readable image of the formats {', '.join(FORMATS)}"
    except MemoryError:
        raise
    except Exception as error:  # damaged bytes can make a decoder fail in any way
        if is_of_caller(error):
            raise
        is_of_system = isinstance(error, OSError) and error.strerror is not None
        why = reason(error) if is_of_system else f"damaged or truncated ({reason(error)})"
    raise ImageError(f"{_named(source)}: {why}", reason=why)


def _content_of(file: Any) -> bytes:
    if file.seekable():
        file.seek(0)
    content = file.read()
    if not isinstance(content, bytes):
        raise InputError("the file was opened as text: open it in binary mode, 'rb'")
    return content


def _named(source: ImageLike) -> str:
    if isinstance(source, (str, os.PathLike)):
        return quoted(source)
    if isinstance(source, np.ndarray):
        return f"an array of shape {source.shape} and dtype {source.dtype}"
    return f"an image given as {type(source).__name__}"


def _decoded(image: PillowImage, file: BinaryIO | None) -> tuple[np.ndarray, Facts]:
    if image.width * image.height > MAX_PIXELS:
        raise InputError(f"{image.width} x {image.height} pixels, more than {MAX_PIXELS:,} (shrink the image)")
    # when Pillow loads a TIFF, it turns it and forgets its orientation and depth
    turned, wide = _is_turned_tiff(image), _is_wide(image, file)
    image.load()
    upright = _upright(image)
    plain, transparent = _plain(upright)
    pixels = np.array(plain, dtype=np.uint8)
    turned, wide = turned or upright is not image, wide or upright.mode.startswith("I")
    colours, frames = _COLOURS.get(upright.mode, ""), _has_frames(image)
    return pixels, Facts(pixels.shape[:2], pixels.ndim == 2, turned, transparent, wide, colours, frames)


def as_pixels(values: np.ndarray) -> np.ndarray:
    """Pixels as bytes (h, w), (h, w, 3) or (h, w, 4). Whole numbers 0 to 255 stay; floats from 0 to 1 are scaled."""
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.size == 0 or values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (3, 4)):
        raise InputError("wanted pixels (height, width) or (height, width, channels) with 1, 3 or 4 channels")
    if values.shape[0] * values.shape[1] > MAX_PIXELS:
        raise InputError(f"{values.shape[1]} x {values.shape[0]} pixels, more than {MAX_PIXELS:,} (shrink the image)")
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * 255
    if values.dtype == np.uint16 and values.max() > 255:  # the recipe's rule for 16-bit images
        return ((values.astype(np.uint32) * 2 + 257) // 514).astype(np.uint8)
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise InputError("not finite numbers; wanted pixels from 0 to 255, or floats from 0 to 1")
    low, high = values.min(), values.max()
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        return np.floor(values.astype(np.float64) * 255 + 0.5).astype(np.uint8)
    if low < 0 or high > 255 or (values.dtype.kind == "f" and (np.floor(values) != values).any()):
        raise InputError(f"values from {low:g} to {high:g}; wanted whole pixels from 0 to 255, or floats from 0 to 1")
    return values.astype(np.uint8)


def fit_image(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return pixels of `size` (h, w): the shorter side is scaled (bilinear, antialiased), the longer one centre-cropped.

    The crop is the box of one resize. This gives the same pixels as a resize and then a crop, without the large intermediate
    image of a very long one. Pixels that have the size are returned as they are.
    """
    h, w = size
    height, width = pixels.shape[:2]
    if (height, width) == (h, w):
        return pixels
    from PIL import Image

    scale = min(height / h, width / w)
    left, top = (width - scale * w) / 2, (height - scale * h) / 2
    box = (left, top, min(left + scale * w, width), min(top + scale * h, height))
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.array(image.resize((w, h), Image.Resampling.BILINEAR, box=box), dtype=np.uint8)


def to_grey(pixels: np.ndarray) -> np.ndarray:
    """Return grey pixels (h, w): ITU-R 601 luma, as Pillow computes it. Grey pixels are returned as they are."""
    if pixels.ndim == 2:
        return pixels
    from PIL import Image

    return np.array(Image.fromarray(np.ascontiguousarray(pixels)).convert("L"), dtype=np.uint8)


def _upright(image: PillowImage) -> PillowImage:
    from PIL import Image

    turn = Image.Transpose
    turns = {
        2: turn.FLIP_LEFT_RIGHT,
        3: turn.ROTATE_180,
        4: turn.FLIP_TOP_BOTTOM,
        5: turn.TRANSPOSE,
        6: turn.ROTATE_270,
        7: turn.TRANSVERSE,
        8: turn.ROTATE_90,
    }
    try:
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception as error:  # damaged EXIF means upright, by the recipe
        if is_of_caller(error):
            raise
        orientation = 1
    return image.transpose(turns[orientation]) if orientation in turns else image


def _plain(image: PillowImage) -> tuple[PillowImage | np.ndarray, bool]:
    """Convert any mode of Pillow to grey ('L') or colour ('RGB') by the recipe; and whether the image was transparent."""
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return _from_wide_grey(image)
    if image.mode in ("1", "L", "LA", "La"):
        if image.mode in ("1", "L") and "transparency" not in image.info:
            return image.convert("L"), False
        return _on_white(image.convert("LA"))
    if image.has_transparency_data:
        return _on_white(image.convert("RGBA"))
    return image.convert("RGB"), False


def _is_wide(image: PillowImage, file: BinaryIO | None) -> bool:
    """Tell whether an image that is not loaded yet has more than 8 bits per channel: Pillow reduces colour silently."""
    if image.format == "PNG" and file is not None:
        place = file.tell()
        file.seek(0)
        head = file.read(25)
        file.seek(place)
        return head.startswith(_PNG) and head[24:] == b"\x10"
    if image.format == "TIFF":
        bits = getattr(image, "tag_v2", {}).get(_TIFF_BITS, 8)
        return max(bits if isinstance(bits, tuple) else (bits,)) > 8
    if image.format == "PPM":  # the last argument of the decoder is the largest value
        tiles = getattr(image, "tile", ())
        return any(isinstance(args := tile[3], tuple) and args and args[-1] not in range(256) for tile in tiles)
    return False


def _is_turned_tiff(image: PillowImage) -> bool:
    return image.format == "TIFF" and getattr(image, "tag_v2", {}).get(_EXIF_ORIENTATION, 1) in range(2, 9)


def _has_frames(image: PillowImage) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception as error:  # only what follows the first frame is damaged
        if is_of_caller(error):
            raise
        return True


def _on_white(image: PillowImage) -> tuple[PillowImage, bool]:
    from PIL import Image

    colour = image.convert("RGBA")
    flat = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), colour)
    return flat.convert("L" if image.mode == "LA" else "RGB"), bool(np.any(np.asarray(image)[..., -1] < 255))


def _from_wide_grey(image: PillowImage) -> tuple[np.ndarray, bool]:
    if image.mode == "F":
        raise InputError("floating-point grey values, whose white is unknown: save the image with 8 or 16 bits per channel")
    values = np.array(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise InputError("32-bit grey values outside 0 to 65535: save the image with 8 or 16 bits per channel")
    clear = image.info.get("transparency")
    transparent = values == clear if isinstance(clear, int) else np.zeros(values.shape, dtype=bool)
    values[transparent] = 65535
    return ((values + 128) // 257).astype(np.uint8), bool(transparent.any())

"""One picture file to one row of bytes. Training images and new ones go through the same functions.

A *recipe* is a JSON-able dict that says all there is to say about the way from file to row; ``prepare_image`` follows
it.
"""

from __future__ import annotations

import io
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeAlias

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted, quoted_list, reason
from fastcls.datasets._common import existing_path

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

#: what is read as one image: a file's path, its bytes, an open file, an opened image, pixels
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


class Facts(NamedTuple):
    """What is known of a picture file that preparing it does away with."""

    size: tuple[int, int]  # (h, w), upright
    grey: bool
    turned: bool  # by its EXIF orientation
    transparent: bool  # white shows through somewhere
    wide: bool  # 16 bits a channel
    colours: str = ""  # 'a palette', 'CMYK' and the like, where it came neither grey nor RGB
    frames: bool = False  # more than one


def told(seen: Counter[Facts], size: tuple[int, int], *, grey: bool, fitted: bool = True) -> str:
    """What was done to pictures that became rows of (h, w) grey or coloured pixels, in one line; empty if nothing was.

    With ``fitted=False`` not that they were scaled.
    """
    n = seen.total()
    sizes = [facts.size for facts in seen if facts.size != size]
    parts = []
    if fitted and sizes:
        low, high = (f"{pick(h for h, _ in sizes)}x{pick(w for _, w in sizes)}" for pick in (min, max))
        came = low if low == high else f"{low} to {high}"
        done = f"scaled and centre-cropped to {size[0]}x{size[1]} (height x width) from {came} pixels"
        parts.append((sum(seen[facts] for facts in seen if facts.size != size), done))
    parts += [
        (sum(seen[facts] for facts in seen if facts.turned), "turned upright by EXIF"),
        (sum(seen[facts] for facts in seen if facts.transparent), "laid on white where transparent"),
        (sum(seen[facts] for facts in seen if facts.grey != grey), f"made {'grey from RGB' if grey else 'RGB from grey'}"),
        *(
            (sum(seen[facts] for facts in seen if facts.colours == colours), f"made RGB from {colours}")
            for colours in sorted({facts.colours for facts in seen} - {""})
        ),
        (sum(seen[facts] for facts in seen if facts.wide), "reduced from 16 bits a channel to 8"),
        (sum(seen[facts] for facts in seen if facts.frames), "reduced to the first of several frames"),
    ]
    parts = [(count, done) for count, done in parts if count]
    if not parts:
        return ""
    if n == 1:
        return f"the image was {', '.join(done for _, done in parts)}"
    counted = ", ".join(f"{count:,} {done}" for count, done in parts)
    return f"of {n:,} images, {counted.replace(' ', ' was ' if parts[0][0] == 1 else ' were ', 1)}"


def recipe_for(image_shape: tuple[int, int, int], white: int = 255) -> dict[str, Any]:
    """Return the recipe that makes rows of `image_shape` (h, w, c) with `white` as the value of a white pixel."""
    h, w, c = image_shape
    return {**_RULES, "mode": "L" if c == 1 else "RGB", "size": [h, w], "white": white}


def prepare_image(image: ImageLike, preprocessing: dict[str, Any]) -> np.ndarray:
    """Prepare a new image exactly as the training images were.

    Parameters
    ----------
    image : path, bytes, binary file, PIL image or ndarray
        A picture file (JPEG, PNG, BMP, GIF or TIFF (first frame), WEBP, PPM) or its bytes; a file opened in
        binary mode, or a ``BytesIO`` (read from its start); an opened image; or pixels (h, w), (h, w, 1), (h, w, 3) or
        (h, w, 4), of any size: whole numbers 0 to 255, uint16 up to 65535 (if any is above 255), floats from 0 to 1, or
        booleans.
    preprocessing : dict
        ``Dataset.preprocessing`` of the training data, as stored in ``results.json`` and in saved models.

    Returns
    -------
    ndarray of shape (h * w * c,), uint8
        The row, in (h, w, c) order.

    Raises
    ------
    InputError
        If there is no recipe, or the file cannot be read as such an image.
    """
    return prepare(image, preprocessing)[0]


def prepare(image: ImageLike, preprocessing: dict[str, Any]) -> tuple[np.ndarray, Facts]:
    """The row of `prepare_image`, and what the picture was."""
    mode, (h, w), white = checked_recipe(preprocessing)
    if isinstance(image, (str, os.PathLike)):
        image = existing_path(image, wanted="a picture file")
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
    """Mode ("L" or "RGB"), size (h, w) and value of white of a recipe that this version can follow."""
    if not isinstance(recipe, dict) or recipe.get("kind") != "image":
        raise InputError(
            "this data came without a recipe from a picture to a row (its rows are no images, or their scale is "
            "unknown); give rows as an array instead"
        )
    changed = [key for key, rule in _RULES.items() if recipe.get(key) != rule]
    if changed:
        raise InputError(
            f"the recipe's rule for {quoted_list(changed)} is not what this version of fastcls does; "
            "use the version that made it"
        )
    mode, size, white = recipe.get("mode"), recipe.get("size"), recipe.get("white")
    sizes_fit = isinstance(size, (list, tuple)) and len(size) == 2 and all(_is_count(s, 1 << 14) for s in size)
    if mode not in ("L", "RGB") or not sizes_fit or not _is_count(white, 255):
        raise InputError("the recipe's mode, size or white value is damaged; wanted what Dataset.preprocessing holds")
    return mode, (size[0], size[1]), white  # type: ignore[index,return-value]


def _is_count(value: object, most: int) -> bool:
    return type(value) is int and 1 <= value <= most


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Keep Pillow's warnings from being printed: sizes are checked here, and damage is an error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\b")
        yield


def decode_image(source: ImageLike) -> tuple[np.ndarray, Facts]:
    """Decode a picture: (h, w) uint8 if it is grey, (h, w, 3) uint8 otherwise; and what the picture was.

    Raises
    ------
    InputError
        With one line that names the file and the reason.
    """
    try:
        from PIL import Image
    except ImportError:
        raise InputError("reading pictures needs pillow, which is not installed; pip install 'fastcls[run]'") from None
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
        if not Path(source).is_file():  # a pipe or a device would block the reader for ever
            raise InputError("not a file; wanted a picture file")
        with Path(source).open("rb") as file, Image.open(file, formats=FORMATS) as image:
            return _decoded(image, file)
    except InputError as error:
        raise InputError(f"{_named(source)}: {error}") from None
    except Image.DecompressionBombError:
        raise InputError(f"{_named(source)}: wanted at most {MAX_PIXELS:,} pixels: shrink it") from None
    except Image.UnidentifiedImageError:
        raise InputError(f"{_named(source)}: not a readable picture of the formats {', '.join(FORMATS)}") from None
    except MemoryError:
        raise
    except Exception as error:  # a decoder meets damaged bytes with any exception there is
        raise InputError(f"{_named(source)}: {reason(error)}") from None


def _content_of(file: Any) -> bytes:
    if file.seekable():
        file.seek(0)
    content = file.read()
    if not isinstance(content, bytes):
        raise InputError("a file that was opened as text; open it in binary mode, 'rb'")
    return content


def _named(source: ImageLike) -> str:
    if isinstance(source, (str, os.PathLike)):
        return quoted(source)
    if isinstance(source, np.ndarray):
        return f"an array of shape {source.shape} and dtype {source.dtype}"
    return f"an image given as {type(source).__name__}"


def _decoded(image: PillowImage, file: BinaryIO | None) -> tuple[np.ndarray, Facts]:
    if image.width * image.height > MAX_PIXELS:
        raise InputError(f"{image.width} x {image.height} pixels; wanted at most {MAX_PIXELS:,}: shrink it")
    # Pillow itself turns a TIFF, and forgets its orientation and depth, as soon as it is loaded.
    turned, wide = _is_turned_tiff(image), _is_wide(image, file)
    image.load()
    upright = _upright(image)
    plain, transparent = _plain(upright)
    pixels = np.array(plain, dtype=np.uint8)
    turned, wide = turned or upright is not image, wide or upright.mode.startswith("I")
    colours, frames = _COLOURS.get(upright.mode, ""), _has_frames(image)
    return pixels, Facts(pixels.shape[:2], pixels.ndim == 2, turned, transparent, wide, colours, frames)


def as_pixels(values: np.ndarray) -> np.ndarray:
    """Pixels as bytes (h, w), (h, w, 3) or (h, w, 4): whole numbers 0 to 255 stay, floats from 0 to 1 are scaled."""
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.size == 0 or values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (3, 4)):
        raise InputError("wanted pixels (height, width) or (height, width, channels) with 1, 3 or 4 channels")
    if values.shape[0] * values.shape[1] > MAX_PIXELS:
        raise InputError(f"{values.shape[1]} x {values.shape[0]} pixels; wanted at most {MAX_PIXELS:,}: shrink it")
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * 255
    if values.dtype == np.uint16 and values.max() > 255:  # as the recipe has it for 16-bit pictures
        return ((values.astype(np.uint32) * 2 + 257) // 514).astype(np.uint8)
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise InputError("wanted finite numbers: pixels from 0 to 255, or floats from 0 to 1")
    low, high = values.min(), values.max()
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        return np.floor(values.astype(np.float64) * 255 + 0.5).astype(np.uint8)
    if low < 0 or high > 255 or (values.dtype.kind == "f" and (np.floor(values) != values).any()):
        raise InputError(f"values from {low:g} to {high:g}; wanted whole pixels from 0 to 255, or floats from 0 to 1")
    return values.astype(np.uint8)


def fit_image(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return decoded pixels at `size` (h, w): shorter side scaled (bilinear, antialiased), centre cropped.

    The crop is taken in the source, as the box of one resize, which gives the same pixels as to resize and then to crop
    and needs no large intermediate image for a very long one. Pixels of that size already are returned as they are.
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
    """Return (h, w) grey pixels: ITU-R 601 luma, as Pillow computes it; grey ones stay as they are."""
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
    except Exception:  # the pixels are sound; damaged EXIF means upright, as the recipe says
        orientation = 1
    return image.transpose(turns[orientation]) if orientation in turns else image


def _plain(image: PillowImage) -> tuple[PillowImage | np.ndarray, bool]:
    """Reduce Pillow's modes to grey ('L') or colour ('RGB'), by the rules of the recipe; whether white shows through."""
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
    """Tell whether a picture that was not loaded yet has over 8 bits a channel: Pillow itself reduces colour silently."""
    if image.format == "PNG" and file is not None:
        place = file.tell()
        file.seek(0)
        head = file.read(25)
        file.seek(place)
        return head.startswith(_PNG) and head[24:] == b"\x10"
    if image.format == "TIFF":
        bits = getattr(image, "tag_v2", {}).get(_TIFF_BITS, 8)
        return max(bits if isinstance(bits, tuple) else (bits,)) > 8
    if image.format == "PPM":  # the largest value of the file is the decoder's last argument
        tiles = getattr(image, "tile", ())
        return any(isinstance(args := tile[3], tuple) and args and args[-1] not in range(256) for tile in tiles)
    return False


def _is_turned_tiff(image: PillowImage) -> bool:
    return image.format == "TIFF" and getattr(image, "tag_v2", {}).get(_EXIF_ORIENTATION, 1) in range(2, 9)


def _has_frames(image: PillowImage) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # what follows the first frame is damaged; the first is sound
        return True


def _on_white(image: PillowImage) -> tuple[PillowImage, bool]:
    from PIL import Image

    colour = image.convert("RGBA")
    flat = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), colour)
    return flat.convert("L" if image.mode == "LA" else "RGB"), bool(np.any(np.asarray(image)[..., -1] < 255))


def _from_wide_grey(image: PillowImage) -> tuple[np.ndarray, bool]:
    if image.mode == "F":
        raise InputError("floating-point grey values, whose white is unknown; save it with 8 or 16 bits a channel")
    values = np.array(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise InputError("32-bit grey values outside 0 to 65535; save it with 8 or 16 bits a channel")
    clear = image.info.get("transparency")
    transparent = values == clear if isinstance(clear, int) else np.zeros(values.shape, dtype=bool)
    values[transparent] = 65535
    return ((values + 128) // 257).astype(np.uint8), bool(transparent.any())

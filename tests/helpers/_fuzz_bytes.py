"""Mutations of bytes, and of what is packed in them; the changed contents get right checksums where a format has them."""

import gzip
import io
import json
import re
import struct
import tarfile
import zipfile

from _mutated_models import _replaced_node

_SIZES = (0, 1, 2, 3, 4, 7, 8, 16, 255, 256, 1 << 15, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1)
_TEXTS = (
    b"0",
    b"-1",
    b"1e308",
    b"nan",
    b"inf",
    b"99999999999999999999",
    b"1_0",
    b"",
    b"\xff\xfe",
    b"\0",
    b'"',
    b"\n",
    b"," * 9,
)


def mutated_bytes(rng, content, tokens=(), others=()):
    """The content with one to four changes.

    Parameters
    ----------
    rng : numpy Generator
    content : bytes
    tokens : sequence of bytes
        Words of the format.
    others : sequence of bytes
        Contents to splice with.
    """
    ways = 3 if rng.random() < 0.5 else 10  # half of the inputs keep their length
    for _ in range(1 + int(rng.integers(4))):
        content = _changed(rng, content, int(rng.integers(ways)), tokens, others)
    return content


def _changed(rng, content, how, tokens, others):
    n = len(content)
    # half of the changes fall into the first bytes: headers are there
    at = int(rng.integers(min(n, 256) + 1)) if rng.random() < 0.5 else int(rng.integers(n + 1))
    if how == 0 and n:  # one bit
        at = min(at, n - 1)
        return content[:at] + bytes([content[at] ^ (1 << int(rng.integers(8)))]) + content[at + 1 :]
    if how == 1 and n:  # one byte
        at = min(at, n - 1)
        return content[:at] + bytes([int(rng.integers(256))]) + content[at + 1 :]
    if how == 2:  # an integer
        size, order = int(rng.choice([1, 2, 4, 8])), "<>"[rng.integers(2)]
        value = (_SIZES[rng.integers(len(_SIZES))] - int(rng.integers(2))) % (1 << (8 * size))
        return content[:at] + struct.pack(f"{order}{' BH I   Q'[size]}", value) + content[at + size :]
    if how == 3:  # truncated
        return content[:at]
    if how == 4:  # a part is gone
        return content[:at] + content[at + 1 + int(rng.integers(64)) :]
    if how == 5:  # a part is there twice
        length = 1 + int(rng.integers(64))
        return content[: at + length] + content[at : at + length] * int(rng.integers(1, 4)) + content[at + length :]
    if how == 6:  # a number in a text
        places = [found.span() for found in re.finditer(rb"\d+", content[:4096])]
        if places:
            begin, end = places[rng.integers(len(places))]
            number = (
                _TEXTS[rng.integers(len(_TEXTS))] if rng.random() < 0.5 else str(_SIZES[rng.integers(len(_SIZES))]).encode()
            )
            return content[:begin] + number + content[end:]
    if how == 7 and tokens:
        return content[:at] + tokens[rng.integers(len(tokens))] + content[at + int(rng.integers(3)) :]
    if how == 8 and others:
        other = others[rng.integers(len(others))]
        cut = int(rng.integers(len(other) + 1))
        return content[:at] + other[cut : cut + 1 + int(rng.integers(4096))] + (content[at:] if rng.random() < 0.5 else b"")
    text = _TEXTS[rng.integers(len(_TEXTS))]
    return content[:at] + text + content[at:]


def mutated_json(rng, content):
    """JSON with one of its nodes replaced; other bytes if the content is none."""
    try:
        return json.dumps(_replaced_node(rng, json.loads(content))).encode()
    except (ValueError, RecursionError):
        return mutated_bytes(rng, content)


def mutated_zip(rng, content, tokens=(), others=()):
    """A zip whose members are changed before they are packed again, or with names, order or packing changed."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(name, archive.read(name)) for name in archive.namelist()]
    except Exception:  # an earlier mutation has broken it
        return mutated_bytes(rng, content, tokens, others)
    how, at = rng.random(), int(rng.integers(len(members))) if members else 0
    if members and how < 0.7:
        members[at] = members[at][0], mutated_bytes(rng, members[at][1], tokens, [one for _, one in members])
    elif members and how < 0.8:
        members[at] = ["y.npy", "X", "../X.npy", "", "a/X.npy", "X_test.npy"][rng.integers(6)], members[at][1]
    elif members and how < 0.9:
        members.append(members[at])
    elif members:
        del members[at]
    packing = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2][rng.choice(3, p=[0.45, 0.45, 0.1])]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing) as archive:
        for name, member in members:
            archive.writestr(zipfile.ZipInfo(name), member, packing)
    return out.getvalue()


def mutated_gzip(rng, content, tokens=(), others=()):
    """A gzip file whose content is changed before it is packed again."""
    try:
        return gzip.compress(mutated_bytes(rng, gzip.decompress(content), tokens, others), 1)
    except Exception:
        return mutated_bytes(rng, content, tokens, others)


def mutated_tar(rng, content, tokens=(), others=()):
    """A .tar.gz in which one member is changed: its content, its name or its kind."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            members = [(one, archive.extractfile(one).read() if one.isfile() else b"") for one in archive.getmembers()]
    except Exception:
        return mutated_gzip(rng, content, tokens, others)
    if not members:
        return mutated_bytes(rng, content, tokens, others)
    at, how = int(rng.integers(len(members))), rng.random()
    info, member = members[at]
    if how < 0.6:
        member = mutated_bytes(rng, member, tokens, [one for _, one in members])
        info.size = len(member)
    elif how < 0.7:
        info.name = ["../x", "/etc/passwd", "a\\..\\b", "", "x" * 300, "x/data_batch_1"][rng.integers(6)]
    elif how < 0.8:
        info.type = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE][rng.integers(5)]
        info.linkname, info.size, member = "/etc/passwd", 0, b""
    elif how < 0.9:
        members.append((info, member))
    members[at] = info, member
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as archive:
        for one, body in members:
            archive.addfile(one, io.BytesIO(body))
    return out.getvalue()

"""The options of ``fastcls compare``, checked before any work."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastcls._validation.errors import InputError
from fastcls.datasets import path_and_name

from ._checks import as_word, parse_drop


@dataclass(frozen=True)
class CompareOptions:
    """The checked options of ``fastcls compare``."""

    data: tuple[str, ...]
    labels: str | None = None
    drop: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    test_labels: str | None = None
    presets: tuple[str, ...] = ()
    n_per_class: tuple[int | float, ...] = ()
    tries: int = 0
    folds: int | None = None
    limit: int | None = None
    seed: int = 0
    out: Path | None = None
    csv: Path | None = None
    force: bool = False

    @property
    def command(self) -> str:
        """The command that repeats this, quoted for a shell, without options at their defaults."""
        from ..protocols import DEFAULT_PROTOCOLS, N_PER_CLASS, N_TRIES

        words = ["fastcls", "compare", *map(as_word, self.data)]
        for test in self.test:
            words += ["--test", test]
        for name in ("labels", "test_labels", "folds", "limit", "out", "csv"):
            if (value := getattr(self, name)) is not None:
                words += [f"--{name.replace('_', '-')}", str(value)]
        if self.drop:
            words += ["--drop", ",".join(self.drop)]
        if self.presets != DEFAULT_PROTOCOLS:
            words += ["--preset", ",".join(self.presets)]
        if self.n_per_class != N_PER_CLASS:
            words += ["--n-per-class", ",".join(map(str, self.n_per_class))]
        if self.tries != N_TRIES:
            words += ["--tries", str(self.tries)]
        if self.seed:
            words += ["--seed", str(self.seed)]
        return shlex.join(words)


def parse_compare_options(
    data: Sequence[str],
    *,
    labels: str | None,
    test: Sequence[str],
    test_labels: str | None,
    preset: str | None,
    n_per_class: str | None,
    tries: int | None,
    folds: int | None,
    limit: int | None,
    seed: int,
    out: Path | None,
    csv: Path | None,
    drop: str | None = None,
    force: bool = False,
) -> CompareOptions:
    """Check the options and convert them.

    Raises
    ------
    InputError
        For an unusable value; the message lists usable ones.
    """
    from ..protocols import DEFAULT_PROTOCOLS, N_PER_CLASS, N_TRIES, PROTOCOLS, check_protocols

    if not 0 <= seed < 2**32:
        raise InputError(f"--seed {seed}: wanted 0 to {2**32 - 1}")
    for name, value, least in (("--tries", tries, 1), ("--folds", folds, 2), ("--limit", limit, 4)):
        if value is not None and value < least:
            raise InputError(f"{name} {value}: wanted a whole number of at least {least}")
    names = DEFAULT_PROTOCOLS if preset is None else [name.strip() for name in preset.split(",") if name.strip()]
    if "course" in names:
        raise InputError("--preset course is the assignment of the course, of fastcls run: fastcls run DATA --preset course")
    if not names:
        raise InputError(f"--preset is empty: choose from {', '.join(PROTOCOLS)}")
    presets = check_protocols(names)
    sizes = N_PER_CLASS if n_per_class is None else parse_n_per_class(n_per_class)
    unused = {"--n-per-class": n_per_class, "--tries": tries}
    if not any(PROTOCOLS[name].kind == "few_shot" for name in presets):
        for option in (option for option, value in unused.items() if value is not None):
            raise InputError(
                f"{option} is for few-shot protocols, but --preset {','.join(presets)} has none: leave it out, or add one, "
                "such as mteb-few-shot"
            )
    return CompareOptions(
        data=tuple(data),
        labels=labels,
        drop=parse_drop(drop),
        test=tuple(path for word in test for path in _paths(word)),
        test_labels=test_labels,
        presets=presets,
        n_per_class=sizes,
        tries=N_TRIES if tries is None else tries,
        folds=folds,
        limit=limit,
        seed=seed,
        out=out,
        csv=csv,
        force=force,
    )


def _paths(word: str) -> list[str]:
    """The paths of one --test: one, or several with commas in between."""
    paths = [path for path in word.split(",") if path]
    alone = path_and_name(word)[1] is not None and not all(os.path.exists(path_and_name(path)[0]) for path in paths)
    return [word] if alone or os.path.exists(word) else paths


def parse_n_per_class(text: str) -> tuple[int | float, ...]:
    """The numbers of ``1,2,4``, or shares: ``0.01,0.1`` or ``1%,10%``."""
    found: list[int | float] = []
    for part in (part.strip() for part in text.split(",") if part.strip()):
        try:
            number: int | float
            number = float(part[:-1]) / 100 if part.endswith("%") else float(part) if "." in part else int(part)
        except ValueError:
            number = 0
        if number <= 0 or (isinstance(number, float) and number > 1):
            raise InputError(f"--n-per-class {part!r}: wanted rows of each class such as 1,2,4, or shares such as 1%,10%")
        found.append(number)
    if not found:
        raise InputError("--n-per-class is empty; wanted rows of each class such as 1,2,4, or shares such as 1%,10%")
    return tuple(found)

"""The options of ``fastcls run``. Unusable values are refused before any work, in one line that lists usable ones."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fastcls._validation.errors import InputError
from fastcls._validation.messages import absent, meant
from fastcls.datasets import path_and_name
from fastcls.model_selection import DEFAULT_KS, DEFAULT_METRICS

from ..metrics import ALIASES, METRICS

#: the models of a run, in the order of training and display: key -> display name
MODELS = {"knn": "k-NN", "random_search": "random search", "svm": "SVM", "softmax": "softmax"}


@dataclass(frozen=True)
class RunOptions:
    """The checked options of ``fastcls run``."""

    data: str
    out: Path | None = None
    ks: tuple[int, ...] = DEFAULT_KS
    metrics: tuple[str, ...] = DEFAULT_METRICS
    models: tuple[str, ...] = field(default_factory=lambda: tuple(MODELS))
    folds: int | Literal["loo"] | None = None  # None: 5, or fewer if classes are small
    limit: int | None = None
    given_seed: int | None = None  # None: 0, or that of the protocol
    labels: str | None = None
    drop: tuple[str, ...] = ()
    class_names: str | None = None
    image_size: int | None = None
    force: bool = False
    preset: str | None = None  # of `knn_eval`, or "course"
    probe: str | None = None  # of `linear_probe`
    year: int | None = None  # of the preset "course"
    strict: bool = False
    follow_links: bool = False
    lecture: bool = False

    @property
    def seed(self) -> int:
        """The seed of all random choices that no protocol makes."""
        return self.given_seed or 0

    @property
    def protocol(self) -> str | None:
        """The published protocol, if this is an evaluation by one."""
        return self.preset or self.probe

    @property
    def folder_ending(self) -> str | None:
        """What a protocol adds to the name of the default folder. Some presets and probes have the same name."""
        return self.preset if self.probe is None else f"probe-{self.probe}"

    @property
    def command(self) -> str:
        """The command that repeats this run, quoted for a shell, without options at their defaults."""
        default = RunOptions(self.data)
        words = ["fastcls", "run", as_word(self.data)]
        for name in ("preset", "probe", "year", "out", "limit", "given_seed", "labels", "class_names", "image_size"):
            if (value := getattr(self, name)) != getattr(default, name):
                words += [f"--{name.removeprefix('given_').replace('_', '-')}", str(value)]
        if self.folds is not None:
            words += ["--folds", str(self.folds)]
        for name in ("ks", "metrics", "models", "drop"):
            if (values := getattr(self, name)) != getattr(default, name):
                words += [f"--{name}", ",".join(map(str, values))]
        flags = [
            f"--{name.replace('_', '-')}" for name in ("strict", "follow_links", "lecture", "force") if getattr(self, name)
        ]
        return shlex.join(words + flags)


def as_word(name: str) -> str:
    """Return a file name as a command-line argument; one that begins with a dash must not look like an option."""
    return f"./{name}" if name.startswith("-") else name


def parse_options(
    data: str,
    *,
    ks: str | None,
    metrics: str | None,
    models: str | None,
    folds: str | None,
    limit: int | None,
    seed: int | None,
    out: Path | None,
    labels: str | None,
    image_size: int | None,
    force: bool,
    preset: str | None = None,
    probe: str | None = None,
    year: int | None = None,
    class_names: str | None = None,
    strict: bool = False,
    follow_links: bool = False,
    lecture: bool = False,
    drop: str | None = None,
) -> RunOptions:
    """Check the options and convert them.

    Raises
    ------
    InputError
        For an unusable value; the message lists usable ones.
    """
    n_folds = parse_folds(folds)
    if limit is not None and limit < 2:
        raise InputError(f"--limit {limit}: a run needs at least 2 rows")
    if seed is not None and not 0 <= seed < 2**32:
        raise InputError(f"--seed {seed}: wanted 0 to {2**32 - 1}")
    places = [path_and_name(word)[0] for word in (*([] if labels is None else [labels]), data)]
    if labels is not None and not os.path.isfile(places[0]) and not os.path.exists(places[1]):  # else a name in DATA
        raise InputError(f"--labels: {absent(labels, 'the file of labels')}")
    if preset is not None or probe is not None:
        decided = {"--ks": ks, "--metrics": metrics, "--models": models, "--folds": folds, "--limit": limit}
        check_protocol(preset, probe, decided)
    if year is not None:
        if preset != "course":
            raise InputError("--year is for --preset course: omit it")
        from ..course import evaluation

        evaluation.form_of(year)
    return RunOptions(
        data=data,
        preset=preset,
        probe=probe,
        year=year,
        out=out,
        folds=n_folds,
        limit=limit,
        given_seed=seed,
        labels=labels,
        drop=parse_drop(drop),
        class_names=class_names,
        image_size=image_size,
        force=force,
        strict=strict,
        follow_links=follow_links,
        lecture=lecture,
        ks=DEFAULT_KS if ks is None else parse_ks(ks),
        metrics=DEFAULT_METRICS if metrics is None else parse_names(metrics, "metric", METRICS, ALIASES),
        models=tuple(MODELS) if models is None else parse_names(models, "model", MODELS),
    )


def check_protocol(preset: str | None, probe: str | None, decided: Mapping[str, Any]) -> None:
    """Refuse an unknown protocol, two of them, and options that a protocol sets itself."""
    from ..protocols import KNN_PRESETS, PROBE_PRESETS, PROTOCOLS  # takes a second

    known = {"--preset": (*KNN_PRESETS, "course"), "--probe": tuple(PROBE_PRESETS)}
    given = {option: name for option, name in (("--preset", preset), ("--probe", probe)) if name is not None}
    for option, name in given.items():
        if name not in known[option]:
            other = next((f"{one} {name}" for one in known if name in known[one]), None)
            if (elsewhere := PROTOCOLS.get(name)) is not None and elsewhere.kind == "few_shot":
                raise InputError(
                    f"{option} {name}: this protocol belongs to another command: fastcls compare A B --preset {name}"
                )
            if other is None and elsewhere is not None:
                other = elsewhere.preset_name if option == "--probe" else f"--probe {elsewhere.preset_name}"
            hint = f"did you mean {other}? Or " if other else _did_you_mean(name, known[option])
            said = f"unknown {option[2:]} {name}" if name.strip() else f"{option} is empty"
            raise InputError(f"{said}: {hint}choose from {', '.join(known[option])}")
    if len(given) > 1:
        raise InputError("--preset and --probe are both given: omit one of them")
    ((option, name),) = given.items()
    decided = {**decided, "--limit": decided["--limit"] if name == "course" else None}
    if same := [one for one, value in decided.items() if value is not None]:
        raise InputError(f"{option} {name} sets {same[0]} itself: omit one of them")


def _did_you_mean(typed: str, names: Iterable[str]) -> str:
    close = meant(typed, names)
    return f"did you mean {close}? Or " if close else ""


def parse_folds(text: str | None) -> int | Literal["loo"] | None:
    """Return the number of folds or "loo"; None if the option is not given."""
    if text is None:
        return None
    if text.strip().lower() == "loo":
        return "loo"
    if not text.strip().isdecimal() or int(text) < 2:
        raise InputError(f"--folds {text!r}: wanted a number of folds, at least 2, or loo (leave-one-out)")
    return int(text)


def parse_drop(text: str | None) -> tuple[str, ...]:
    """Return the names of columns in ``a,b``; none if the option is not given."""
    names = () if text is None else tuple(dict.fromkeys(_parts(text)))
    if text is not None and not names:
        raise InputError(f"--drop {text!r}: wanted names of columns, separated by commas")
    return names


def _range(part: str) -> Iterable[int]:
    """Return one number, or the numbers of a range such as 1-20."""
    first, dash, last = part.partition("-")
    if not (dash and first):
        return (int(part),)
    if not 1 <= int(first) <= int(last) <= 10**6:
        raise ValueError(part)
    return range(int(first), int(last) + 1)


def parse_ks(text: str) -> tuple[int, ...]:
    """Return the numbers of ``1,3,5`` or ``1-20``, sorted and unique."""
    try:
        ks = tuple(sorted({k for part in _parts(text) for k in _range(part)}))
    except ValueError:
        ks = ()
    if not ks or ks[0] < 1:
        raise InputError(f"--ks {text!r}: wanted positive integers, separated by commas, such as 1,3,5 or 1-20")
    return ks


def parse_names(text: str, what: str, known: Mapping[str, Any], aliases: dict[str, str] | None = None) -> tuple[str, ...]:
    """Return the names in ``a,b``, each once: models in the order of ``known``, all others as typed."""
    aliases = aliases or {}
    typed = [aliases.get(part.lower(), part.lower()) for part in _parts(text)]
    bad = [part for part, name in zip(_parts(text), typed, strict=True) if name not in known]
    if bad or not typed:
        said = f"unknown {what} {bad[0]}: {_did_you_mean(bad[0], [*known, *aliases])}" if bad else f"no {what} in {text!r}: "
        raise InputError(f"{said}choose from {', '.join(known)}")
    if what == "model":
        return tuple(name for name in known if name in typed)
    return tuple(dict.fromkeys(typed))


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]

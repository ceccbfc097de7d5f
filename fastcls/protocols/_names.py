"""The names that `compare` gives to all protocols: those of `knn_eval`, `linear_probe` and `few_shot` in one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastcls._validation.base import as_list, one_of
from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted

from ._few_shot import FEW_SHOT_PRESETS
from ._presets import KNN_PRESETS, PROBE_PRESETS

#: what `compare` evaluates without `presets`
DEFAULT_PROTOCOLS = ("dino", "clip-probe", "mteb-few-shot")
#: rows per class: those of the few-shot probes of Radford et al., Learning transferable visual models from natural language
#: supervision, 2021, figure 6; tries: n_experiments of embeddings-benchmark/mteb, mteb/abstasks/classification.py
N_PER_CLASS, N_TRIES = (1, 2, 4, 8, 16), 10


@dataclass(frozen=True)
class Protocol:
    """A published protocol by its name in `compare`.

    Attributes
    ----------
    kind : {"knn", "probe", "few_shot"}
    preset : KNNPreset, ProbePreset or FewShotPreset
    preset_name : str
    classifier : str or None
        Of `few_shot`.
    """

    kind: str
    preset: Any
    preset_name: str
    classifier: str | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics whose sums its rows must allow."""
        if self.kind == "knn":
            found: tuple[str, ...] = self.preset.metrics
            return found
        return ("cosine",) if self.classifier == "knn" else ("l2",)


#: name in `compare` -> protocol
PROTOCOLS: dict[str, Protocol] = {
    **{name: Protocol("knn", preset, name) for name, preset in KNN_PRESETS.items()},
    **{f"{name}-probe": Protocol("probe", preset, name) for name, preset in PROBE_PRESETS.items()},
    **{
        f"{name}-few-shot" + (f"-{classifier}" if classifier != preset.classifiers[0] else ""): Protocol(
            "few_shot", preset, name, classifier
        )
        for name, preset in FEW_SHOT_PRESETS.items()
        for classifier in preset.classifiers
    },
}


def check_protocols(presets: Any) -> tuple[str, ...]:
    """The names of protocols, each once."""
    names = as_list(presets)
    if not names:
        raise InputError(f"presets is empty; choose from: {', '.join(PROTOCOLS)}")
    for name in names:
        if isinstance(name, str) and name not in PROTOCOLS:
            near = [f"{name}{ending}" for ending in ("-probe", "-few-shot") if f"{name}{ending}" in PROTOCOLS]
            if near:
                raise InputError(f"preset {quoted(name)} is unknown to compare: did you mean {' or '.join(near)}?")
        one_of("presets", name, PROTOCOLS)
    return tuple(dict.fromkeys(names))

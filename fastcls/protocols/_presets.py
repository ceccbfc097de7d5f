"""The constants of published protocols, each with its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class KNNPreset:
    """A published evaluation by k-NN.

    Attributes
    ----------
    name, source : str
    ks : tuple of int
        Ascending.
    weights : {"softmax", "uniform"}
        A neighbour's vote: exp(similarity / temperature), or 1.
    temperature : float or None
    metrics : tuple of str
    centered : bool
        Whether the mean of the training rows is subtracted from all rows, which are then scaled to length 1.
    per_class, n_draws : int or None
        Train on this many random rows of each class, in this many draws; None: on all rows.
    """

    name: str
    source: str
    ks: tuple[int, ...]
    weights: Literal["softmax", "uniform"] = "softmax"
    temperature: float | None = None
    metrics: tuple[str, ...] = ("cosine",)
    centered: bool = False
    per_class: int | None = None
    n_draws: int | None = None


KNN_PRESETS: dict[str, KNNPreset] = {
    preset.name: preset
    for preset in (
        KNNPreset(
            "dino",
            "facebookresearch/dino, eval_knn.py: --nb_knn 10 20 100 200, --temperature 0.07",
            ks=(10, 20, 100, 200),
            temperature=0.07,
        ),
        KNNPreset(
            "dinov2",
            "facebookresearch/dinov2, dinov2/eval/knn.py: nb_knn 10, 20, 100, 200, temperature 0.07",
            ks=(10, 20, 100, 200),
            temperature=0.07,
        ),
        KNNPreset(
            "moco",
            "facebookresearch/moco, colab/moco_cifar10_demo.ipynb: --knn-k 200, --knn-t 0.1",
            ks=(200,),
            temperature=0.1,
        ),
        KNNPreset(
            "lightly",
            "lightly-ai/lightly, lightly/utils/benchmarking/knn.py: knn_k 200, knn_t 0.1",
            ks=(200,),
            temperature=0.1,
        ),
        KNNPreset(
            "vissl",
            "facebookresearch/vissl, vissl/config/defaults.yaml, NEAREST_NEIGHBOR: TOPK 200, SIGMA 0.1",
            ks=(200,),
            temperature=0.1,
        ),
        KNNPreset(
            "solo-learn",
            "vturrisi/solo-learn, solo/utils/knn.py, WeightedKNNClassifier: k 20, T 0.07",
            ks=(20,),
            temperature=0.07,
        ),
        KNNPreset(
            "uni",
            "mahmoodlab/UNI, uni/downstream/eval_patch_features/fewshot.py, eval_knn: n_neighbors 20, center_feats, "
            "normalize_feats",
            ks=(20,),
            weights="uniform",
            metrics=("l2",),
            centered=True,
        ),
        KNNPreset(
            "mteb",
            "embeddings-benchmark/mteb, mteb/abstasks/AbsTaskClassification.py, method kNN: k 3, samples_per_label "
            "8, n_experiments 10; metrics of mteb/evaluation/evaluators/ClassificationEvaluator.py",
            ks=(3,),
            weights="uniform",
            metrics=("cosine", "l2"),
            per_class=8,
            n_draws=10,
        ),
    )
}


@dataclass(frozen=True)
class ProbePreset:
    """A published linear probe: multinomial logistic regression by L-BFGS, with scikit-learn's C.

    Attributes
    ----------
    name, source : str
    exponents : tuple of float
        C is 10 to the power of one of these. Empty: a single C, n_features x n_classes / 100.
    halving : bool
        Try only some exponents: halve the interval around the best one until its neighbours have been tried.
    validation_size : float
        Share of the training rows set aside to choose C, if no validation rows are given.
    max_iter : int
    tol : float
        Tolerance for the largest entry of the gradient of the mean loss.
    """

    name: str
    source: str
    exponents: tuple[float, ...] = ()
    halving: bool = False
    validation_size: float = 0.0
    max_iter: int = 1000
    tol: float = 1e-4


PROBE_PRESETS: dict[str, ProbePreset] = {
    preset.name: preset
    for preset in (
        ProbePreset(
            "clip",
            "Radford et al., Learning transferable visual models from natural language supervision, 2021, A.3; "
            "openai/CLIP, README.md: scikit-learn's LogisticRegression, max_iter 1000",
            exponents=tuple(step / 8 for step in range(-48, 49)),
            halving=True,
            validation_size=0.2,
        ),
        ProbePreset(
            "dinov2",
            "facebookresearch/dinov2, dinov2/eval/log_regression.py: C_POWER_RANGE linspace(-6, 5, 45), "
            "DEFAULT_MAX_ITER 1000, a tenth of the training rows",
            exponents=tuple(-6 + 11 * step / 44 for step in range(45)),
            validation_size=0.1,
            tol=1e-6,
        ),
        ProbePreset(
            "uni",
            "mahmoodlab/UNI, uni/downstream/eval_patch_features/linear_probe.py: cost n_features x n_classes / 100, "
            "max_iter 1000, combine_trainval",
        ),
    )
}

"""The constants of published protocols, each with its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


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
    seed : int or None
        The protocol's own seed, if its draws are reproduced.
    clamped : bool
        Whether a k above the number of rows is that number; else it is left out.
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
    seed: int | None = None
    clamped: bool = False


# Cosine, the default metric, is the dot product of rows of length 1, to which these sources scale all features: dino,
# extract_feature_pipeline; dinov2 and dinov3, ModelWithNormalize; moco and lightly, F.normalize before features are stored;
# solo-learn, F.normalize before the search; vissl, only with L2_NORM_FEATS: True.
#: settings of published k-NN evaluations, and where they are from
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
            "dinov3",
            "facebookresearch/dinov3, dinov3/eval/knn.py, TrainConfig: ks 10, 20, 100, 200, temperature 0.07",
            ks=(10, 20, 100, 200),
            temperature=0.07,
            clamped=True,  # eval_knn
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
            "lightly-vit",
            "lightly-ai/lightly, benchmarks/imagenet/vitb16/main.py: --knn-k 200, --knn-t 0.07",
            ks=(200,),
            temperature=0.07,
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
            clamped=True,  # compute: min(self.k, num_train_images)
        ),
        KNNPreset(
            "uni",
            "mahmoodlab/UNI, uni/downstream/eval_patch_features/fewshot.py, eval_knn: n_neighbors 20, center_feats, "
            "normalize_feats",
            ks=(20,),
            weights="uniform",  # of scikit-learn's KNeighborsClassifier(n_neighbors), and so is the metric
            metrics=("l2",),
            centered=True,
        ),
        KNNPreset(
            "torchgeo-bench",
            "torchgeo/torchgeo-bench, src/torchgeo_bench/conf/config.yaml: knn_k 5; knn.py, IndexFlatL2",
            ks=(5,),
            weights="uniform",  # knn.py counts the classes of the neighbours
            metrics=("l2",),
            clamped=True,  # _search_cpu: min(self.n_neighbors, self._index.ntotal)
        ),
        KNNPreset(
            "mteb-v1-knn",
            "embeddings-benchmark/mteb 1.x, mteb/abstasks/AbsTaskClassification.py, method kNN: k 3, samples_per_label "
            "8, n_experiments 10, seed 42; metrics of mteb/evaluation/evaluators/ClassificationEvaluator.py",
            ks=(3,),
            weights="uniform",  # of scikit-learn's KNeighborsClassifier(n_neighbors, metric)
            metrics=("cosine", "l2"),  # both: kNNClassificationEvaluator
            per_class=8,
            n_draws=10,
            seed=42,
        ),
    )
}


@dataclass(frozen=True)
class AdamW:
    """Training by torch's AdamW with a cosine schedule; without validation rows the weight decay is 0."""

    learning_rate: float
    epochs: int
    batch_size: int


@dataclass(frozen=True)
class ProbePreset:
    """A published linear probe: multinomial logistic regression by L-BFGS, with scikit-learn's C.

    Attributes
    ----------
    name, source : str
    exponents : tuple of float
        C (or the weight decay) is 10 to the power of one of these. Empty: a single C.
    C : float or None
        The single C; None: n_features x n_classes / 100.
    halving : bool
        Try only some exponents: halve the interval around the best one until its neighbours have been tried.
    validation_size : float
        Share of the training rows set aside to choose C, if no validation rows are given. 0: C is not chosen without them.
    split : {"stratified", "dinov2", "dinov3"}
        How these rows are drawn.
    max_iter, last_max_iter : int
        Iterations of a fit that tries a C, and of the last fit.
    tol : float
        Tolerance for the largest entry of the gradient of the mean loss. scikit-learn's is 1e-4, where predictions still
        depend on the coordinates of the rows (accuracy of "uni" on 397 digits: 0.912, on centred pixels 0.897, at the
        minimum 0.899 for both). So probes that train until they converge have 1e-6.
    norm_penalty : bool
        Whether the penalty is |W| / (2 C), not |W|^2 / (2 C n_rows), beside the mean loss.
    penalises_both : bool
        Whether with two classes the weights of both are penalised: that is scikit-learn's function with 2 C.
    per_class, n_draws : int or None
        Train on this many random rows of each class, in this many draws; None: on all rows.
    seed : int or None
        The protocol's own seed, if its draws are reproduced.
    adamw : AdamW or None
        Train by AdamW instead, with a weight decay in place of C.
    """

    name: str
    source: str
    exponents: tuple[float, ...] = ()
    C: float | None = None
    halving: bool = False
    validation_size: float = 0.0
    split: Literal["stratified", "dinov2", "dinov3"] = "stratified"
    max_iter: int = 1000
    last_max_iter: int = 1000
    tol: float = 1e-6
    norm_penalty: bool = False
    penalises_both: bool = False
    per_class: int | None = None
    n_draws: int | None = None
    seed: int | None = None
    adamw: AdamW | None = None


@dataclass(frozen=True)
class MultilabelPreset:
    """A published evaluation of several labels per row, by k-NN or by one logistic regression a label.

    Attributes
    ----------
    name, source : str
    k : int
        Of k-NN, under l2, with votes of 1 each.
    C, max_iter, tol
        Of the logistic regressions.
    per_label, n_draws : int
        Train on random rows, until each label has this many, in this many draws.
    seed : int
        The protocol's own seed; its draws are reproduced.
    """

    name: str
    source: str
    k: int
    C: float
    max_iter: int
    tol: float
    per_label: int
    n_draws: int
    seed: int


#: settings of published evaluations with several labels per row, and where they are from
MULTILABEL_PRESETS: dict[str, MultilabelPreset] = {
    preset.name: preset
    for preset in (
        MultilabelPreset(
            "mteb-multilabel",
            "embeddings-benchmark/mteb 2.x, mteb/abstasks/multilabel_classification.py: KNeighborsClassifier(n_neighbors=5)"
            "; mteb/abstasks/classification.py: samples_per_label 8, n_experiments 10; mteb/abstasks/abstask.py: seed 42; "
            "mteb/tasks/multilabel_classification/eng/audio_set.py: MultiOutputClassifier(LogisticRegression())",
            k=5,
            C=1.0,  # of scikit-learn's LogisticRegression(), and so are the next two
            max_iter=100,
            tol=1e-4,
            per_label=8,
            n_draws=10,
            seed=42,
        ),
    )
}


def settings_of(chosen: KNNPreset) -> dict[str, Any]:
    """The constants that the preset sets."""
    kept = {name: value for name, value in vars(chosen).items() if value is not None}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()}


def _linspace(first: float, last: float, n: int) -> tuple[float, ...]:
    return tuple(first + (last - first) * step / (n - 1) for step in range(n))


#: settings of published linear probes, and where they are from
PROBE_PRESETS: dict[str, ProbePreset] = {
    preset.name: preset
    for preset in (
        ProbePreset(
            "clip",
            "Radford et al., Learning transferable visual models from natural language supervision, 2021, A.3; "
            "openai/CLIP, README.md: scikit-learn's LogisticRegression, max_iter 1000",
            exponents=_linspace(-6, 6, 97),  # A.3: 96 steps between 10^-6 and 10^6
            halving=True,  # A.3: a parametric binary search that starts with 10^-6, 10^-4, ..., 10^6
            validation_size=0.2,  # not published: A.3 uses the validation rows that a data set has, or a split of its own
        ),
        ProbePreset(
            "dinov2",
            "facebookresearch/dinov2, dinov2/eval/log_regression.py: C_POWER_RANGE linspace(-6, 5, 45), "
            "DEFAULT_MAX_ITER 1000, a tenth of the training rows, torch.manual_seed(0)",
            exponents=_linspace(-6, 5, 45),
            validation_size=0.1,
            split="dinov2",
            tol=1e-6,  # LogRegModule has 1e-12, which rounding of float32 rows does not allow
            seed=0,
        ),
        ProbePreset(
            "dinov3",
            "facebookresearch/dinov3, dinov3/eval/log_regression.py: C_POWER_RANGE linspace(-6, 5, 45), max_train_iters "
            "1000; dinov3/eval/data.py: a tenth of each class, seed 0",
            exponents=_linspace(-6, 5, 45),
            validation_size=0.1,
            split="dinov3",
            tol=1e-6,  # TrainConfig has 1e-12, see dinov2
            seed=0,
        ),
        ProbePreset(
            "uni",
            "mahmoodlab/UNI, uni/downstream/eval_patch_features/linear_probe.py: cost n_features x n_classes / 100, "
            "max_iter 1000, combine_trainval, use_sklearn",
        ),
        ProbePreset(
            "uni-torch",
            "mahmoodlab/UNI, uni/downstream/eval_patch_features/linear_probe.py: cost n_features x n_classes / 100, "
            "max_iter 1000, combine_trainval; logistic_regression.py, compute_loss: the mean loss + norm / (2 cost)",
            norm_penalty=True,
        ),
        ProbePreset(
            "mteb",
            "embeddings-benchmark/mteb 2.x, mteb/abstasks/classification.py: LogisticRegression(max_iter=100), "
            "samples_per_label 8, n_experiments 10; mteb/abstasks/abstask.py: seed 42",
            C=1.0,  # of scikit-learn's LogisticRegression, and so is tol
            max_iter=100,
            last_max_iter=100,
            tol=1e-4,
            per_class=8,
            n_draws=10,
            seed=42,
        ),
        ProbePreset(
            "torchgeo-bench",
            "torchgeo/torchgeo-bench, src/torchgeo_bench/conf/config.yaml: c_range -6, 4, 40, merge_val; main.py, "
            "evaluate_logistic: max_iter 2000, then 4000, tol 1e-6; linear.py: the weights of all classes are penalised",
            exponents=_linspace(-6, 4, 40),
            validation_size=0.2,  # not published: its data sets have validation rows
            max_iter=2000,
            last_max_iter=4000,
            tol=1e-6,
            penalises_both=True,
        ),
        ProbePreset(
            "clip-benchmark",
            "LAION-AI/CLIP_benchmark, clip_benchmark/metrics/linear_probe.py: AdamW, logspace(-6, 2, 97) weight decays; "
            "cli.py: --fewshot_lr 0.1, --fewshot_epochs 10, --batch_size 64, --seed 0",
            exponents=_linspace(-6, 2, 97),
            halving=True,  # wd_list_init: every 16th; step_span: 8, then half of it
            seed=0,
            adamw=AdamW(learning_rate=0.1, epochs=10, batch_size=64),
        ),
    )
}

#: presets of `PROBE_PRESETS` that also have several labels per row: one logistic regression a label, and for all labels the
#: C of the best value of this number on the validation rows. "micro": micro average precision (src/torchgeo_bench/main.py,
#: evaluate_logistic, multi_label). "voc2007": mean average precision of VOC 2007, which is what DINOv3 has for VOC 2007, its
#: data set of several labels (dinov3/eval/log_regression.py, OneVsRestClassifier; dinov3/eval/metrics/classification.py)
LABEL_PROBES = {"torchgeo-bench": "micro", "dinov3": "voc2007"}

"""The p-values of ``fastcls compare`` against SciPy's and statsmodels'; stores bench/results/representations.json:

    cd FOLDER                                  # written by python -m bench.representations
    fastcls compare ... --out OUT
    python -m bench.paired_tests OUT [OUT ...]

The command in OUT/results.json is planned again; its predictions come from OUT/parts, so nothing is evaluated twice. For one
try: SciPy's ``binomtest`` of the rows that only one of two predicts correctly, statsmodels' ``mcnemar(exact=True)``. For
means over tries: ``ttest_rel``, and ``DescrStatsW.ttest_mean`` of the differences. Holm's correction: ``multipletests``.
"""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

from fastcls._storage.atomic import write_text
from fastcls.cli._compare import plan_of
from fastcls.cli._compare_inputs import read_representations
from fastcls.cli._compare_options import parse_compare_options
from fastcls.protocols import Plan

RESULTS = Path(__file__).with_name("results") / "representations.json"
TOLERANCE = 1e-9  # relative


def planned(command: str, out: Path) -> Plan:
    """The comparison of this command, with what is in the folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", nargs="+")
    parser.add_argument("--test", action="append", default=[])
    for name in ("labels", "test-labels", "preset", "n-per-class", "out", "csv"):
        parser.add_argument(f"--{name}")
    for name in ("tries", "folds", "limit", "seed"):
        parser.add_argument(f"--{name}", type=int)
    given = vars(parser.parse_args(shlex.split(command)[2:]))
    options = parse_compare_options(**{**given, "seed": given["seed"] or 0, "out": None, "csv": None})
    return plan_of(options, read_representations(options, lambda done, total: None), out)


def theirs(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """SciPy's and statsmodels' p-values of hits, bool (n_tries, n_test)."""
    if len(first) == 1:
        only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
        table = [[int((first & second).sum()), only_first], [only_second, int((~first & ~second).sum())]]
        exact = stats.binomtest(only_first, only_first + only_second, 0.5).pvalue
        return float(exact), float(mcnemar(table, exact=True).pvalue)
    shares = first.mean(axis=0), second.mean(axis=0)
    return float(stats.ttest_rel(*shares).pvalue), float(DescrStatsW(shares[0] - shares[1]).ttest_mean(0.0)[1])


def checked(out: Path) -> dict[str, Any]:
    """Accuracies and p-values of a comparison."""
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    plan = planned(results["command"], out)
    missing = [part for part in plan.parts if not plan.is_done(part)]
    assert not missing, f"not in {out}: {missing}"
    hits = {(part.protocol, part.representation): plan.compared_line(part).predicted == plan.truth for part in plan.parts}
    pairs = []
    for pair in results["pairs"]:
        scipy_p, statsmodels_p = theirs(*(hits[pair["protocol"], pair[name]] for name in ("first", "second")))
        pairs.append({**pair, "p_scipy": scipy_p, "p_statsmodels": statsmodels_p})
    by_holm = multipletests([pair["p_value"] for pair in pairs], method="holm")[1]
    for pair, corrected in zip(pairs, by_holm.tolist(), strict=True):
        pair["p_holm_statsmodels"] = corrected
        for ours, of in (("p_value", "p_scipy"), ("p_value", "p_statsmodels"), ("p_holm", "p_holm_statsmodels")):
            # p-values that underflow differ
            assert np.isclose(pair[ours], pair[of], rtol=TOLERANCE, atol=1e-300), (pair, ours, of)
    words = shlex.split(results["command"])
    at = words.index("--out")
    shown = ("protocol", "representation", "setting", "top1", "top1_low", "top1_high", "compared")
    return {
        "command": shlex.join(words[:at] + words[at + 2 :]),
        **{name: results[name] for name in ("n_train", "n_test", "limit")},
        "table": [{name: row[name] for name in shown} for row in results["table"] if row["compared"]],
        "pairs": pairs,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    found = [checked(folder) for folder in parser.parse_args().folders]
    for one in found:
        print(f"{one['n_train']:,} training rows, {one['n_test']:,} test rows")
        for row in one["table"]:
            print(f"{row['protocol']:16} {row['representation']:12} {row['setting']:32} {100 * row['top1']:.2f} %")
        for pair in one["pairs"]:
            print(
                f"{pair['protocol']:16} {pair['first']:>12} - {pair['second']:12} {100 * pair['difference']:+7.2f}  p "
                f"{pair['p_value']:.3e}  SciPy {pair['p_scipy']:.3e}  statsmodels {pair['p_statsmodels']:.3e}  Holm "
                f"{pair['p_holm']:.3e} {pair['p_holm_statsmodels']:.3e}"
            )
    write_text(json.dumps(found, indent=1) + "\n", RESULTS, "the figures")


if __name__ == "__main__":
    main()

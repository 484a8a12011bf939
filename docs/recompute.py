"""Compute a report of a stream again from its JSON alone: scores, forgetting, intervals, p, p after Holm.

    workbench report first --json > first.json
    python recompute.py first.json

It needs numpy and scipy, and nothing of the workbench: the formulas stand here a second time. Exit code 1: a number of
the file is another one than its matrices give.
"""

import json
import sys

import numpy as np
from scipy.stats import t as student

METRICS = ("average_accuracy", "learning_accuracy", "forgetting")
BOUNDS = ("mean", "low", "high")


def metrics(run):
    """Return the three metrics of one seed's matrix R (T + 1, T), a row for each stage from 0."""
    matrix = np.array(run["matrix"], dtype=float)  # NaN where a cell was not measured
    tasks, last = range(matrix.shape[1]), len(matrix) - 1
    since = run.get("since") or range(1, len(tasks) + 1)  # the stage from which a task counts
    lost = [matrix[since[j] : last, j].max() - matrix[last, j] for j in tasks if since[j] < last]
    return matrix[last].mean(), matrix[since, tasks].mean(), np.mean(lost or [np.nan])


def by_seed(values, seeds):
    """Return one value a seed, the mean over the orders of its tasks; a seed that lacks one is left out."""
    own = [[value for value, of in zip(values, seeds, strict=True) if of == seed] for seed in dict.fromkeys(seeds)]
    return np.array([np.mean(of) for of in own if np.isfinite(of).all()])


def of_mean(values, floor=0.0):
    """Return the variance of the mean of values, one a seed, and its degrees of freedom."""
    return max(np.var(values, ddof=1), floor**2) / len(values), len(values) - 1


def of_difference(values, stored):
    """Return the same of a difference, with the variance of its test examples where the file has that."""
    terms = {name: (of["variance"], of["freedom"]) for name, of in stored["spread"]["terms"].items()}
    seeds, freedom = of_mean(values, stored["spread"]["floor"] or 0)
    if stored["test"] != "paired":  # other rows, or the single tasks, are in it: as the file has it
        seeds, freedom = terms["seeds"]
    if "examples" not in terms:
        return (
            seeds if np.any(values) or stored["test"] != "paired" else 0.0
        ), freedom  # no difference at all: no spread
    (examples, n), (both, m) = terms["examples"], terms["interaction"]
    added = max(examples - both, 0)
    fourth = max(seeds, both) ** 2 / freedom + (examples**2 / n + both**2 / m if added else 0)  # Satterthwaite (1946)
    return seeds + added, max((seeds + added) ** 2 / fourth if fourth else freedom, min(freedom, n))


def interval(values, variance, freedom):
    """Return mean, lower and upper bound, at 95 %; no bounds of a value alone."""
    half = student.ppf(0.975, freedom) * variance**0.5
    return np.mean(values), np.mean(values) - half, np.mean(values) + half


def holm(tests):
    """Return p after Holm (1979) by label, of (what identical tests share, p) by label."""
    distinct, adjusted, least = dict(tests.values()), {}, 0.0
    for rank, (shared, p) in enumerate(sorted(distinct.items(), key=lambda test: test[1])):
        least = adjusted[shared] = max(least, min(1.0, p * (len(distinct) - rank)))
    return {label: adjusted[shared] for label, (shared, _) in tests.items()}


def scores(report):
    """Yield label, the seed of each replication, their metrics, and whether those come from matrices."""
    for label, entry in report["strategies"].items():
        kept = np.array([entry["metrics"][name]["values"] for name in METRICS], dtype=float)  # a row for each metric
        if runs := entry.get("seeds"):
            yield label, [run["seed"] for run in runs], np.array([metrics(run) for run in runs]).T, True
        else:  # an earlier version: a file from before the matrices of all seeds were in it
            yield label, np.repeat(report["seeds"], kept.shape[1] // len(report["seeds"])), kept, False


def of_entries(report):
    """Yield a title, numbers of the file, and the same computed: None where the file does not have what that takes."""
    for label, seeds, rows, from_matrices in scores(report):
        for name, own in zip(METRICS, rows, strict=True):
            stored = report["strategies"][label]["metrics"][name]
            yield f"{label}: {name} of each seed", stored["values"], own if from_matrices else None
            if len(values := by_seed(own, seeds)) > 1:
                yield f"{label}: {name}", [stored[end] for end in BOUNDS], interval(values, *of_mean(values))


def of_differences(report, row, name):
    """Yield the same of the differences in a metric, which are one family."""
    tests, known = {}, {label: (seeds, rows[row]) for label, seeds, rows, _ in scores(report)}
    compared = {label: entry["comparison"] for label, entry in report["strategies"].items() if entry["comparison"]}
    for label, comparison in compared.items():
        stored, what = comparison[name], f"{label}: difference in {name}"
        seeds, own = known[label]
        gaps = own - known[comparison.get("against", report["reference"])][1]
        gaps, seeds = (
            gaps[: len(stored["values"])],
            seeds[: len(stored["values"])],
        )  # one decided at a look stays as it was
        yield f"{what}, of each seed", stored["values"], gaps
        shown = [stored.get(end) for end in (*BOUNDS, "p")]
        if stored["low"] is not None and "spread" not in stored:
            yield f"{what}, interval and p", shown, None
        elif stored["low"] is not None:  # several seeds
            values = by_seed(gaps, seeds)
            variance, freedom = of_difference(values, stored)
            p = 2 * student.sf(abs(np.mean(values)) / variance**0.5, freedom) if variance else 1.0
            yield f"{what}, interval and p", shown, (*interval(values, variance, freedom), p)
            tests[label] = ((*np.abs(gaps).round(12), round(variance, 15), round(freedom, 6)), p)
    if "looks" not in report:  # else each is adjusted together with those of its look
        for label, p in holm(tests).items():
            yield f"{label}: difference in {name}, p after Holm", [compared[label][name]["p_holm"]], [p]


def numbers(report):
    """Yield what, numbers of the file, and the same computed or None."""
    yield from of_entries(report)
    for row, name in enumerate(METRICS):
        yield from of_differences(report, row, name)


def main(path):
    """Print what differs by a thousandth of a point, and how many numbers do not."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - a program of its own
        report = json.load(file)
    same, wrong, missing = 0, [], []
    for name, stored, computed in numbers(report):
        shown = np.array(stored, dtype=float)
        if computed is None:
            missing.append(name)
        elif np.allclose(shown, np.array(computed, dtype=float), rtol=1e-6, atol=1e-5, equal_nan=True):
            same += shown.size
        else:
            wrong.append(f"{name}: the file has {shown}, computed {np.array(computed)}")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"{same} numbers computed again, {len(wrong)} differ; {len(missing)} need what this file does not have.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

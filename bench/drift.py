"""How often is `workbench drift` wrong, and what does it find?

    python -m bench.drift --out FILE.json

A LoRA is trained for each task on few of its rows, and everything that is compared is measured once of the other rows
and of texts of another task. Then samples are drawn: a reference and new rows, both at random (A/A: any alarm is a
false one); with a share of texts of the other task among the new rows; or with fewer rows of the commonest label.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from adapter_workbench.experiments.answers.drift.bounds import DriftBounds
from adapter_workbench.experiments.answers.drift.new_rows import NewRows
from adapter_workbench.experiments.answers.drift.reading import Measuring
from adapter_workbench.experiments.answers.drift.routing import router_beside
from adapter_workbench.experiments.answers.drift.sample import Judged, Sample
from adapter_workbench.experiments.answers.drift.signals import compare_dealt
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.measures.relabelled_samples import contrasts, distances_between
from adapter_workbench.workbench.measures.statistics import holm
from adapter_workbench.workbench.methods.sampling import draw
from adapter_workbench.workbench.methods.stored_model import backbone_of
from adapter_workbench.workbench.settings.base import Budget
from bench import program

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datasets import Dataset
    from numpy.typing import NDArray

    from adapter_workbench.experiments.answers.drift.signals import Signal
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.methods.task import Task

    Indices = NDArray[np.int64]

BUDGET = Budget(train_examples=300, eval_examples=400, epochs=2, max_length=48)
BOUNDS = DriftBounds()
JUDGED = ("accuracy", "labels")
REFERENCE, SIZES = 400, (50, 200, 800)
FOREIGN, RARER = (0.05, 0.1, 0.2, 0.5), (0.05, 0.1, 0.2)
POOL, OTHERS = 2000, 400  # rows of a task, and texts of the other one
dealt = cache(contrasts)


def main(
    context: typer.Context,
    out: program.Out,
    pairs: Annotated[str, typer.Option(help="TASK:OTHER, with commas; foreign texts are those of OTHER.")] = (
        "bbc-news:reuters-r8,questions-coarse:sentiment-movies,election-tweets:sentiment-products"
    ),
    draws: Annotated[int, typer.Option(help="A/A draws of each task and size.")] = 170,
    changed_draws: Annotated[int, typer.Option(help="Draws of each task, size and change.")] = 50,
    workspace: program.Workspace = None,
) -> None:
    """Train, measure all rows once, and draw."""
    workbench, results = Workbench(workspace), {}
    named = [pair.split(":") for pair in pairs.split(",")]
    trained = [workbench.train(workbench.lesson(task, "lora", budget=BUDGET)).adapter.id for task, _ in named]
    for (name, other), adapter in zip(named, trained, strict=True):
        rows = Rows.of(workbench, workbench.workspace.adapters.verify(adapter), registry.load(registry.find(other)))
        results[name] = {
            "other": other,
            "rows": rows.own,
            "accuracy": rows.accuracy,
            "alike": {size: rows.alike(size, draws) for size in SIZES},
            "foreign": {size: {share: rows.foreign(size, share, changed_draws) for share in FOREIGN} for size in SIZES},
            "rarer": {size: {points: rows.rarer(size, points, changed_draws) for points in RARER} for size in SIZES},
        }
        program.write(context, out, drift=results)
    program.show(results)


class Rows:
    """What was measured of a task's rows that the adapter does not know, and after them of foreign texts."""

    def __init__(self, sample: Sample, own: int, labels: Sequence[str]) -> None:
        """Keep a sample whose first ``own`` rows are the task's."""
        self.sample, self.own, self.labels = sample, own, labels
        self.between = distances_between(sample.features, sample.features)
        self.generator = np.random.default_rng(0)
        assert sample.judged is not None
        right = sample.judged.labels[:own]
        commonest = Counter(right).most_common(1)[0][0]
        self.commonest = np.array([label == commonest for label in right])
        self.accuracy = round(float(sample.judged.correct[:own].mean()), 4)

    @classmethod
    def of(cls, workbench: Workbench, stored: StoredAdapter, other: Task) -> Rows:
        """Ask the adapter, the backbone and a router about all rows."""
        whole, backbone = registry.load(registry.find(stored.manifest.task.name)), backbone_of(stored)
        task = draw(whole, BUDGET, stored.manifest.seed_here)
        state = router_beside(workbench.workspace, stored, backbone, [], workbench.listener)
        measuring = Measuring.open(stored, backbone, task, state)
        pool = _unseen(whole, task)
        own = measuring.held_out(whole, pool)
        texts = _some(other.splits["test"], OTHERS)["text"][:]
        numbers = tuple(range(1, len(texts) + 1))
        foreign = measuring.in_question(NewRows(tuple(texts), numbers, len(texts), 0, None, numbers))
        return cls(_joined(own, foreign), len(own), whole.labels)

    def alike(self, size: int, draws: int) -> dict[str, Any]:
        """Return how often two samples of the same rows are said to differ."""
        return self._drawn(draws, lambda rest: rest[:size])

    def foreign(self, size: int, share: float, draws: int) -> dict[str, Any]:
        """Return how often a sample is said to differ that has a share of foreign texts."""
        texts, count = np.arange(self.own, len(self.sample)), round(share * size)

        def new(rest: Indices) -> Indices:
            return np.concatenate([rest[: size - count], self.generator.choice(texts, count, replace=False)])

        return self._drawn(draws, new)

    def rarer(self, size: int, points: float, draws: int) -> dict[str, Any]:
        """Return how often a sample is said to differ whose commonest label is rarer by ``points``, a share."""
        share = max(0.0, float(self.commonest.mean()) - points)

        def new(rest: Indices) -> Indices:
            count = self.generator.binomial(size, share)
            common, others = rest[self.commonest[rest]], rest[~self.commonest[rest]]
            assert len(common) >= count and len(others) >= size - count
            return np.concatenate([common[:count], others[: size - count]])

        return self._drawn(draws, new)

    def _drawn(self, draws: int, new: Callable[[Indices], Indices]) -> dict[str, Any]:
        """Return what is said of a reference and ``new`` of the rows that are not in it, drawn again and again."""
        comparisons = []
        for _ in range(draws):
            order = self.generator.permutation(self.own)
            comparisons.append(self._compare(order[:REFERENCE], new(order[REFERENCE:])))
        return _counted(comparisons)

    def _compare(self, reference: Indices, new: Indices) -> tuple[Signal, ...]:
        both = np.concatenate([reference, new])
        samples = _part(self.sample, reference), _part(self.sample, new)
        deals, between = dealt(len(reference), len(new)), self.between[np.ix_(both, both)]
        return compare_dealt(*samples, self.labels, BOUNDS, deals, between)


def _unseen(whole: Task, drawn: Task) -> Dataset:
    """Return rows of a task that were neither trained on nor chosen with."""
    from datasets import concatenate_datasets

    seen = {name for split in ("train", "validation") for name in drawn.splits[split]["id"]}
    rows = concatenate_datasets([whole.splits[name] for name in ("train", "validation", "test")])
    return _some(rows.select([index for index, name in enumerate(rows["id"]) if name not in seen]), POOL)


def _some(rows: Dataset, most: int) -> Dataset:
    picked = np.random.default_rng(0).permutation(len(rows))[:most]
    return rows.select(np.sort(picked))


def _joined(own: Sample, foreign: Sample) -> Sample:
    assert own.judged is not None
    wrong = np.zeros(len(foreign), dtype=bool)
    elsewhere = None
    if own.elsewhere is not None and foreign.elsewhere is not None:
        elsewhere = np.concatenate([own.elsewhere, foreign.elsewhere])
    return Sample(
        [*own.values, *foreign.values],
        np.concatenate([own.confidence, foreign.confidence]),
        np.concatenate([own.features, foreign.features]),
        np.concatenate([own.nearest, foreign.nearest]),
        elsewhere,
        Judged(np.concatenate([own.judged.correct, wrong]), [*own.judged.labels, *[None] * len(foreign)]),
    )


def _part(sample: Sample, rows: Indices) -> Sample:
    assert sample.judged is not None
    right = sample.judged.labels
    return Sample(
        [sample.values[row] for row in rows],
        sample.confidence[rows],
        sample.features[rows[:0]],  # the distances are there
        sample.nearest[rows],
        None if sample.elsewhere is None else sample.elsewhere[rows],
        Judged(sample.judged.correct[rows], [right[row] for row in rows]),
    )


def _counted(comparisons: Sequence[tuple[Signal, ...]]) -> dict[str, Any]:
    """Return in which share of draws there is an alarm, without and with labels, and in which each signal is one."""
    unjudged = [[signal for signal in signals if signal.name not in JUDGED] for signals in comparisons]
    adjusted = [holm([signal.p for signal in signals]) for signals in unjudged]
    return {
        "draws": len(comparisons),
        "alarm": _share([any(map(_low, row)) for row in adjusted]),
        "alarm_with_labels": _share([any(signal.beyond for signal in signals) for signals in comparisons]),
        "signals": {
            signal.name: _share([_low(row[index]) for row in adjusted]) for index, signal in enumerate(unjudged[0])
        },
        "unadjusted": {
            signal.name: _share([_low(signals[index].p) for signals in comparisons])
            for index, signal in enumerate(comparisons[0])
        },
    }


def _low(p: float | None) -> bool:
    return p is not None and p < BOUNDS.level


def _share(hits: Sequence[bool]) -> float:
    return round(sum(hits) / len(hits), 4)


if __name__ == "__main__":
    typer.run(main)

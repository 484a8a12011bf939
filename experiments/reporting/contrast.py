"""Two experiments in one metric: paired where they can be, and why not where they cannot."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.reporting.examples import ExamplePair, over_examples
from adapter_workbench.experiments.reporting.families import in_family
from adapter_workbench.experiments.reporting.replications import over_replications, paired

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.reporting.scored import MetricScores, ProblemScores, Replication
    from adapter_workbench.workbench.measures.statistics import Interval

NOT_YET = "not measured in both"
OTHER_TESTS, UNKNOWN_TESTS = "other test examples", "it is not known which test examples"


@dataclass(frozen=True)
class Contrast:
    """The first of two against the second, in one metric."""

    better: str  # ``higher`` or ``lower``, whichever is good
    first: Interval  # mean and interval over its own replications, on ``problems`` where there are any
    second: Interval  # the same of the other
    difference: Difference | None  # first − second at equal seeds and orders; None where they cannot be paired
    why: str  # why they cannot; nothing where they can
    problems: tuple[str, ...]  # the problems that both have with the same test examples
    left_out: Mapping[str, str]  # every other problem, and why it is left out
    replications: int  # how many are paired

    def as_json(self) -> dict[str, Any]:
        """Return both scores, their difference, and what it is taken over; null where there is none."""
        return {
            "first": self.first.as_json(),
            "second": self.second.as_json(),
            "difference": self.difference.as_json() if self.difference else None,
            "not_paired": self.why or None,
            "problems": [name for name in self.problems if name],
            "left_out": {name: why for name, why in self.left_out.items() if name},
            "replications": self.replications,
        }


def contrast(first: MetricScores, second: MetricScores) -> Contrast:
    """Return first − second over the replications and problems that both have.

    A difference at equal seeds is one of the models only where both answered the same test examples: other examples
    shift all seeds alike, and a test over seeds would take that for a difference. Such problems are left out, and so
    are scores of different scenarios, where one side is told more of a task than the other.
    """
    left_out = dict(_left_out(first, second))
    shared = [name for name in first.problems if name in second.problems and name not in left_out]
    ours, theirs = _complete(first, shared or [*first.problems]), _complete(second, shared or [*second.problems])
    common = [replication for replication in ours if replication in theirs] if shared else []
    difference = _difference(first, second, shared, common) if common else None
    return Contrast(
        better=first.better,
        first=_mean(ours),
        second=_mean(theirs),
        difference=difference,
        why="" if difference else _why(left_out, ours, theirs, shared),
        problems=tuple(shared),
        left_out=left_out,
        replications=len(common),
    )


def as_families(contrasts: Mapping[str, Mapping[str, Contrast]]) -> dict[str, dict[str, Contrast]]:
    """Return contrasts, by label and metric, with each metric as one family: p adjusted after Holm."""
    families = {
        metric: in_family(
            {
                label: gap
                for label, metrics in contrasts.items()
                if metric in metrics and (gap := metrics[metric].difference)
            }
        )
        for metric in dict.fromkeys(metric for metrics in contrasts.values() for metric in metrics)
    }
    return {
        label: {
            metric: replace(compared, difference=families[metric].get(label, compared.difference))
            for metric, compared in metrics.items()
        }
        for label, metrics in contrasts.items()
    }


def _left_out(first: MetricScores, second: MetricScores) -> Iterator[tuple[str, str]]:
    for name in dict.fromkeys([*first.problems, *second.problems]):
        if name not in first.problems or name not in second.problems:
            yield name, NOT_YET
        elif first.scenario != second.scenario:  # the same test examples, and another question about them
            yield name, f"other scenarios: {first.scenario} here, {second.scenario} there"
        elif reason := _unequal(first.problems[name].tests, second.problems[name].tests):
            yield name, reason


def _unequal(first: Mapping[str, str | None], second: Mapping[str, str | None]) -> str:
    """Return in what the test examples of two differ; nothing where they are the same."""
    alone = [task for task in dict.fromkeys([*first, *second]) if task not in first or task not in second]
    both = [task for task in first if task in second]
    unknown = [task for task in both if first[task] is None or second[task] is None]
    changed = [task for task in both if task not in unknown and first[task] != second[task]]
    by_reason = {"only one has": alone, f"{OTHER_TESTS} of": changed, f"{UNKNOWN_TESTS} of": unknown}
    return "; ".join(f"{reason} {', '.join(tasks)}" for reason, tasks in by_reason.items() if tasks)


def _complete(scores: MetricScores, problems: Sequence[str]) -> dict[Replication, list[float]]:
    """Return the scores on ``problems`` of each replication that has them all."""
    if not problems:
        return {}
    parts = [scores.problems[name].values for name in problems]
    return {
        replication: [part[replication] for part in parts]
        for replication in parts[0]
        if all(replication in part for part in parts)
    }


def _mean(values: Mapping[Replication, Sequence[float]]) -> Interval:
    return over_replications(map(fmean, values.values()), [seed for seed, _ in values])


def _difference(
    first: MetricScores, second: MetricScores, problems: Sequence[str], common: Sequence[Replication]
) -> Difference:
    pairs = [(first.problems[name], second.problems[name]) for name in problems]
    gaps = tuple(
        fmean(ours.values[replication] - theirs.values[replication] for ours, theirs in pairs) for replication in common
    )
    seeds = [seed for seed, _ in common]
    tasks = dict.fromkeys(task for ours, _ in pairs for task in ours.tests)
    by_task = [[*_pairs(pairs, task, common)] for task in tasks]
    steps = [ours.step for ours, _ in pairs if ours.step is not None]
    step = min(steps) / len(pairs) if len(steps) == len(pairs) else None
    shared = {name: texts for ours, _ in pairs for name, texts in ours.shared_texts.items()}
    return paired(gaps, seeds, step, over_examples(by_task, [shared.get(task, {}) for task in tasks]))


def _pairs(
    problems: Iterable[tuple[ProblemScores, ProblemScores]], task: str, common: Sequence[Replication]
) -> Iterator[ExamplePair]:
    """Yield the example scores of both on one task: the same examples may be of several problems."""
    for ours, theirs in problems:
        if task in ours.tests:
            yield from (
                ExamplePair(replication[0], ours.examples(replication, task), theirs.examples(replication, task))
                for replication in common
            )


def _why(
    left_out: Mapping[str, str],
    ours: Mapping[Replication, Any],
    theirs: Mapping[Replication, Any],
    shared: Sequence[str],
) -> str:
    """Return why nothing is paired."""
    if not shared:
        return "; ".join(dict.fromkeys(left_out.values())) or NOT_YET
    if not ours or not theirs:
        return NOT_YET
    seeds = [", ".join(str(seed) for seed in dict.fromkeys(seed for seed, _ in side)) for side in (ours, theirs)]
    if {seed for seed, _ in ours} & {seed for seed, _ in theirs}:
        return "no order of the tasks in common"
    return f"no seed in common: {seeds[0]} here, {seeds[1]} there"

"""What probes say of a strategy by the end of a stream, one number for each replication.

A probe's quantity about one task's model is called ``TASK/quantity``, one about weights plainly ``quantity``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.experiments.studies.stream.results.replication_report import ReplicationReport
    from adapter_workbench.experiments.studies.stream.results.report import Report
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport
    from adapter_workbench.workbench.measures.statistics import Interval

LAYER = re.compile(r"layer-(\d+)(?:/|$)")
# of the model, whose modules would bring torch into a report
OF_WEIGHTS = {"general-loss", "intruder", "kl-from-base", "lm-eval", "weight-drift"}
Read = Callable[[int, "ReplicationReport"], float | None]
CKA = "cka"
OF_TASK = re.compile(r".*/layer-(\d+)")


@dataclass(frozen=True)
class Panel:
    """One probe, layer by layer."""

    probe: str  # its registered name
    title: str  # what its number is
    formula: str  # in the words of the page's definitions
    read: Read  # layer, replication → number


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean, None where there is no value or one is missing."""
    present = [value for value in values if value is not None]
    return math.fsum(present) / len(present) if present and len(present) == len(values) else None


def _drop(replication: ReplicationReport, probe: str, quantity: str) -> float | None:
    """Return mean over j < T of what a task's quantity fell from stage j to stage T."""
    last, drops = replication.last, []
    for task, stage in replication.earlier.items():
        learned, final = (replication.probed(probe, f"{task}/{quantity}", at) for at in (stage, last))
        drops.append(None if learned is None or final is None else learned - final)
    return mean(drops)


def _representation_forgetting(layer: int, replication: ReplicationReport) -> float | None:
    return _drop(replication, "linear", f"layer-{layer}")


def _similarity(layer: int, replication: ReplicationReport) -> float | None:
    last, earlier = replication.last, replication.earlier
    return mean([replication.probed("cka", f"{task}/layer-{layer}", last) for task in earlier])


def _weights(probe: str, suffix: str = "") -> Read:
    return lambda layer, replication: replication.probed(probe, f"layer-{layer}{suffix}", replication.last)


PANELS = (
    Panel(
        "linear",
        "Representation forgetting",
        "mean over j<T of LP[j, j] − LP[T, j], LP[i, j] the accuracy of a linear probe for task j after stage i",
        _representation_forgetting,
    ),
    Panel(
        "cka",
        "Similarity (CKA)",
        "mean over j<T of the linear CKA of task j's hidden states after stage T with those right after stage j",
        _similarity,
    ),
    Panel(
        "weight-drift",
        "Relative weight change",
        "‖ΔW‖ ÷ ‖W‖ over those of the layer's weight matrices that differ from the pretrained W, in the model of the "
        "last task",
        _weights("weight-drift", "/relative-norm"),
    ),
    Panel(
        "intruder",
        "Intruder dimensions",
        "of the 10 strongest directions of each of these matrices, how many have a cosine below 0.6 with every one of "
        "the pretrained matrix, mean over matrices",
        _weights("intruder"),
    ),
)


def profiles(report: Report, panel: Panel) -> dict[str, dict[int, Interval]]:
    """Return label → layer → interval over replications, for whatever of a panel was measured."""
    by_label = {}
    for strategy in report.strategies:
        layers = sorted(
            {
                int(match[1])
                for quantity in strategy.probes.get(panel.probe, {})
                if (match := LAYER.search(_without_task(panel.probe, quantity, report.record.tasks)))
            }
        )
        line = {layer: strategy.over(partial(panel.read, layer)) for layer in layers}
        measured = {layer: value for layer, value in line.items() if value.mean is not None}
        if measured:
            by_label[strategy.label] = measured
    return by_label


def summaries(strategy: StrategyReport, tasks: Sequence[str]) -> dict[tuple[str, str], Interval]:
    """Return (probe, quantity) → interval over replications, for quantities of no layer, after the last stage.

    A task's quantity is the mean over tasks. All tasks before the last must have it; the last may lack it, as it lacks
    a change since it was learned.
    """
    quantities = {
        (probe, _without_task(probe, name, tasks)) for probe, names in strategy.probes.items() for name in names
    }
    intervals = {
        (probe, quantity): strategy.over(partial(_summary, probe, quantity))
        for probe, quantity in sorted(quantities)
        if not LAYER.match(quantity)
    }
    return {name: value for name, value in intervals.items() if value.mean is not None}


def spurious(strategy: StrategyReport) -> tuple[float, float] | None:
    """Return what the own heads lost of earlier tasks, and what refitted heads lost, both mean over replications.

    head[j, j] − head[T, j] and refitted[j, j] − refitted[T, j], each mean over j < T, as the probe ``head-refit`` found
    them. A head fitted anew at both times loses what the features lost; the rest of what the own one lost is spurious.
    None where that was not measured, or the own heads lost nothing.
    """
    pairs = [
        [_drop(replication, "head-refit", name) for name in ("head", "refitted")]
        for replication in strategy.replications
    ]
    measured = [pair for pair in pairs if None not in pair]
    own, anew = (mean([pair[side] for pair in measured]) for side in (0, 1))
    return (own, anew) if own is not None and anew is not None and own > 0 else None


def _summary(probe: str, quantity: str, replication: ReplicationReport) -> float | None:
    last = replication.last
    plain = replication.probed(probe, quantity, last)
    if plain is not None:
        return plain
    by_task = {task: replication.probed(probe, f"{task}/{quantity}", last) for task in replication.tasks}
    return mean([value for task, value in by_task.items() if task in replication.earlier or value is not None])


def _without_task(probe: str, quantity: str, tasks: Sequence[str]) -> str:
    """Return a quantity's name without its task; a task of the harness may be called as one of the stream's."""
    if probe in OF_WEIGHTS:
        return quantity
    return next((quantity.removeprefix(f"{task}/") for task in tasks if quantity.startswith(f"{task}/")), quantity)


# In which layer the hidden states of checkpoints changed most.


def changed_most(strategy: StrategyReport) -> tuple[int, float] | None:
    """Return the layer whose states at the end are least like those of before, and how like; None if not measured."""
    by_layer: dict[int, list[float]] = {}
    for quantity, series in strategy.probes.get(CKA, {}).items():
        if (match := OF_TASK.fullmatch(quantity)) and series.last.mean is not None:
            by_layer.setdefault(int(match[1]), []).append(series.last.mean)
    means = {layer: similarity for layer, values in by_layer.items() if (similarity := mean(values)) is not None}
    return min(means.items(), key=lambda layer: layer[1]) if means else None

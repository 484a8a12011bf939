"""A small finished experiment of each study, made up: two entries, two tasks, two seeds, no number measured."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from adapter_workbench.experiments.studies.compositions import record as composed
from adapter_workbench.experiments.studies.compositions import summary as compositions
from adapter_workbench.experiments.studies.core.tune import LearningRateTrial
from adapter_workbench.experiments.studies.methods import record as compared
from adapter_workbench.experiments.studies.methods import report as methods
from adapter_workbench.experiments.studies.repair import record as mended
from adapter_workbench.experiments.studies.repair import report as repair
from adapter_workbench.experiments.studies.repair.record import LearnedStream
from adapter_workbench.experiments.studies.routing import record as routed
from adapter_workbench.experiments.studies.routing import report as routing
from adapter_workbench.experiments.studies.routing.record import RoutingOutcome
from adapter_workbench.experiments.studies.stream.results import record as learned
from adapter_workbench.experiments.studies.stream.results import summary as stream
from adapter_workbench.experiments.studies.stream.work.stage_outcome import Cell, Cost, StageOutcome
from adapter_workbench.experiments.studies.updates import record as updated
from adapter_workbench.experiments.studies.updates import report as updates
from adapter_workbench.experiments.workspace.fitted_adapter import FittedAdapter
from adapter_workbench.workbench.adapters.fit_record import Epoch, FitRecord
from adapter_workbench.workbench.training.measured_cost import MeasuredCost

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter_workbench.experiments.studies.core.report import StudyReport

TASKS, SEEDS = ("animals", "fruits"), (0, 1)
SHARED: dict[str, Any] = {"description": "made up", "backbone": "tiny", "seeds": SEEDS, "precision": "fp32"}
SHARED |= {"identity": "identity", "provenance": {"command": "workbench run", "started": "2025-01-31T12:00:00+00:00"}}


def of_stream() -> StudyReport:
    """Isolated keeps what it learned; sequential loses 10 points a stage, and has no memory of its own measured."""
    entries = (
        learned.Entry("isolated", "isolated", "lora", {"rank": 8}),
        learned.Entry("sequential", "sequential", "full", {"learning_rate": 2e-5}),
    )
    return stream.summarise(
        learned.Record(
            experiment="made-up-stream",
            reference="sequential",
            tasks=TASKS,
            test_sizes=(100, 50),
            majority=(0.25, 0.5),
            orders=(TASKS,),
            scenario="task-incremental",
            entries=entries,
            budget={"train_examples": 16, "epochs": 1},
            kinds=dict.fromkeys(TASKS, "classification"),
            outcomes=tuple(_stage(entry.label, seed, stage) for entry in entries for seed in SEEDS for stage in (1, 2)),
            **SHARED,
        )
    )


def _stage(label: str, seed: int, stage: int) -> StageOutcome:
    lost, kept = (0.0, "carried") if label == "isolated" else (0.1, "measured")
    cells = [Cell(TASKS[stage - 1], stage, 0.9 + 0.01 * seed - 0.05 * stage, 100, "measured", 0.5)]
    if stage == 2:
        cells.append(Cell(TASKS[0], stage, 0.85 + 0.01 * seed - lost - 0.01 * seed * lost, 100, kept, 0.25))  # type: ignore[arg-type]
    spent = {"processor_seconds": 15.0 * stage} if lost else {}  # isolated was learned by an earlier version
    cost = Cost(10.0 * stage + seed, None if lost else 500.0 + stage, 1000 * stage, 5_000_000 * stage, spent)
    probes = {"weight-drift": {"relative-norm": 0.02 * stage + lost}}
    return StageOutcome(label, seed, stage, TASKS[stage - 1], tuple(cells), cost, 0.9, probes, probe_seconds=0.75)


def of_methods() -> StudyReport:
    """Two methods, the first of which was measured and tuned."""
    cost = MeasuredCost("cpu", 5, 100, 300.0, 420.0, 1e-5, 2e-5, 0.1, 1.5, 1.25, None, 8, 16)
    attempts = (LearningRateTrial(0.02, 0.8, -0.4, 1.5), LearningRateTrial(0.2, None, None, 0.5))
    entries = (compared.Entry("full", "full", {"learning_rate": 0.003}), compared.Entry("small", "lora", {}))
    record = compared.ComparisonRecord(
        experiment="made-up-methods",
        reference="full",
        tasks=TASKS,
        budget={"epochs": 1},
        tune=2,
        majority={"animals": 0.25, "fruits": 0.5},
        entries=entries,
        kinds=dict.fromkeys(TASKS, "classification"),
        searches=(compared.Search("full", "animals", 100, attempts, 0.02),),
        cells=tuple(_adapter(entry.label, task, seed) for entry in entries for task in TASKS for seed in SEEDS),
        costs={"full": cost},
        **SHARED,
    )
    return methods.summarise(record, Path)


def _adapter(label: str, task: str, seed: int) -> FittedAdapter:
    score = 0.9 + 0.01 * seed - 0.05 * TASKS.index(task) - (0.02 + 0.004 * seed if label == "small" else 0.0)
    return FittedAdapter(
        adapter=f"{label}-{task}-{seed}",
        evaluation=f"no file of {label}, {task}, {seed}",
        learning_rate=0.02,
        score=score,
        validation=score + 0.01,
        seconds=12.5 + seed,
        steps=4,
        peak_memory_mb=None if label == "small" else 700.0,
        trainable_parameters=1_000_000 if label == "full" else 2_500,
        stored_bytes=4_000_000 if label == "full" else 40_000,
        spent={"processor_seconds": 20.0 + seed},
        label=label,
        task=task,
        seed=seed,
    )


def of_routing() -> StudyReport:
    """The router that knows, one that confuses a task, and a joint model."""
    entries = (
        routed.Entry("oracle", "router", "oracle", {}, reads_data=False),
        routed.Entry("prototype", "router", "prototype", {"layers": 2}, reads_data=True),
        routed.Entry("joint-lora", "joint", "lora", {}),
    )
    record = routed.RoutingRecord(
        experiment="made-up-routing",
        reference="oracle",
        tasks=TASKS,
        budget={"train_examples": 16},
        method="lora",
        settings={"rank": 8},
        entries=entries,
        adapters=tuple(_adapter("full", task, seed) for task in TASKS for seed in SEEDS),
        cells=tuple(_routed(entry, seed) for entry in entries for seed in SEEDS),
        **SHARED,
    )
    return routing.summarise(record, Path)


def _routed(entry: routed.Entry, seed: int) -> routed.EntryResult:
    lost = 0 if entry.name == "oracle" else 1 + seed
    outcome = RoutingOutcome(((10 - lost, lost), (0, 10)), ("0" * lost + "1" * (10 - lost), "1" * 9 + "0"))
    seconds = 3.5 if entry.role == "joint" else None if seed and lost else 1.5
    return routed.EntryResult(outcome, seconds, None if entry.role == "joint" else 0.25, entry.label, seed)


def of_compositions() -> StudyReport:
    """A composition, the average and a control, with 4 and 16 examples of two targets."""
    entries = (
        composed.EntryRecord("fresh", "fresh", "", "lora", {}, "random"),
        composed.EntryRecord("uniform", "average", "lora", "uniform", {}),
        composed.EntryRecord("ties", "composition", "lora", "ties", {"density": 0.2}),
    )
    places = [(target, shots, seed) for target in TASKS for shots in (4, 16) for seed in SEEDS]
    cells = [
        composed.Cell(entry.label, *at, key="/".join(map(str, (entry.label, *at))))
        for entry in entries
        for at in places
    ]
    record = composed.FusionRecord(
        experiment="made-up-compositions",
        reference="fresh",
        targets=TASKS,
        shots=(4, 16),
        budgets={"4": {"train_examples": 4}, "16": {"train_examples": 16}},
        majority={"animals": 0.25, "fruits": 0.5},
        entries=entries,
        sources=({"adapter": "source-1", "task": "trees", "method": "lora", "seed": 0, "validation": 0.8},),
        cells=tuple(cells),
        **SHARED,
    )
    return compositions.summarise(record, Results())  # type: ignore[arg-type]


class Results:
    """The results of the trials, by keys that say whose they are; no example was kept."""

    outcomes = Path

    def require(self, key: str) -> composed.Result:
        """Return one: a higher K helps, ties helps, and a control learns slowly."""
        label, target, shots, seed = key.split("/")
        worth = {"fresh": 0.0, "uniform": 0.02, "ties": 0.04}[label] + 0.002 * int(seed)
        score = 0.6 + worth + (0.1 if shots == "16" else 0.0) - 0.05 * TASKS.index(target)
        epochs = tuple(Epoch(number, 0.5, score - 0.02 * (2 - number), -0.5) for number in (1, 2))
        fit = FitRecord(epochs, 2, score, 8, 2.5 + int(seed), 256.0, 1_500)
        retained = () if label == "fresh" else (composed.Retained("source-1", "trees", 0.9, 0.7, 50),)
        weights = None if label == "fresh" else (1.0,)
        return composed.Result(score, {"accuracy": score}, 100, fit, "random", weights=weights, retained=retained)


def of_repair() -> StudyReport:
    """Two entries, of which one has a repair that cannot be done; a repair that helps, and one that changes nothing."""
    streams = tuple(_learned(label, seed) for label in ("shared", "merged") for seed in SEEDS)
    settings = {"back": {"shares": [0.5]}, "undo-merge": {"stage": None}}
    entries = [
        mended.Entry(f"{name} of {label}", label, name, name.replace("back", "merge-back"), own)
        for label in ("shared", "merged")
        for name, own in settings.items()
    ]
    entries[1] = replace(entries[1], refused="no merge was kept")
    control = mended.Entry("heads of shared", "shared", "heads", mended.CONTROL, {"examples": 0})
    entries = [replace(entries[0], control="heads"), *entries[1:], control]
    record = mended.RepairRecord(
        experiment="made-up-repairs",
        reference=mended.NOTHING,
        stream="made-up-stream",
        scenario="task-incremental",
        tasks=TASKS,
        kinds=dict.fromkeys(TASKS, "classification"),
        budget={"epochs": 1},
        majority={"animals": 0.25, "fruits": 0.5},
        test_sizes={"animals": 100, "fruits": 50},
        streams=streams,
        entries=tuple(entries),
        cells={
            (entry.label, stream.seed, stream.order): _controlled(stream)
            if entry.is_control
            else _repaired(stream, 0.2 if entry.name == "back" else 0.0)
            for stream in streams
            for entry in entries
            if entry.of == stream.entry and not entry.refused
        },
        **SHARED,
    )
    return repair.summarise(record)


def _learned(label: str, seed: int) -> LearnedStream:
    learned, kept = {"animals": 0.9 + 0.01 * seed, "fruits": 0.8}, {"animals": 0.5 - 0.02 * seed, "fruits": 0.8}
    strategy = "merged" if label == "merged" else "sequential"
    return LearnedStream(label, strategy, "lora", seed, 0, TASKS, {2: f"{label}-{seed}"}, learned, kept, learned)


def _repaired(stream: LearnedStream, gain: float) -> mended.Repaired:
    scores = {**stream.kept, "animals": stream.kept["animals"] + gain * (1 + 0.1 * stream.seed)}
    chosen = {"share": 0.5} if gain else {}
    return mended.Repaired(chosen, 1, 0.6, 0.6 + gain / 2, scores, 2.5 + stream.seed, 40.0)


def _controlled(stream: LearnedStream) -> mended.Repaired:
    scores = dict.fromkeys(stream.kept, 0.85)
    return mended.Repaired({"rows": 80}, 1, 0.6, None, scores, 1.5, 40.0)


def of_updates(**changed: Any) -> StudyReport:
    """Two versions of two tasks; going on from the champion forgets half of the old rows that training anew keeps.

    ``changed`` are fields of the record.
    """
    entries = (
        updated.Entry("anew", "anew", "lora", {"rank": 8}),
        updated.Entry("goes-on", "continue", "lora", {"rank": 8, "rows": "new"}),
    )
    places = [
        (entry.label, task, seed, number) for entry in entries for task in TASKS for seed in SEEDS for number in (1, 2)
    ]
    record = updated.UpdatesRecord(
        experiment="made-up-updates",
        reference="anew",
        tasks=TASKS,
        scenario="growing",
        versions=2,
        periods={task: (task,) for task in TASKS},
        budget={"train_examples": 16, "epochs": 1},
        majority={"animals": 0.25, "fruits": 0.5},
        entries=entries,
        cells=tuple(_version(*place) for place in places),
        **{**SHARED, **changed},
    )
    with tempfile.TemporaryDirectory() as folder:
        for place in places:
            _answers(*place).to_parquet(Path(folder, _evaluation(*place)))
        return updates.summarise(record, Path(folder).joinpath)


def _answers(label: str, task: str, seed: int, version: int) -> pd.DataFrame:
    """Return twelve old test rows, and as many new ones with the second version."""
    right = [True] * (11 - seed) + [False] * (1 + seed)
    if version == 2:
        lost = 0 if label == "anew" else 6 + TASKS.index(task)
        right = [False] * lost + right[lost:] + [True] * (10 - seed) + [False] * (2 + seed)
    ids = [f"{task}-{number:02}" for number in range(len(right))]
    given = [("cat", "dog")[number % 2] for number in range(len(right))]
    return pd.DataFrame({"id": ids, "prediction": given, "correct": right})


def _version(label: str, task: str, seed: int, version: int) -> updated.VersionAdapter:
    place = (label, task, seed, version)
    fitted = replace(
        _adapter("small", task, seed),
        adapter="-".join(map(str, place)),
        evaluation=_evaluation(*place),
        score=float(_answers(*place)["correct"].mean()),
        steps=2 * version,
        train_examples=16 if label == "anew" or version == 1 else 6,
    )
    return updated.VersionAdapter(*place, fitted)


def _evaluation(*place: str | int) -> str:
    return f"{'-'.join(map(str, place))}.parquet"


FINISHED: dict[str, Callable[[], StudyReport]] = {
    "stream": of_stream,
    "methods": of_methods,
    "routing": of_routing,
    "compositions": of_compositions,
    "repair": of_repair,
    "updates": of_updates,
}

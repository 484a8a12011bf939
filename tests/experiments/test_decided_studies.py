"""Seeds until it is decided, in comparisons of compositions and of routers: only what is undecided goes on."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import adapter_workbench.experiments.running
import adapter_workbench.experiments.studies.compositions.work
import adapter_workbench.experiments.studies.routing.work
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.engine.publish import Publisher
from adapter_workbench.experiments.reporting.declared_test import DeclaredTest
from adapter_workbench.experiments.reporting.families import alone, in_family
from adapter_workbench.experiments.reporting.replications import paired
from adapter_workbench.experiments.studies.compositions import record as composed
from adapter_workbench.experiments.studies.compositions import summary as compositions
from adapter_workbench.experiments.studies.compositions.record import Result, results_in
from adapter_workbench.experiments.studies.compositions.trial import FewShotTrial
from adapter_workbench.experiments.studies.core.planned import settled
from adapter_workbench.experiments.studies.routing.record import EntryResult, RoutingOutcome
from adapter_workbench.workbench.adapters.fit_record import Epoch, FitRecord
from adapter_workbench.workbench.measures.looks import LEVELS, LOOKS
from tests.ear import Ear
from tests.experiments.report.finished import FINISHED, Results
from tests.experiments.test_remote_studies import HEAD, OTHERS, TwoMachines
from tests.streams import write_tasks

TEXTS = 100  # test texts of a task
RIGHT = {  # answers above those of the reference, by seed
    "far": [30, 31, 30, 30],  # higher at 3 seeds
    "near": [0, 0, 0, 0],  # equal within 10 points at 3 seeds
    "wild": [30, -30, 30, -30],  # undecided at 4 seeds
}
ROLES = {  # entry of the recipe → how it does
    "routing": {"joint-lora": "near", "oracle": "far", "nearest": "near", "arrow": "wild"},
    "compositions": {"full fine-tuning": "far", "ties": "wild"},  # every other one: near
}
SEEDS = {"far": 3, "near": 3, "wild": 4}
ROUTERS = "routers={oracle: {router: oracle}, nearest: {router: prototype}, arrow: {router: arrow}}"


def answers(label: str, study: str, seed: int) -> str:
    right = 50 + seed + RIGHT[ROLES[study].get(label, "near")][seed]
    return "1" * right + "0" * (TEXTS - right)


def router_result(plan: Any, label: str, seed: int, *rest: Any) -> EntryResult:
    right = answers(label, "routing", seed)
    return EntryResult(RoutingOutcome(((TEXTS, 0), (0, TEXTS)), (right, right)), 1.0, 1.0)


def joint_result(lesson: Any, *rest: Any) -> EntryResult:
    return router_result(None, "joint-lora", lesson.seed)


@pytest.fixture(autouse=True)
def without_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up results stand for those of trials and routers; the first adapter's fit stands for all of them."""
    fitted: list[Any] = []
    routing, composing = (
        adapter_workbench.experiments.studies.routing.work,
        adapter_workbench.experiments.studies.compositions.work,
    )
    fit = routing.fit_and_evaluate

    def adapter(workspace: Any, lesson: Any, *more: Any) -> Any:
        fitted[:] = fitted or [fit(workspace, lesson, *more)]
        return replace(fitted[0])

    def tried(trial: FewShotTrial, site: Any, source_tasks: Any) -> None:
        right = [*map(int, answers(trial.entry.label, "compositions", trial.problem.seed))]
        score = sum(right) / TEXTS
        outcomes = pd.DataFrame({"id": [f"{number:03}" for number in range(TEXTS)], "correct": [*map(bool, right)]})
        fit = FitRecord((Epoch(1, 0.5, score, -0.5),), 1, score, 1, 36.0, None, 100)
        results_in(site.workspace).write(trial.key, Result(score, {"accuracy": score}, TEXTS, fit, "fitted"), outcomes)

    monkeypatch.setattr(routing, "fit_and_evaluate", adapter)
    monkeypatch.setattr(routing, "_router_result", router_result)
    monkeypatch.setattr(routing, "_joint_result", joint_result)
    monkeypatch.setattr(composing, "tried", tried)
    monkeypatch.setattr(Publisher, "update", lambda self, part: None)
    monkeypatch.setattr(Publisher, "finish", lambda self, presentation: True)


def seeds_by_label(bench: Workbench) -> dict[str, int]:
    seeds = defaultdict(set)
    for piece in bench.workspace.records.require("apart").pieces:
        seeds[piece.coordinates.get("label")].add(piece.coordinates["seed"])
    return {label: len(own) for label, own in seeds.items() if label}


@pytest.mark.parametrize(("study", "more"), [("routing", [ROUTERS]), ("compositions", ["budget.epochs=2"])])
def test_only_what_is_undecided_goes_on(study: str, more: list[str], bert: Path, tmp_path: Path) -> None:
    write_tasks(tmp_path)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text((HEAD + OTHERS[study]).format(backbone=bert), encoding="utf-8")
    bench = Workbench(tmp_path / "space", [tmp_path / "tasks"])
    report: Any = bench.run_until_decided(bench.until_decided(str(recipe), [*more, "margin=10"], 4))
    assert report.complete
    seeds, reference = seeds_by_label(bench), report.record.reference
    picked = {"best composition", "best source", "best control"}
    for label, difference in report.declared.items():
        role = ROLES[study].get(label, "near")
        if label not in picked:
            assert difference.reading == {"far": "higher", "near": "equal", "wild": "undecided"}[role], label
            assert difference.look == SEEDS[role]
        assert len(difference.seeds.values) == difference.look
    assert seeds[reference] == 4, "what is undecided is compared with it"
    far, wild = ("oracle", "arrow") if study == "routing" else ("full fine-tuning", "ties")
    assert (seeds[far], seeds[wild]) == (3, 4)
    again = bench.report("apart")
    assert {label: of.reading for label, of in again.declared.items()} == {
        label: of.reading for label, of in report.declared.items()
    }


def test_workers_elsewhere_do_each_look(bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece is done on another machine than the one before: what comes back decides what goes on."""
    write_tasks(tmp_path)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text((HEAD + OTHERS["routing"]).format(backbone=bert), encoding="utf-8")
    bench = Workbench(tmp_path / "space", [tmp_path / "tasks"])
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(adapter_workbench.experiments.running, "workers", lambda *given: TwoMachines(tmp_path, Ear()))
    report: Any = bench.run_until_decided(bench.until_decided(str(recipe), [ROUTERS, "margin=10"], 4))
    assert {label: of.look for label, of in report.declared.items()} == {"oracle": 3, "nearest": 3, "arrow": 4}
    assert seeds_by_label(bench) == {"joint-lora": 4, "oracle": 3, "nearest": 3, "arrow": 4}


def test_validation_picks_where_all_are_that_it_picks_among() -> None:
    """The average was decided one seed earlier than the composition: what is left there is no choice."""
    record: Any = FINISHED["compositions"]().record
    *first, last = record.seeds
    cells = tuple(cell for cell in record.cells if (cell.label, cell.seed) != ("uniform", last))
    row = partial(compositions.summarise, results=Results())  # type: ignore[arg-type]
    whole, part = (row(given).row("best composition") for given in (record, replace(record, cells=cells)))
    assert len(whole.differences["all"].seeds.values) == len(record.seeds)
    assert len(part.differences["all"].seeds.values) == len(first)
    assert sum(part.chosen.values()) == sum(whole.chosen.values()) * len(first) / len(record.seeds)


class Widening(Results):
    """The composition gains 1 point more a seed."""

    def require(self, key: str) -> Result:
        label, *_, seed = key.split("/")
        result = super().require(key.replace("other", "fresh"))
        return replace(result, score=result.score + 0.01 * (int(seed) - 1)) if label == "ties" else result


def test_the_headline_of_compositions_is_read_at_looks_too() -> None:
    """Gains of 3, 4 and 5 points: t = 4 √3, with two degrees of freedom p = 0.02. The first look asks for 0.003."""
    made_up: Any = FINISHED["compositions"]().record
    fresh, *others = made_up.entries
    entries = (fresh, replace(fresh, label="other"), *others)  # among two, validation picks
    cells = tuple(
        composed.Cell(entry.label, target, shots, seed, key="/".join(map(str, (entry.label, target, shots, seed))))
        for entry in entries
        for target, shots, seed in product(made_up.targets, made_up.shots, (0, 1, 2))
    )
    record = replace(made_up, entries=entries, seeds=(0, 1, 2), cells=cells, verdicts_after=LOOKS)
    at_look = compositions.summarise(replace(record, level=LEVELS[3]), Widening())  # type: ignore[arg-type]
    read = settled({3: at_look.families}, at_look.main)
    report = compositions.summarise(replace(record, level=LEVELS[5], settled=read), Widening())  # type: ignore[arg-type]
    assert report.contest
    assert report.contest.p == pytest.approx(0.02, abs=0.001)
    assert report.contest.reading == at_look.contest.reading == "undecided"
    assert (report.contest.look, report.contest.level) == (3, 0.003)
    assert "is undecided" in report.headline[0]
    without_looks = compositions.summarise(replace(record, verdicts_after=()), Widening())  # type: ignore[arg-type]
    assert without_looks.contest.reading == "higher"


def test_a_contest_that_a_look_decided_stays_as_it_was() -> None:
    def report(*gains: float) -> dict[str, Any]:
        gap = paired(gains, range(len(gains)))
        level = LEVELS[len(gains)]
        return {
            "all": in_family({"ties": gap}, DeclaredTest(level=1e-9)),
            "contests": {"picks": alone(gap, 0.02, level)},
        }

    steady, wild = (0.05, 0.0505, 0.051), (0.05, 0.0505, 0.051, -0.9, 0.9)
    read = settled({3: report(*steady), 5: report(*wild)}, "all")
    assert (read["contests"]["picks"].look, read["contests"]["picks"].reading) == (3, "higher")
    assert (read["all"]["ties"].look, read["all"]["ties"].reading) == (5, "undecided")


def test_a_seed_counts_where_all_of_its_targets_are_there() -> None:
    record: Any = FINISHED["compositions"]().record
    last = ("ties", record.targets[-1], record.shots[-1], record.seeds[-1])
    cells = tuple(cell for cell in record.cells if (cell.label, cell.target, cell.shots, cell.seed) != last)
    whole, part = (
        compositions.summarise(given, Results()).row("ties").differences  # type: ignore[arg-type]
        for given in (record, replace(record, cells=cells))
    )
    for shots, fewer in (("all", 1), (str(record.shots[-1]), 1), (str(record.shots[0]), 0)):
        assert part[shots].tested_seeds == whole[shots].tested_seeds - fewer == len(record.seeds) - fewer
        assert part[shots].seeds.values[0] == whole[shots].seeds.values[0]

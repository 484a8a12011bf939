"""Every way to learn a stream, in every scenario, and what defines each."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import pandas as pd
import pytest

from adapter_workbench.experiments.engine.recipes import find_recipe
from adapter_workbench.experiments.scenarios import SCENARIOS
from adapter_workbench.experiments.studies.stream.plan.plan import make_plan
from adapter_workbench.experiments.studies.stream.results.record import Record
from adapter_workbench.experiments.studies.stream.results.summary import summarise
from adapter_workbench.experiments.studies.stream.work.stage_outcome import StageFolders
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.errors import InputError
from tests.messages import naming
from tests.runs import stream_run
from tests.sampled import waiting
from tests.streams import write_recipe

ENTRIES = {
    "sequential": "{strategy: sequential, method: full, learning_rate: 0.003}",
    "replay": "{strategy: replay, method: full, learning_rate: 0.003, memory: 16}",
    "ewc": "{strategy: ewc, method: full, learning_rate: 0.003, strength: [10.0, 1000.0], examples: 8}",
    "lwf": "{strategy: lwf, method: full, learning_rate: 0.003}",
    "l2-to-start": "{strategy: l2-to-start, method: lora, learning_rate: 0.02}",
    "der-plus-plus": "{strategy: der-plus-plus, method: full, learning_rate: 0.003, memory: 16}",
    "a-gem": "{strategy: a-gem, method: full, learning_rate: 0.003, memory: 16}",
    "o-lora": "{strategy: o-lora, method: lora, learning_rate: 0.02, rank: 2}",
    "inflora": "{strategy: inflora, method: lora, learning_rate: 0.02, rank: 2}",
    "seq-star": "{strategy: seq-star, method: full, learning_rate: 0.003}",
    "progressive-prompts": "{strategy: progressive-prompts, method: prompt, learning_rate: 0.1, tokens: 4}",
    "l2p": "{strategy: l2p, method: prompt, learning_rate: 0.1, tokens: 4, pool: 4, top: 2}",
    "ranpac": "{strategy: ranpac, method: lora, learning_rate: 0.02, rank: 2, width: 50}",
    "osf": "{strategy: osf, method: full, learning_rate: 0.003, growth: 0.25}",
    "stacked": "{strategy: stacked, method: lora, learning_rate: 0.02, rank: 2}",
    "ella": "{strategy: ella, method: lora, learning_rate: 0.02, rank: 2}",
    "n-lora": "{strategy: n-lora, method: lora, learning_rate: 0.02, rank: 2}",
    "sd-lora": "{strategy: sd-lora, method: lora, learning_rate: 0.02, rank: 2}",
    "slao": "{strategy: slao, method: lora, learning_rate: 0.02, rank: 2}",
    "tree-lora": "{strategy: tree-lora, method: lora, learning_rate: 0.02, rank: 2, strength: [0.0, 0.5]}",
    "mask": "{strategy: mask, method: lora, learning_rate: 0.02}",
    "merged": "{strategy: merged, method: lora, learning_rate: 0.02, rank: 2, keep: 1}",
    "hypernetwork": "{strategy: hypernetwork, method: hypernetwork, learning_rate: 0.005, strength: [0.0, 1.0]}",
    "joint": "{strategy: joint, method: full, learning_rate: 0.003}",
}
NAMED = ("hypernetwork", "mask", "merged", "progressive-prompts")  # these have to know the task
TASK_FREE = ("sequential", "replay", "a-gem", "l2p", "joint")  # these may not even know that another one begins


@pytest.mark.parametrize(
    ("scenario", "all_of_them"),
    [
        *((name, False) for name in SCENARIOS.names()),
        *(waiting((name, True)) for name in SCENARIOS.names()),
    ],
)
def test_what_a_strategy_scores_in_a_scenario_is_what_it_answers(
    scenario: str, all_of_them: bool, bert: Path, tmp_path: Path
) -> None:
    """On each change every strategy is in one scenario; two steps teach nothing, so the answers may be any."""
    entries = {name: entry for name, entry in possible(scenario).items() if all_of_them or turn(name) == scenario}
    record = _run(entries, next(iter(entries)), scenario, 1, bert, tmp_path)
    report, evaluations = summarise(record), Workspace(tmp_path / "space").evaluations
    assert report.complete
    matrices = {strategy.label: strategy.matrix for strategy in report.strategies}
    assert [*matrices] == [*entries]
    for outcome in record.outcomes:
        tested = [] if outcome.label == "joint" and outcome.stage == 1 else ["animals", "halves"][: outcome.stage]
        assert [cell.task for cell in outcome.cells] == tested, outcome.label
        for position, cell in enumerate(outcome.cells):
            answers = pd.read_parquet(evaluations.outcomes(cell.evaluation))
            assert len(answers) == 24, "the whole test split"
            assert cell.score == answers["correct"].mean() == matrices[outcome.label][outcome.stage][position]


@pytest.mark.acceptance
def test_every_strategy_learns_the_first_task_of_a_stream(bert: Path, tmp_path: Path) -> None:
    """The task is named: without it, the tiny tasks ask what a text does not tell. test_contracts.py has one more."""
    report = summarise(_run(ENTRIES, "sequential", "task-incremental", 12, bert, tmp_path))
    for entry in report.strategies:
        first = entry.matrix[1][0]
        if entry.label == "joint":
            assert first is None, "nothing is tested before the last stage"
            assert min(score or 0 for score in entry.matrix[-1]) > 0.8
        elif entry.label != "l2p":  # on so tiny a body: see test_strategies_l2p.py
            assert first is not None
            assert first > 0.7, f"{entry.label} learns the first task"


@pytest.mark.parametrize(
    ("entry", "scenario", "status"),
    [
        ("{strategy: sequential, method: head}", "task-incremental", "verified"),
        ("{strategy: sequential, method: head}", "domain-incremental", "measured"),  # one head, which learns on
        ("{strategy: der-plus-plus, method: head, memory: 16}", "task-incremental", "measured"),  # heads learn along
        ("{strategy: sequential, method: bitfit}", "task-incremental", "measured"),
        ("{strategy: seq-star, method: bitfit}", "task-incremental", "verified"),  # the body of the first task
        ("{strategy: seq-star, method: bitfit}", "domain-incremental", "measured"),
        ("{strategy: progressive-prompts, method: prompt, tokens: 4}", "task-incremental", "verified"),
        ("{strategy: mask, method: lora}", "task-incremental", "verified"),
    ],
)
def test_only_a_head_that_stays_over_frozen_features_is_not_measured_again(
    entry: str, scenario: str, status: str, bert: Path, tmp_path: Path
) -> None:
    record = _run({"only": entry}, "only", scenario, 1, bert, tmp_path)
    statuses = [[cell.status for cell in outcome.cells] for outcome in record.outcomes]
    assert statuses == [["measured"], [status, "measured"]]


@pytest.mark.parametrize("strategy", ["ewc", "l2-to-start"])
def test_what_holds_weights_of_the_body_needs_a_method_that_trains_some(
    strategy: str, bert: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=naming("weights of the body", "method head trains none")):
        _run({"only": f"{{strategy: {strategy}, method: head}}"}, "only", "task-incremental", 1, bert, tmp_path)


def test_ewc_leaves_alone_what_a_method_adds_for_the_time_of_a_fit(bert: Path, tmp_path: Path) -> None:
    entry = "{strategy: ewc, method: diff-pruning, examples: 8}"
    record = _run({"only": entry}, "only", "task-incremental", 1, bert, tmp_path)
    assert [len(outcome.cells) for outcome in record.outcomes] == [1, 2]


def possible(scenario: str) -> dict[str, str]:
    """Return the entries that a scenario takes: a LoRA of one task, or of some, is not found where nobody names it."""
    knows_task = SCENARIOS.get(scenario).knows_task
    if not SCENARIOS.get(scenario).announces_tasks:
        return {name: ENTRIES[name].replace("memory: 16", "memory: 16, policy: reservoir") for name in TASK_FREE}
    return {name: entry for name, entry in ENTRIES.items() if knows_task or name not in NAMED}


def turn(strategy: str) -> str:
    """Return the scenario in which a strategy is tested on each change: they go round among those that it takes."""
    taken = [name for name in SCENARIOS.names() if strategy in possible(name)]
    return taken[crc32(strategy.encode()) % len(taken)]


def _run(entries: dict[str, str], reference: str, scenario: str, epochs: int, bert: Path, folder: Path) -> Record:
    strategies = ", ".join(f"{name}: {entry}" for name, entry in entries.items())
    changes = [
        "tasks=[animals, halves]",
        "seeds=[0]",
        f"budget.epochs={epochs}",
        f"budget.train_examples={64 if epochs > 2 else 24}",
        f"scenario={scenario}",
        f"strategies={{{strategies}}}",
        f"reference={reference}",
    ]
    plan = make_plan(find_recipe(str(write_recipe(folder, bert))).set(changes), [folder / "tasks"])
    space = Workspace(folder / "space")
    record = stream_run(plan, space.root)
    for step in plan.stages:
        fit = StageFolders(space).fit(step.key)
        assert plan.updates(step) == fit.steps * fit.trials, f"{step.label} takes as many steps as were planned"
    return record

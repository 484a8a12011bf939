"""Every way to learn a stream, in every scenario, and what defines each."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.plan import make_plan
from experiments.recipe import find_recipe
from experiments.report.document import Report
from experiments.report.summary import summarise
from experiments.run import run
from experiments.workspace import Workspace
from tests.streams import write_recipe
from workbench.contracts import Silent

ENTRIES = {
    "sequential": "{strategy: sequential, method: full, learning_rate: 0.003}",
    "replay": "{strategy: replay, method: full, learning_rate: 0.003, memory: 16}",
    "ewc": "{strategy: ewc, method: full, learning_rate: 0.003, strength: [10.0, 1000.0], examples: 8}",
    "lwf": "{strategy: lwf, method: full, learning_rate: 0.003}",
    "l2-to-start": "{strategy: l2-to-start, method: lora, learning_rate: 0.02}",
    "der-plus-plus": "{strategy: der-plus-plus, method: full, learning_rate: 0.003, memory: 16}",
    "o-lora": "{strategy: o-lora, method: lora, learning_rate: 0.02, rank: 2}",
    "joint": "{strategy: joint, method: full, learning_rate: 0.003}",
}


@pytest.mark.parametrize("scenario", ["task-incremental", "domain-incremental", "class-incremental"])
@pytest.mark.parametrize("name", ENTRIES)
def test_every_strategy_learns_a_stream_in_every_scenario(name: str, scenario: str, bert: Path, tmp_path: Path) -> None:
    report = _report(name, scenario, bert, tmp_path)
    entry = next(one for one in report.strategies if one.label == "tried")
    last = entry.matrix[-1]
    assert all(score is not None for score in last)
    first = entry.matrix[1][0]
    if name == "joint":
        assert first is None, "nothing is tested before the last stage"
        # the other scenarios ask what a text alone does not tell: the tiny tasks share their words
        assert scenario != "task-incremental" or min(score for score in last if score is not None) > 0.8
    else:
        assert first is not None
        assert first > 0.7, "the first task is learned"
    assert report.complete


def _report(name: str, scenario: str, bert: Path, folder: Path) -> Report:
    recipe = write_recipe(folder, bert)
    changes = [
        "seeds=[0]",
        "budget.epochs=12",
        f"scenario={scenario}",
        f"strategies={{tried: {ENTRIES[name]}}}",
        "reference=tried",
    ]
    plan = make_plan(find_recipe(str(recipe)).set(changes), [folder / "tasks"])
    return summarise(run(plan, Workspace(folder / "space"), Silent(), "test", lambda record: None))

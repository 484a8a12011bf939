"""What `workbench fuse` knows of its sources' tasks: which are at hand, and which of their rows were trained on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from adapter_workbench.experiments.answers.adapter_task import on_data_here
from adapter_workbench.experiments.studies.compositions.sources import own_tasks, ranked
from adapter_workbench.fusion.ranking import RANKINGS, RankingRequest, Score
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.errors import AssetError
from adapter_workbench.workbench.methods.sampling import draw
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.ear import Ear

TASKS = {name: make_task(name, SUBJECTS, FRUITS) for name in ("here", "away")}
BUDGET = Budget(train_examples=8)


def source(name: str, fingerprint: str | None = None) -> Any:
    """Return what is read of a stored LoRA of the task called ``name``."""
    recorded = SimpleNamespace(name=name, fingerprint=fingerprint or TASKS[name].fingerprint)
    return SimpleNamespace(
        id=f"{name}-lora", manifest=SimpleNamespace(library="peft", task=recorded, budget=BUDGET, seed_here=3)
    )


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the data of one task be where nothing can be fetched from."""

    def load(name: str) -> Task:
        if name == "away":
            raise AssetError("cannot fetch rows.csv: no connection")
        return TASKS[name]

    monkeypatch.setattr(registry, "finder", lambda folders: lambda name, fingerprint: name)
    monkeypatch.setattr(registry, "load", load)


@pytest.mark.usefixtures("unreachable")
def test_a_task_whose_data_cannot_be_fetched_is_left_out_and_named() -> None:
    listener = Ear()
    assert own_tasks([source("away"), source("here")], (), listener) == {"here-lora": TASKS["here"]}
    assert listener.said == ["goes on without the data of away: cannot fetch rows.csv: no connection"]


@pytest.mark.usefixtures("unreachable")
def test_an_adapter_whose_data_cannot_be_fetched_is_as_it_was() -> None:
    elsewhere = source("away")
    elsewhere.manifest.task.fingerprint = None
    assert on_data_here([elsewhere], ()) == (elsewhere,)


def test_a_ranking_sees_the_rows_that_were_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[RankingRequest] = []

    def rank(request: RankingRequest) -> dict[str, Score]:
        asked.append(request)
        return {candidate.id: Score(1.0) for candidate in request.candidates}

    monkeypatch.setattr(RANKINGS, "get", lambda name: SimpleNamespace(rank=rank))
    target: Any = SimpleNamespace(drawn=None, backbone=None, precision="fp32", budget=BUDGET, seed=0)
    adapters = [source("here"), source("away")]
    known = {"here-lora": TASKS["here"]}
    assert ranked(adapters, "auto:1", "sum", "similarity", target, known).chosen == ("here-lora",)
    trained = draw(TASKS["here"], BUDGET, 3).splits["train"]
    assert {name: rows["id"][:] for name, rows in asked[0].texts.items()} == {"here-lora": trained["id"][:]}
    assert len(trained) == 8

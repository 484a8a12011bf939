"""Settings of the fits without sources, in a comparison of compositions."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.studies import STUDIES
from adapter_workbench.experiments.studies.compositions.work import trial_piece
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.settings.base import Document
from tests.experiments.test_damage import FUSION
from tests.streams import write_tasks


def test_what_differs_for_fits_from_nothing_stays_typed(bert: Path, tmp_path: Path) -> None:
    fresh = {"lora": {"targets": ["query"]}, "full": {"learning_rate": 0.001}}
    document = Document({**FUSION, "backbone": str(bert), "fresh": fresh}, "test")
    plan = STUDIES.get("compositions").plan(document, [write_tasks(tmp_path)])
    settings = {entry.label: entry.settings for entry in plan.all_entries(0)}
    source = plan.families(0)["lora"][0].settings
    typed = METHODS.get("lora").settings.model_validate({"targets": ["query"]})
    assert settings["fresh lora"] == source.model_copy(update={"targets": typed.targets})
    assert settings["full fine-tuning"] == METHODS.get("full").settings.model_validate({"learning_rate": 0.001})


def test_the_revision_of_a_method_is_in_the_keys_of_fits_from_nothing_by_it(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = STUDIES.get("compositions").plan(
        Document({**FUSION, "backbone": str(bert)}, "test"), [write_tasks(tmp_path)]
    )
    problem, card, digested = next(plan.problems(0)), METHODS.get("lora"), list[dict[str, Any]]()
    monkeypatch.setattr(
        "adapter_workbench.experiments.studies.compositions.work.key", lambda of: str(digested.append(of))
    )

    def revisions(of_lora: int) -> dict[str, Any]:
        monkeypatch.setattr("adapter_workbench.workbench.methods.methods.lora.METHOD", replace(card, revision=of_lora))
        named = {}
        for entry in plan.all_entries(0):
            if entry.role in ("fresh", "full", "frozen"):
                trial_piece(plan, entry, problem, ())
                named[entry.label] = digested[-1].get("revisions")
        return named

    assert len(revisions(1)) == 3
    assert not any(revisions(1).values())
    assert {label: own for label, own in revisions(2).items() if own} == {"fresh lora": {"lora": 2}}

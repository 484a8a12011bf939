"""Learning rates and ranks of a comparison of compositions that names none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.engine.recipes import RECIPES, find_recipe
from adapter_workbench.experiments.studies import STUDIES
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.settings.base import Document
from tests.experiments.test_damage import FUSION
from tests.messages import naming
from tests.streams import write_tasks

COMPOSED = {
    "begun": {"method": "warm-start"},
    "none": {"method": "warm-start", "start": "fresh"},
    "mix": {"method": "mix"},
}
TRAINED = ("begun", "begun, random sources", "begun, mixed data", "none", "fresh lora")
SHIPPED = [name for name in RECIPES.names() if find_recipe(name).data.get("compositions")]


def rates(backbone: Path, folder: Path, lora: dict[str, Any], **changes: Any) -> dict[str, float]:
    """Return the rate of each entry that has one, and of the sources."""
    return values("learning_rate", backbone, folder, lora, **changes)


def values(name: str, backbone: Path, folder: Path, lora: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a setting of each entry that has it, and of the sources."""
    sources = {**FUSION["sources"], "methods": {"lora": lora}}
    recipe = {**FUSION, "sources": sources, "compositions": COMPOSED, "backbone": str(backbone), **changes}
    recipe["controls"] = {"random": ["begun"]}
    plan = STUDIES.get("compositions").plan(Document(recipe, "test"), [write_tasks(folder)])
    own = {f"source {lesson.task.name}": lesson.adaptation.settings for lesson in plan.lessons[0, "lora"]}
    own |= {entry.label: entry.settings for entry in plan.all_entries(0)}
    return {label: value for label, of in own.items() if (value := getattr(of, name, None))}


def test_a_language_model_gets_its_own_rates_and_what_is_trained_that_of_its_control(
    llama: Path, tmp_path: Path
) -> None:
    """2e-3 for LoRA and 2e-4 for full fine-tuning below 300 M parameters (docs/evidence/learning-rates.md)."""
    found = rates(llama, tmp_path, {})
    assert {found[label] for label in ("source animals", "source halves", *TRAINED)} == {2e-3}
    assert found["full fine-tuning"] == 2e-4
    assert found["mix"] == COMPOSITIONS.get("mix").settings().learning_rate, "its weights are no adapter"


def test_an_encoder_keeps_the_rates_of_the_cards(bert: Path, tmp_path: Path) -> None:
    found = rates(bert, tmp_path, {})
    assert {found[label] for label in ("source animals", *TRAINED)} == {5e-3}
    assert found["full fine-tuning"] == METHODS.get("full").default_rate


@pytest.mark.parametrize("fresh", [None, 0.001])
def test_what_begins_at_sources_is_trained_as_fast_as_the_fresh_adapter(
    fresh: float | None, llama: Path, tmp_path: Path
) -> None:
    """Both at that of the sources, or at what is set for fits from nothing."""
    changes = {"fresh": {"lora": {"learning_rate": fresh}, "full": {"learning_rate": 0.5}}} if fresh else {}
    found = rates(llama, tmp_path, {"learning_rate": 0.03}, **changes)
    assert found["source animals"] == 0.03
    assert {found[label] for label in TRAINED} == {fresh or 0.03}
    assert found["full fine-tuning"] == (0.5 if fresh else 2e-4)


@pytest.mark.parametrize(("fresh", "expected"), [({}, 4), ({"lora": {"rank": 6}}, 6)])
def test_what_begins_at_sources_has_the_rank_of_the_fresh_adapter(
    fresh: dict[str, Any], expected: int, bert: Path, tmp_path: Path
) -> None:
    compositions = {**COMPOSED, "named": {"method": "warm-start", "rank": 2}}
    found = values("rank", bert, tmp_path, {"rank": 4}, compositions=compositions, fresh=fresh)
    assert {found[label] for label in TRAINED} == {expected}
    assert (found["source animals"], found["named"]) == (4, 2)


def test_a_rate_that_is_named_stays(llama: Path, tmp_path: Path) -> None:
    compositions = {"begun": {"method": "warm-start", "learning_rate": 0.005}, "none": COMPOSED["none"]}
    found = rates(llama, tmp_path, {"learning_rate": 0.03}, compositions=compositions)
    assert (found["begun"], found["begun, random sources"], found["none"]) == (0.005, 0.005, 0.03)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipes_keep_their_rates_and_so_their_keys(name: str) -> None:
    """A start without a rate has that of its card, as its fresh LoRA does; on a language model every rate is named."""
    data = find_recipe(name).data
    full = ("full",) if any(data["shots"]) else ()  # without examples nothing of it is trained
    assert all(data["fresh"][method]["learning_rate"] for method in (*data["sources"]["methods"], *full))
    starts = [entry for entry in data["compositions"].values() if entry["method"] == "warm-start"]
    card = COMPOSITIONS.get("warm-start").settings().learning_rate
    assert all("learning_rate" in entry or data["fresh"]["lora"]["learning_rate"] == card for entry in starts)
    ranks = [
        lora.get("rank", 8) for lora in (data["sources"]["methods"].get("lora", {}), data["fresh"].get("lora", {}))
    ]
    assert ranks == [8, 8] or all("rank" in entry for entry in starts)
    if data["backbone"] != "minilm":
        assert all(settings["learning_rate"] for settings in data["sources"]["methods"].values())


def test_beside_a_method_that_trains_in_its_own_way_a_warm_start_names_its_control(bert: Path, tmp_path: Path) -> None:
    """A fresh LoRA+ differs from a plain LoRA that begins at sources in how it is trained, too."""
    folder, sources = write_tasks(tmp_path), {**FUSION["sources"], "methods": {"lora-plus": {}}}
    recipe = {**FUSION, "sources": sources, "backbone": str(bert), "controls": {"random": []}}

    def planned(**compositions: Any) -> Any:
        return STUDIES.get("compositions").plan(Document({**recipe, "compositions": compositions}, "test"), [folder])

    begun, none = COMPOSED["begun"], COMPOSED["none"]
    with pytest.raises(InputError, match=naming("'begun' trains a plain LoRA", "fresh lora-plus", "against: LABEL")):
        planned(begun=begun, none=none)
    plan = planned(begun={**begun, "against": "none"}, none=none, sum={"method": "sum"})
    assert {entry.label: entry.against for entry in plan.entries} == {"begun": "none", "none": "", "sum": ""}


def test_one_fuse_of_them_gets_that_control_by_itself(bert: Path, tmp_path: Path) -> None:
    bench = Workbench(tmp_path / "workspace", [write_tasks(tmp_path)])
    few = {"epochs": 1, "train_examples": 8, "max_length": 16, "precision": "fp32"}

    def controls(method: str) -> dict[str, tuple[str, ...]]:
        lessons = [bench.lesson(task, method, str(bert), budget=few) for task in ("animals", "halves")]
        ids = [bench.workspace.trained_adapter(lesson, Silent(), "test").id for lesson in lessons]
        given = ["budget.max_length=16", "budget.precision=fp32"]
        plan = bench.fusion_plan("fruits", ",".join(ids), "warm-start", 8, assignments=given)
        return {entry.label: entry.settings.start for entry in plan.entries if entry.role == "control"}

    assert controls("lora") == {}
    assert controls("lora-plus") == {"warm-start, no sources": ("fresh",)}

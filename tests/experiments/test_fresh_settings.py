"""Settings of the fits without sources, in a comparison of compositions."""

from pathlib import Path

from experiments.studies import STUDIES
from tests.experiments.test_damage import FUSION
from tests.streams import write_tasks
from workbench.methods.methods import METHODS
from workbench.settings.base import Document


def test_what_differs_for_fits_from_nothing_stays_typed(bert: Path, tmp_path: Path) -> None:
    fresh = {"lora": {"targets": ["query"]}, "full": {"learning_rate": 0.001}}
    document = Document({**FUSION, "backbone": str(bert), "fresh": fresh}, "test")
    plan = STUDIES.get("compositions").plan(document, [write_tasks(tmp_path)])
    settings = {entry.label: entry.settings for entry in plan.all_entries(0)}
    source = plan.families(0)["lora"][0].settings
    typed = METHODS.get("lora").settings.model_validate({"targets": ["query"]})
    assert settings["fresh lora"] == source.model_copy(update={"targets": typed.targets})
    assert settings["full fine-tuning"] == METHODS.get("full").settings.model_validate({"learning_rate": 0.001})

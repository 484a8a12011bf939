"""The entries of a stream's recipe, planned: whose settings are whose."""

import pickle
from pathlib import Path

import pytest

from adapter_workbench.experiments.engine.recipes import find_recipe
from adapter_workbench.experiments.studies.repair.work import settings_of
from adapter_workbench.experiments.studies.stream.plan import plan as planning
from adapter_workbench.experiments.studies.stream.plan.entry import Entry
from adapter_workbench.experiments.studies.stream.plan.plan import Plan, make_plan
from adapter_workbench.workbench.methods.methods import METHODS
from tests.streams import write_recipe


def planned(folder: Path, bert: Path, examples: int) -> Plan:
    """Return the plan of a strategy and a method that both have a setting called ``examples``."""
    entry = f"strategies={{shared: {{strategy: ewc, method: lora-ga, examples: {examples}}}}}"
    return make_plan(find_recipe(str(write_recipe(folder, bert))).set([entry, "reference=shared"]), [folder / "tasks"])


def test_a_setting_that_strategy_and_method_have_is_the_strategy_s(bert: Path, tmp_path: Path) -> None:
    few, many = (planned(tmp_path, bert, examples).entries[0] for examples in (3, 5))
    default = METHODS.get("lora-ga").settings().examples
    assert (few.strategy_settings.examples, few.method_settings.examples) == (3, default)
    assert few.settings["examples"] == 3, "so that the keys of its stages tell it from others"
    assert few.settings != many.settings
    written = Entry(**few.written())
    assert settings_of(written) == (few.strategy_settings, few.method_settings), "a repair reads the same of the record"


def test_stages_at_other_settings_have_other_keys(bert: Path, tmp_path: Path) -> None:
    few, many = ({stage.key for stage in planned(tmp_path, bert, examples).stages} for examples in (3, 5))
    assert not few & many


def test_a_worker_computes_in_the_precision_that_the_keys_were_made_with(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``auto`` may mean another precision on the machine of the worker."""
    monkeypatch.setattr(planning, "resolve_precision", lambda precision: "fp32")
    document = find_recipe(str(write_recipe(tmp_path, bert))).set(["budget.precision=auto"])
    plan = make_plan(document, [tmp_path / "tasks"])
    monkeypatch.setattr(planning, "resolve_precision", lambda precision: "bf16")
    there = pickle.loads(pickle.dumps(plan))
    assert {there.adaptation(entry).precision for entry in there.entries} == {"fp32"}
    assert there.shared_facts["precision"] == "fp32"
    elsewhere = make_plan(document, [tmp_path / "tasks"])
    assert elsewhere.adaptation(elsewhere.entries[0]).precision == "bf16"
    assert not {stage.key for stage in plan.stages} & {stage.key for stage in elsewhere.stages}

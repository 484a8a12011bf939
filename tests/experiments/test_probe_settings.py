"""Probes that a recipe tells what to measure: `probe_settings`, and the extra that one of them needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter_workbench.experiments.engine.recipes import find_recipe
from adapter_workbench.experiments.studies.stream.page.tracking import tracking
from adapter_workbench.experiments.studies.stream.plan.plan import Plan, make_plan
from adapter_workbench.experiments.studies.stream.results.report import Report
from adapter_workbench.experiments.studies.stream.results.summary import summarise
from adapter_workbench.workbench.errors import SettingsError
from adapter_workbench.workbench.machine import extras
from adapter_workbench.workbench.machine.extras import installed_version
from adapter_workbench.workbench.mlflow.mlflow_names import metric_name
from tests.conftest import Call
from tests.harness_tasks import choices_config, write_choices, write_task
from tests.messages import lacks
from tests.runs import stream_run
from tests.streams import write_recipe

NEEDED = pytest.mark.skipif(not installed_version("lm-eval"), reason="the package lm-eval is not installed")
ENTRY = "strategies={one: {strategy: sequential, method: lora, learning_rate: 0.05}}"


def _plan(folder: Path, backbone: Path, *changes: str) -> Plan:
    given = ["tasks=[animals, halves]", "seeds=[0]", "budget.epochs=1", ENTRY, "reference=one", *changes]
    return make_plan(find_recipe(str(write_recipe(folder, backbone))).set(given), [folder / "tasks"])


@pytest.fixture
def without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = extras.installed_version
    monkeypatch.setattr(extras, "installed_version", lambda name: None if name == "lm-eval" else installed(name))


@pytest.fixture
def with_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = extras.installed_version
    monkeypatch.setattr(extras, "installed_version", lambda name: "0.4.13" if name == "lm-eval" else installed(name))


@pytest.mark.usefixtures("without_the_package")
def test_without_the_package_the_probe_says_what_to_install(call: Call, recipe: Path) -> None:
    code, out, err = call(
        "run", str(recipe), "--set", "probes=[lm-eval]", "--set", "probe_settings={lm-eval: {tasks: [arc_easy]}}"
    )
    assert (code, out) == (2, "")
    message = " ".join(err.split())
    assert "--set probes=[lm-eval]" in message
    assert lacks(message, "lm-eval is not installed", "probe lm-eval") == []
    assert "pip install 'adapter-workbench[lm-eval]'" in message
    assert "lm-eval" in call("probes", "list")[1]


@pytest.mark.usefixtures("with_the_package")
@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (["probes=[lm-eval]"], "'probe_settings.lm-eval.tasks' is missing"),
        (["probes=[lm-eval]", "probe_settings={lm-eval: {tasks: []}}"], "'probe_settings.lm-eval.tasks'"),
        (["probes=[lm-eval]", "probe_settings={lm-eval: {tasks: [a, a]}}"], "more than once: a"),
        (["probes=[lm-eval]", "probe_settings={lm-eval: {tasks: [a], limt: 5}}"], "Did you mean limit"),
        (["probes=[lm-eval]", "probe_settings={lm-eval: {tasks: [a], limit: 0}}"], "probe_settings.lm-eval.limit"),
        (["probe_settings={lm-eval: {tasks: [a]}}"], "this recipe reads 'lm-eval'"),
        (["probes=[cka]", "probe_settings={cka: {tasks: [a]}}"], "cka has no settings"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes: list[str], complaint: str, llama: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        _plan(tmp_path, llama, *changes)
    assert complaint in str(caught.value)
    assert str(caught.value).startswith("--set ") or changes == ["probes=[lm-eval]"], "where it stands"


@NEEDED
def test_an_encoder_is_refused(bert: Path, tmp_path: Path) -> None:
    settings = f"probe_settings={{lm-eval: {{tasks: [{write_choices(tmp_path)}]}}}}"
    with pytest.raises(SettingsError, match=r"probe lm-eval .*causal language model"):
        _plan(tmp_path, bert, "probes=[lm-eval]", settings)


@NEEDED
def test_a_file_with_code_is_refused_before_anything_is_trained(llama: Path, tmp_path: Path) -> None:
    path = write_choices(tmp_path)
    path.write_text(f"{path.read_text()}process_docs: !function code.rows\n")
    with pytest.raises(SettingsError, match="the tag !function is not read here"):
        _plan(tmp_path, llama, "probes=[lm-eval]", f"probe_settings={{lm-eval: {{tasks: [{path}]}}}}")


@NEEDED
def test_scores_before_and_after_stand_in_report_and_record(llama: Path, tmp_path: Path) -> None:
    path = write_task(tmp_path, choices_config())
    settings = "probe_settings={{lm-eval: {{tasks: [{}], limit: {}}}}}"
    plan = _plan(tmp_path, llama, "probes=[lm-eval]", settings.format(path, 12))
    record = stream_run(plan, tmp_path / "space")
    stage_scores = [outcome.probes["lm-eval"] for outcome in record.outcomes]
    assert len(stage_scores) == 2
    for values in stage_scores:
        assert {*values} == {f"which-animal/{name}" for name in ("acc", "acc-norm", "acc-change", "acc-norm-change")}
        assert values["which-animal/acc"] * 12 == pytest.approx(round(values["which-animal/acc"] * 12))
    before = {round(values["which-animal/acc"] - values["which-animal/acc-change"], 9) for values in stage_scores}
    assert len(before) == 1, "the bare backbone is the same at every stage"
    report = summarise(record)
    assert isinstance(report, Report)
    assert report.strategies[0].probes["lm-eval"]["which-animal/acc"]
    points = {(name, stage) for child in tracking(report).run.children for name, _, stage in child.metrics}
    assert {(metric_name("probe", "lm-eval", "which-animal/acc-change"), stage) for stage in (1, 2)} <= points
    again = _plan(tmp_path, llama, "probes=[lm-eval]", settings.format(path, 12))
    assert {name: asked.identity for name, asked in again.asked.items()} == {"lm-eval": plan.asked["lm-eval"].identity}
    files = {*(tmp_path / "space").glob("probes/*/values.json")}
    assert len(files) == 2
    other = _plan(tmp_path, llama, "probes=[lm-eval]", settings.format(path, 6))
    assert stream_run(other, tmp_path / "space").outcomes[-1].probes["lm-eval"].keys() == stage_scores[-1].keys()
    assert len({*(tmp_path / "space").glob("probes/*/values.json")} - files) == 2, "other questions, other values"

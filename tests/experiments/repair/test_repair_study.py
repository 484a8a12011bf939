"""Repairs as a study: a recipe of their own, pieces that go on where they were stopped, and a report as any study's."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.engine.run import run
from adapter_workbench.experiments.history.recipe_settings import differing_settings
from adapter_workbench.experiments.repairs import REPAIRS
from adapter_workbench.experiments.reporting.csv_tables import csv_tables
from adapter_workbench.experiments.reporting.latex import latex
from adapter_workbench.experiments.reporting.page import page
from adapter_workbench.experiments.studies import STUDIES, present, present_change, report_on
from adapter_workbench.experiments.studies.repair import work
from adapter_workbench.experiments.studies.repair.record import REPAIRED, Repaired
from adapter_workbench.experiments.studies.repair.report import CONTROLS as FAMILY
from adapter_workbench.experiments.studies.repair.report import Replicated, summarise
from adapter_workbench.experiments.studies.repair.work import end_of_stream
from adapter_workbench.experiments.workspace import RecordDocument
from adapter_workbench.workbench.errors import InputError, IntegrityError, SettingsError
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.machine.package_versions import versions
from adapter_workbench.workbench.settings.base import Document, read
from tests.conftest import Call
from tests.ear import Ear
from tests.experiments.test_recipe_values import WRONG, changed, places
from tests.experiments.test_remote_studies import TwoMachines
from tests.messages import naming
from tests.runs import done, pending, pieces

RECIPE = """name: tiny
backbone: {backbone}
tasks: [animals, halves]
seeds: [0, 1]
orders: 2
budget: {{epochs: 1, batch_size: 8, max_length: 16, precision: fp32, train_examples: 16}}
strategies:
  isolated: {{strategy: isolated, method: lora, learning_rate: 0.02}}
  shared: {{strategy: sequential, method: full, learning_rate: 0.003}}
reference: isolated
"""
REPAIR = """name: back
repair: tiny
entries: [shared]
repairs:
  half: {repair: merge-back, shares: [0.5]}
  refit-head: {examples: 8}
  undo-merge: {}
"""
CONTROLS = {"head-on-frozen of shared", "head-on-frozen-8 of shared"}
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def learned(bench: Workbench, plan: Any, study_folder: Path) -> Path:
    """The folder of a stream that has been run."""
    done(plan, bench.workspace)
    (study_folder / "back.yaml").write_text(REPAIR, encoding="utf-8")
    return study_folder


@pytest.fixture
def own(learned: Path, tmp_path: Path) -> Workbench:
    """A workbench on a copy of that folder's workspace."""
    shutil.copytree(learned / "space", tmp_path / "space")
    return Workbench(tmp_path / "space", [learned / "tasks"])


@pytest.fixture(scope="module")
def repaired(learned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of that folder's workspace in which the repairs have been made; nobody writes there."""
    root = Path(shutil.copytree(learned / "space", tmp_path_factory.mktemp("repaired") / "space"))
    bench = Workbench(root, [learned / "tasks"])
    done(bench.plan(str(learned / "back.yaml")), bench.workspace)
    return root


@pytest.fixture
def after(repaired: Path, learned: Path, tmp_path: Path) -> Workbench:
    """A workbench on a copy of the workspace in which the repairs have been made."""
    return Workbench(Path(shutil.copytree(repaired, tmp_path / "after")), [learned / "tasks"])


@pytest.fixture
def back(own: Workbench, learned: Path) -> Any:
    """What the recipe comes to there."""
    return own.plan(str(learned / "back.yaml"))


def test_a_piece_is_a_repair_of_an_entry_in_a_replication_and_travels(back: Any) -> None:
    here, there = pieces(back), pickle.loads(pickle.dumps(pieces(back)))
    for attribute in ("key", "needs", "coordinates", "label", "alone"):
        assert [getattr(piece, attribute) for piece in there] == [getattr(piece, attribute) for piece in here]
    assert len({piece.key for piece in here}) == len(here) == 4 * 2 * 2, "two repairs, each with its control"
    labels = {piece.coordinates["label"] for piece in here}
    assert labels == {"half of shared", "refit-head of shared", *CONTROLS}
    (refused,) = [entry for entry in back.record.entries if entry.refused]
    assert refused.label == "undo-merge of shared"


def test_what_is_stopped_goes_on_and_is_done_for_every_experiment(
    own: Workbench, back: Any, learned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, made = work.repaired, list[str]()

    def stopped(stream: Any, *more: Any) -> Repaired:
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(stream.label)
        return real(stream, *more)

    with monkeypatch.context() as patch:
        patch.setattr(work, "repaired", stopped)
        with pytest.raises(KeyboardInterrupt):
            done(back, own.workspace)
    assert len(pending(back, own.workspace)) == 16 - 3
    half_way = report_on("back", own.workspace.records.require("back"), own.workspace)
    assert half_way.progress == (3, 16)
    assert half_way.verdict.startswith("Not finished: 3 of 16 repairs are there.")
    json.dumps(half_way.as_json(), allow_nan=False)
    assert [child for child in present(half_way).tracking().run.children if "half" in child.name]
    done(back, own.workspace)
    assert pending(back, own.workspace) == []
    monkeypatch.setattr(work, "repaired", lambda *_: pytest.fail("what is done is not done again"))
    other = own.plan(str(learned / "back.yaml"), ["name=other", "repairs={refit-head: {examples: 8}}"])
    done(other, own.workspace)
    kept = own.repair_plan("tiny", ["merge-back"], ["shared"], ["merge-back.shares=[0.5]"])
    assert pending(kept, own.workspace) == []


def test_what_the_stream_had_learned_is_no_setting_of_its_repairs(back: Any) -> None:
    about = json.loads(json.dumps(asdict(back.record)))
    first = RecordDocument("repair", about, (), {}, "")
    streams = [{**stream, "learned": {}} for stream in about["streams"][:1]]
    assert differing_settings(first, replace(first, about={**about, "streams": streams})) == ()
    (difference,) = differing_settings(first, replace(first, about={**about, "stream": "other"}))
    assert difference.setting == "stream"


def test_results_of_before_are_read(own: Workbench, back: Any) -> None:
    """Under the key that they had when repairs were no experiment."""
    before = Repaired({"share": 0.5}, 1, 0.1, 0.9, {"animals": 0.25, "halves": 0.75}, 1.0)
    revision, settings = REPAIRS.get("merge-back").revision, {"shares": [0.5]}
    for stream in back.record.streams:
        asked = [REPAIRS.identity("merge-back"), revision, settings, sorted(stream.states)]
        REPAIRED.documents(own.workspace).save(key([stream.states[2], *asked, versions()]), before)
    left = {piece.coordinates["label"] for piece in pending(back, own.workspace)}
    assert left == {"refit-head of shared", *CONTROLS}


def test_a_repair_computes_in_the_precision_of_its_stream(
    own: Workbench, back: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine that repairs may take another one for ``auto``; records of earlier versions have none."""
    monkeypatch.setattr("adapter_workbench.experiments.studies.repair.work.resolve_precision", lambda precision: "fp32")
    for recorded, expected in (("bf16", "bf16"), ("", "fp32")):
        plan = replace(back, record=replace(back.record, precision=recorded))
        stream = end_of_stream(plan, plan.record.streams[0], own.workspace, Silent())
        assert stream.context.adaptation.precision == expected


@pytest.mark.acceptance
def test_two_machines_come_to_the_same(
    own: Workbench, after: Workbench, back: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = STUDIES.get("repair")
    expected = study.report("back", done(back, after.workspace), after.workspace).as_json()["strategies"]
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    ear = Ear()
    record = run(study, back, own.workspace, ear, workers=TwoMachines(tmp_path, ear))
    report = study.report("back", record, own.workspace).as_json()["strategies"]
    assert dict(_lasting(report)) == dict(_lasting(expected))


def _lasting(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of a document, but for times."""
    if isinstance(content, dict | list):
        for name, value in content.items() if isinstance(content, dict) else enumerate(content):
            if name != "seconds":
                yield from _lasting(value, f"{path}/{name}")
    else:
        yield path, content


def test_a_repair_is_compared_with_heads_on_the_frozen_backbone_that_read_the_same_rows(
    after: Workbench, back: Any
) -> None:
    report: Any = report_on("back", done(back, after.workspace), after.workspace)
    rows = {row.entry.name: row for row in report.entries["shared"]}
    control_of = {name: row.entry.control for name, row in rows.items() if not row.entry.is_control}
    assert control_of == {"nothing": "", "half": "head-on-frozen", "refit-head": "head-on-frozen-8"}
    for name, control in control_of.items():
        if control:
            gaps = [
                mine - its
                for mine, its in zip(
                    *(rows[one].over(Replicated.average).values for one in (name, control)), strict=True
                )
            ]
            assert rows[name].differences[FAMILY].seeds.values == pytest.approx(gaps)
            assert rows[name].differences[FAMILY].family == 2
            assert rows[name].difference.family == 2, "a control is no member of the family of repairs"
            assert rows[control].difference is None
    best = report.best("shared")
    assert best is None or not best.entry.is_control
    document = json.loads(json.dumps(report.as_json(), allow_nan=False))["strategies"]["shared"]
    assert document["repairs"].keys() == {"half", "refit-head"}
    assert document["controls"].keys() == {"head-on-frozen", "head-on-frozen-8"}
    assert document["repairs"]["half"]["control"] == "head-on-frozen"
    assert document["repairs"]["half"]["minus_control"]["p_holm"] is not None
    half, refit, eight = (
        rows[name].cells[0].repaired.rows_a_task for name in ("half", "refit-head", "head-on-frozen-8")
    )
    assert (refit - half, eight - half) == (4, 8), "training rows besides those that choose; the last head stays"
    shown = present(report)
    for medium in (page(shown, {}), latex(shown), b"".join(csv_tables(shown).values()).decode()):
        assert "minus control" in medium
    assert "half of shared/minus_control" in {name for name, _, _ in shown.tracking().run.metrics}


def test_a_recipe_may_go_without_the_control_or_name_others(own: Workbench, learned: Path) -> None:
    path = str(learned / "back.yaml")
    without = own.plan(path, ["control=false"]).record.entries  # type: ignore[attr-defined]
    assert {entry.name for entry in without} == {"half", "refit-head", "undo-merge"}
    assert {entry.control for entry in without} == {""}
    more = ["repairs.four={repair: head-on-frozen, validation_examples: 4}"]
    more += ["repairs.eight={repair: head-on-frozen, examples: 8}"]
    entries = {entry.name: entry for entry in own.plan(path, more).record.entries}  # type: ignore[attr-defined]
    assert [*entries] == ["half", "refit-head", "undo-merge", "four", "eight", "head-on-frozen"]
    assert entries["refit-head"].control == "eight", "the recipe names one that reads as many"
    taken = own.plan(path, ["repairs.head-on-frozen={repair: rewind}"]).record.entries  # type: ignore[attr-defined]
    assert {entry.control for entry in taken if entry.name == "half"} == {"head-on-frozen-control"}


def test_where_answers_are_generated_there_is_no_control(own: Workbench, back: Any) -> None:
    generated = replace(next(iter(back.tasks.values())), kind="seq2seq")
    end = end_of_stream(back, back.record.streams[0], own.workspace, Silent())
    other = replace(end, context=replace(end.context, tasks=(generated, *end.context.tasks[1:])))
    assert "seq2seq" in str(REPAIRS.get("head-on-frozen").objection(other))
    entries = [replace(entry, refused="no labels") if entry.is_control else entry for entry in back.record.entries]
    report = summarise(replace(back.record, entries=tuple(entries)))
    assert report.as_json()["strategies"]["shared"]["repairs"]["half"]["minus_control"] is None
    assert report.as_json()["strategies"]["shared"]["controls"] == {}
    assert report.as_json()["strategies"]["shared"]["refused"]["head-on-frozen"] == "no labels"


def test_a_dry_run_lists_the_repairs(learned: Path, own: Workbench, call: Call) -> None:
    options = ["--workspace", str(own.workspace.root), "--tasks", str(learned / "tasks")]
    code, out, err = call("run", str(learned / "back.yaml"), *options, "--dry-run", "--json")
    assert code == 0, err
    document = json.loads(out)
    assert document["study"] == "repair"
    assert [piece["done"] for piece in document["pieces"]] == [False] * 16
    assert not (own.workspace.root / "repairs").exists()


def test_runs_in_mlflow_have_the_seed_and_order(after: Workbench, back: Any) -> None:
    record = done(back, after.workspace)
    run = present(report_on("back", record, after.workspace)).tracking().run
    assert len({child.key for child in run.children}) == len(run.children) == 5 * 4, "doing nothing is one of them"
    names = {name for name, _, _ in run.metrics}
    assert {"shared/average_accuracy", "half of shared/retention_low", "half of shared/difference"} <= names
    child = next(child for child in run.children if child.name == "half of shared seed 1 order 1")
    assert child.tags["strategy"] == "sequential"
    assert {"average_accuracy", "validation", "cost/seconds"} <= {name for name, _, _ in child.metrics}
    final = {child.key: child.metrics for child in run.children}
    for piece in record.pieces[:2]:
        part = present_change("back", record, piece.coordinates, after.workspace)
        assert part is not None
        while_it_goes_on = {child.key: child.metrics for child in part.tracking().run.children}
        assert while_it_goes_on
        assert while_it_goes_on.items() <= final.items(), "no point that was logged changes"


def test_the_document_has_the_keys_of_before(after: Workbench, back: Any) -> None:
    """docs/results/repair.json was printed when repairs were no experiment."""
    before = json.loads((ROOT / "docs/results/repair.json").read_text(encoding="utf-8"))
    now = report_on("back", done(back, after.workspace), after.workspace).as_json()
    assert before.keys() - now.keys() <= {"command", "machine", "versions"}
    ((old,), new) = before["strategies"].values(), now["strategies"]["shared"]
    assert old.keys() <= new.keys()
    assert old["nothing"].keys() == new["nothing"].keys()
    for repair in new["repairs"].values():
        assert old["repairs"]["merge-back"].keys() <= repair.keys()
        assert repair["metrics"].keys() == old["nothing"]["metrics"].keys()
        assert old["repairs"]["merge-back"]["gain"].keys() <= repair["gain"].keys()


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ("repair=tny", ("tny", "Did you mean tiny?")),
        ("repair=../tiny", ("'repair'",)),
        ("entries=[shard]", ("shard", "Did you mean shared?", "--set entries=[shard]")),
        ("entries=[isolated]", ("isolated", "no shared weights", "These have: shared.")),
        ("repairs.rewnd={}", ("rewnd", "Did you mean rewind?")),
        ("repairs.half.shares=[2]", ("repairs.half.shares.0", "less than or equal to 1")),
        ("repairs.HALF={repair: rewind}", ("'HALF of shared' and 'half of shared'", "look the same")),
        ("seeds=[0]", ("unknown key 'seeds'",)),
        ("name=tiny", ("another kind of experiment",)),
    ],
)
def test_a_wrong_recipe_is_one_message(change: str, parts: tuple[str, ...], own: Workbench, learned: Path) -> None:
    with pytest.raises(InputError, match=naming(*parts)) as caught:
        done(own.plan(str(learned / "back.yaml"), [change]), own.workspace)
    assert caught.value.exit_code == 2
    assert isinstance(caught.value, SettingsError) or "\n" not in caught.value.what
    assert not (own.workspace.root / "repairs").exists()


def test_a_wrong_value_anywhere_in_a_recipe_is_one_message_or_can_be_planned(own: Workbench, learned: Path) -> None:
    """Of a stream that is there: where there is none, every recipe is refused for that."""
    document, outcomes = read(learned / "back.yaml"), set()
    for path in filter(None, places(document.data)):
        for value in WRONG.values():
            wrong = Document(changed(document.data, path, value), "recipe.yaml", document.lines)
            try:
                STUDIES.get("repair").plan(wrong, own.task_folders, own.workspace)
                outcomes.add("planned")
            except InputError as error:
                assert len(str(error).splitlines()) <= 10
                outcomes.add("refused")
    assert outcomes == {"planned", "refused"}


def test_what_a_repair_needs_first_is_told(own: Workbench, learned: Path, call: Call) -> None:
    options = ["--workspace", str(own.workspace.root), "--tasks", str(learned / "tasks")]
    code, out, err = call("run", "bring-back", *options)
    assert (code, out) == (2, "")
    assert "workbench run quickstart" in err
    code, out, err = call("run", str(learned / "back.yaml"), *options, "--seeds-for", "3")
    assert (code, out) == (2, "")
    assert "'back' has no seeds of its own" in err


def test_damaged_weights_are_named(own: Workbench, back: Any) -> None:
    step = own.workspace.root / "steps" / back.record.streams[0].states[1]
    weights = next(path for path in (step / "state" / "body").rglob("*.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(IntegrityError, match=naming(weights.name)):
        done(back, own.workspace)


def test_weights_that_are_gone_are_told_before_anything_is_done(own: Workbench, back: Any, learned: Path) -> None:
    shutil.rmtree(own.workspace.root / "steps" / back.record.streams[0].states[2] / "state" / "body")
    with pytest.raises(InputError, match=naming("shared", "final weights are gone")):
        own.plan(str(learned / "back.yaml"))


@pytest.mark.acceptance
def test_jobs_give_the_same_report(own: Workbench, after: Workbench, back: Any) -> None:
    expected = report_on("back", done(back, after.workspace), after.workspace).as_json()["strategies"]
    report = own.run(back, jobs=2).as_json()["strategies"]
    assert dict(_lasting(report)) == dict(_lasting(expected))

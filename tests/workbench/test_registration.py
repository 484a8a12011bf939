"""Data, models, versions and their alias in the real MLflow on SQLite."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.workbench.errors import TrackingError
from adapter_workbench.workbench.mlflow.alias import Succession
from adapter_workbench.workbench.mlflow.datasets import TrackedData
from adapter_workbench.workbench.mlflow.models import TrackedModel
from adapter_workbench.workbench.mlflow.registration import IDENTITY, Entry, RegisteredModel
from adapter_workbench.workbench.mlflow.run_record import RunRecord
from adapter_workbench.workbench.mlflow.tracker import Tracker
from tests.messages import lacks

FINGERPRINT = "0123456789abcdef" * 4


def saved(folder: Path, about: Any) -> None:
    """Write the smallest folder that MLflow takes for a model."""
    folder.mkdir()
    about.save(str(folder / "MLmodel"))
    (folder / "weights.txt").write_text("weights", encoding="utf-8")


def record(adapter: str, key: str = "") -> RunRecord:
    model = TrackedModel(
        key or f"key of {adapter}", f"{adapter}-1.5/x", saved, {"rank": "8"}, {}, {"accuracy/news": 0.5}
    )
    data = TrackedData("news", FINGERPRINT, {"origin": "made in tests"})
    return RunRecord(key=key or adapter, name=adapter, data=(data,), models=(model,))


def entry(adapter: str, validation: float, measure: str = "the same examples") -> Entry:
    return Entry("news.lora", f"key of {adapter}", adapter, measure, validation)


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    return Tracker(f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db")


def everything(tracker: Tracker, experiment: str) -> Any:
    client = tracker._client
    experiment_id = client.get_experiment_by_name(experiment).experiment_id
    runs = client.search_runs([experiment_id])
    models = client.search_logged_models([experiment_id])
    inputs = [(data.dataset.name, data.dataset.digest, data.tags[0].value) for data in runs[0].inputs.dataset_inputs]
    return runs, models, sorted(inputs)


def test_data_and_models_are_logged_once(tracker: Tracker) -> None:
    run = tracker.sync("once", record("a"))
    Tracker(tracker.uri).sync("once", replace(record("a"), tags={"changed": "so that it is written again"}))
    runs, models, inputs = everything(tracker, "once")
    assert [logged.info.run_id for logged in runs] == [run]
    assert inputs == [(f"news/{split}", FINGERPRINT[:36], split) for split in ("test", "train", "validation")]
    (model,) = models
    assert (model.name, str(model.status), model.source_run_id) == ("a-1-5-x", "READY", run)
    assert model.params == {"rank": "8"}
    assert {metric.key: metric.value for metric in model.metrics} == {"accuracy/news": 0.5}
    assert [output.model_id for output in runs[0].outputs.model_outputs] == [model.model_id]


def test_an_upload_that_was_cut_off_is_completed(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: Path, about: Any) -> None:
        raise OSError("the disk is full")

    (model,) = record("b").models
    with pytest.raises(TrackingError, match="the disk is full"):
        tracker.sync("cut-off", replace(record("b"), models=(replace(model, save=broken),)))
    assert [str(logged.status) for logged in everything(tracker, "cut-off")[1]] == ["PENDING"]
    tracker.sync("cut-off", record("b"))
    runs, models, _ = everything(tracker, "cut-off")
    assert [str(logged.status) for logged in models] == ["READY"]
    assert len(runs) == len(runs[0].outputs.model_outputs) == 1


def test_an_adapter_has_one_version_with_what_is_known_of_it(tracker: Tracker) -> None:
    for adapter, validation in (("c", 0.75), ("d", 0.5), ("c", 0.75)):
        model = tracker.register("versions", record(adapter), entry(adapter, validation))
    assert [(version.number, version.adapter, version.validation) for version in model.versions] == [
        ("1", "c", 0.75),
        ("2", "d", 0.5),
    ]
    assert model.champion is None, "who is champion is decided elsewhere"
    assert model.versions[0].identity == "key of c"
    unknown = replace(entry("foreign", 0.0), measure=None, validation=None)
    foreign = tracker.register("versions", record("foreign"), unknown).versions[-1]
    assert (foreign.validation, foreign.measure) == (None, None)
    measured = tracker.register("versions", record("foreign"), entry("foreign", 0.625)).versions[-1]
    assert measured.validation == 0.625, "a version learns what was measured since"
    assert Path(tracker._client.get_model_version_download_uri("news.lora", "2").removeprefix("file://")).is_dir()


def test_an_adapter_of_the_same_id_with_other_files_has_a_version_of_its_own(tracker: Tracker) -> None:
    """The same command gives the same id on another machine."""
    own = replace(entry("a", 0.75), name="twice.lora")
    other = replace(own, model="key of other files", validation=0.5)
    tracker.register("twice", record("a"), own)
    for _ in range(2):
        model = tracker.register("twice", record("a", "key of other files"), other)
    assert [(version.number, version.identity, version.validation) for version in model.versions] == [
        ("1", "key of a", 0.75),
        ("2", "key of other files", 0.5),
    ]
    versions = [tracker._client.get_model_version("twice.lora", number) for number in "12"]
    assert versions[0].source != versions[1].source
    tracker._client.delete_model_version_tag("twice.lora", "1", IDENTITY)
    named = tracker.registered_model("twice.lora")
    assert named
    assert str(getattr(named.version_of(own.version), "number", None)) == "1", "an unknown identity may be any"
    assert str(getattr(named.version_of(other.version), "number", None)) == "2", "but a known one comes first"


def test_a_model_that_was_deleted_is_said(tracker: Tracker) -> None:
    tracker.sync("deleted", record("h"))
    for model in everything(tracker, "deleted")[1]:
        tracker._client.delete_logged_model(model.model_id)
    with pytest.raises(TrackingError, match="'h' was deleted"):
        tracker.register("deleted", record("h"), entry("h", 0.5))


def crowned(tracker: Tracker, name: str, *adapters: str) -> RegisteredModel:
    """Register adapters under a name of their own, one after the other."""
    for adapter in adapters:
        model = tracker.register("champions", record(adapter), replace(entry(adapter, 0.5), name=name))
    return model


def test_all_registered_models_are_read(tracker: Tracker, tmp_path: Path) -> None:
    first, two, three = crowned(tracker, "read.lora", "a", "b", "c").versions
    tracker.follow("read.lora", Succession(two, first, (three,)), None)
    models = {model.name: model for model in tracker.registered_models()}
    assert models["read.lora"] == tracker.registered_model("read.lora")
    assert (models["read.lora"].champion, models["read.lora"].before) == ("2", {"2": "1"})
    assert [version.set_aside for version in models["read.lora"].versions] == [False, False, True]
    tracker._client.delete_model_version("read.lora", three.number)
    models = {model.name: model for model in tracker.registered_models()}
    assert len(models["read.lora"].versions) == 2, "deleted by a person"
    assert Tracker(f"sqlite:///{tmp_path}/none.db").registered_models() == ()
    assert not (tmp_path / "none.db").exists()


def test_the_alias_follows_and_a_difference_is_told(tracker: Tracker) -> None:
    first, two, three = crowned(tracker, "follow.lora", "a", "b", "c").versions

    def champion() -> str | None:
        return tracker.aliases()["follow.lora"]

    assert tracker.follow("follow.lora", Succession(first, None, ()), None) is None
    assert tracker.follow("follow.lora", Succession(two, first, ()), first) is None, "as was expected"
    assert champion() == "2"
    line = tracker.follow("follow.lora", Succession(three, two, ()), first)
    parts = "version 2 (b, 0.5000", "version 3 (c, 0.5000", "`workbench adapters promote follow.lora --to b`"
    assert lacks(str(line), *parts) == []
    assert champion() == "3"
    assert tracker.follow("follow.lora", Succession(three, two, ()), three) is None, "nothing to do"
    tracker._client.delete_registered_model_alias("follow.lora", "champion")
    line = tracker.follow("follow.lora", Succession(three, two, (first,)), three)
    assert line
    assert "was on no version" in line
    renumbered = Succession(replace(two, number="7"), None, ())
    assert tracker.follow("follow.lora", renumbered, three) is None, "a version is known by its adapter"
    assert champion() == "2"
    model = tracker.registered_model("follow.lora")
    assert model
    assert not any(version.set_aside for version in model.versions)


def test_a_champion_without_one_before_it_has_no_tag_that_names_one(tracker: Tracker) -> None:
    """As after a promotion of the first version and two rollbacks."""
    first, two = crowned(tracker, "back.lora", "a", "b").versions
    for succession in (Succession(first, two, ()), Succession(first, None, (two,))):
        tracker.follow("back.lora", succession, None)
        model = tracker.registered_model("back.lora")
        assert model
        assert model.before == ({"1": "2"} if succession.before else {})


def test_a_version_that_mlflow_has_not_is_told(tracker: Tracker, tmp_path: Path) -> None:
    (first,) = crowned(tracker, "gone.lora", "a").versions
    absent = Succession(replace(first, number="2", adapter="b"), first, ())
    for name, asked in (("gone.lora", tracker), ("never.lora", tracker)):
        line = asked.follow(name, absent, None)
        assert lacks(str(line), "version of b", f"champion of {name}. ", "`workbench adapters register b`") == []
    none = Tracker(f"sqlite:///{tmp_path}/none.db")
    assert "no version of b" in str(none.follow("gone.lora", absent, None))
    assert (none.registered_model("gone.lora"), none.aliases()) == (None, {})
    assert not list(tmp_path.iterdir()), "no database is made for a question"


def test_a_version_is_described_and_a_persons_words_stay(tracker: Tracker) -> None:
    def register(description: str) -> str:
        described = replace(entry("described", 0.5), name="told.lora", description=description, about="what it is")
        (version,) = tracker.register("described", record("described"), described).versions
        number = version.number
        return str(tracker._client.get_model_version("told.lora", number).description)

    tracker.register("described", record("described"), replace(entry("described", 0.5), name="told.lora"))
    assert register("by this version") == "by this version", "one that has none is described"
    assert register("by a later one") == "by this version"
    tracker.register("described", record("new"), replace(entry("new", 0.5), name="new.lora", about="what it is"))
    assert tracker._client.get_registered_model("new.lora").description == "what it is"

"""Data, models and champions in the real MLflow on SQLite."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import InputError, TrackingError, UnknownNameError
from workbench.mlflow.datasets import TrackedData
from workbench.mlflow.models import TrackedModel
from workbench.mlflow.registration import Entry, champions
from workbench.mlflow.run_record import RunRecord
from workbench.mlflow.tracker import Tracker

FINGERPRINT = "0123456789abcdef" * 4


def saved(folder: Path, about: Any) -> None:
    """Write the smallest folder that MLflow takes for a model."""
    folder.mkdir()
    about.save(str(folder / "MLmodel"))
    (folder / "weights.txt").write_text("weights", encoding="utf-8")


def record(adapter: str) -> RunRecord:
    model = TrackedModel(f"key of {adapter}", f"{adapter}-1.5/x", saved, {"rank": "8"}, {}, {"accuracy/news": 0.5})
    data = TrackedData("news", FINGERPRINT, {"origin": "made in tests"})
    return RunRecord(key=adapter, name=adapter, data=(data,), models=(model,))


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


def test_the_champion_is_the_best_on_the_same_examples(tracker: Tracker) -> None:
    def register(*given: Any) -> tuple[str, bool, str]:
        registered = tracker.register("champions", record(given[0]), entry(*given))
        return registered.version, registered.champion, registered.decision

    assert register("c", 0.75) == ("1", True, "version 1 is the champion: there was none")
    assert register("c", 0.75) == ("1", True, "version 1 is the champion already")
    assert register("d", 0.75)[:2] == ("2", False), "an equal score beats nobody"
    assert register("e", 0.5) == (
        "3",
        False,
        "version 1 stays champion: 0.7500 on validation, version 3 has 0.5000",
    )
    version, wins, decision = register("f", 1.0, "other examples")
    assert (version, wins) == ("4", False)
    assert "not of the same examples" in decision
    assert register("g", 0.875) == (
        "5",
        True,
        "version 5 is the champion: 0.8750 on validation, version 1 has 0.7500",
    )
    champion_version = tracker._client.get_model_version_by_alias("news.lora", "champion")
    assert (str(champion_version.version), champion_version.tags["workbench.adapter"]) == ("5", "g")
    assert len(tracker._client.search_model_versions("name = 'news.lora'")) == 5
    assert Path(tracker._client.get_model_version_download_uri("news.lora", "5").removeprefix("file://")).is_dir()


def test_a_model_that_was_deleted_is_said(tracker: Tracker) -> None:
    tracker.sync("deleted", record("h"))
    for model in everything(tracker, "deleted")[1]:
        tracker._client.delete_logged_model(model.model_id)
    with pytest.raises(TrackingError, match="'h' was deleted"):
        tracker.register("deleted", record("h"), entry("h", 0.5))


def test_champions_are_read_from_the_database_without_mlflow(tracker: Tracker, tmp_path: Path) -> None:
    tracker.register("read", record("e"), replace(entry("e", 0.99), name="other.lora"))
    adapters = champions(tracker.uri)
    assert "e" in adapters
    aliases = tracker._client.get_registered_model("news.lora").aliases
    version = tracker._client.get_model_version("news.lora", aliases["champion"])
    assert version.tags["workbench.adapter"] in adapters
    assert len(adapters) == 2, "one for each registered name"
    (tmp_path / "other.db").write_text("no database")
    for uri in ("http://127.0.0.1:9", f"sqlite:///{tmp_path}/none.db", f"sqlite:///{tmp_path}/other.db"):
        assert champions(uri) == frozenset()
    assert not (tmp_path / "none.db").exists()


def crowned(tracker: Tracker, name: str, *scores: tuple[str, float]) -> None:
    """Register adapters under a name of their own, one after the other."""
    for adapter, validation in scores:
        tracker.register("rollbacks", record(adapter), replace(entry(adapter, validation), name=name))


def champion(tracker: Tracker, name: str) -> str:
    version = tracker.champion(name)
    assert version
    return version.number


def test_each_rollback_goes_one_champion_back(tracker: Tracker) -> None:
    crowned(tracker, "back.lora", ("a", 0.5), ("loser", 0.25), ("b", 0.625), ("c", 0.75))
    assert champion(tracker, "back.lora") == "4"
    change = tracker.roll_back("back")
    assert change.was
    assert (change.name, change.was.number, change.now.number, change.now.adapter) == ("back.lora", "4", "3", "b")
    assert tracker.roll_back("back.lora").now.number == champion(tracker, "back.lora") == "1", "2 never was champion"
    with pytest.raises(InputError, match="no champion before version 1 is recorded") as refused:
        tracker.roll_back("back.lora")
    assert "--to: version 4 (c, 0.7500 on validation), version 3 (b" in str(refused.value)
    assert champion(tracker, "back.lora") == "1", "nothing was changed"


def test_a_version_that_was_rolled_back_is_no_champion_before_a_person_says_so(tracker: Tracker) -> None:
    name = "again.lora"
    crowned(tracker, name, ("a", 0.5), ("b", 0.75))
    tracker.roll_back(name)
    again = tracker.register("rollbacks", record("b"), replace(entry("b", 0.75), name=name))
    assert (again.version, again.champion) == ("2", False)
    assert "`workbench adapters rollback again.lora --to 2`" in again.decision
    assert champion(tracker, name) == "1"
    tracker.roll_back(name, "2")
    again = tracker.register("rollbacks", record("b"), replace(entry("b", 0.75), name=name))
    assert (again.champion, champion(tracker, name)) == (True, "2")
    assert tracker.roll_back(name).now.number == "1", "what was champion before 2 is known as before"
    crowned(tracker, name, ("c", 0.625))
    assert champion(tracker, name) == "3", "another adapter is compared with the champion alone"


def test_a_rollback_without_a_goal_changes_nothing(tracker: Tracker, tmp_path: Path) -> None:
    crowned(tracker, "two.lora", ("a", 0.5), ("b", 0.25))
    crowned(tracker, "two.head", ("c", 0.5))
    refused: list[tuple[tuple[str, ...], str]] = [
        (("two",), "'two' has 2 registered models: two.head, two.lora"),
        (("two.lora",), "no champion before version 1 is recorded"),
        (("two.lora", "7"), "there is no version 7"),
        (("two.lora", "1"), "version 1 is the champion already"),
        (("two.head",), "There is no other version"),
    ]
    for given, message in refused:
        with pytest.raises(InputError, match=message):
            tracker.roll_back(*given)
    with pytest.raises(UnknownNameError, match=r"Did you mean two\.lora"):
        tracker.roll_back("two.lor")
    assert (champion(tracker, "two.lora"), champion(tracker, "two.head")) == ("1", "1")
    none = Tracker(f"sqlite:///{tmp_path}/none.db")
    with pytest.raises(InputError, match="nothing is registered here yet"):
        none.roll_back("two.lora")
    assert none.champion("two.lora") is None
    assert not list(tmp_path.iterdir()), "no database is made for a question"


def test_a_champion_that_was_taken_away_or_deleted_is_told(tracker: Tracker) -> None:
    crowned(tracker, "gone.lora", ("a", 0.5), ("b", 0.75))
    tracker._client.delete_model_version("gone.lora", "1")
    with pytest.raises(InputError, match="version 1, the champion before version 2, was deleted"):
        tracker.roll_back("gone.lora")
    crowned(tracker, "gone.lora", ("c", 0.875))
    tracker._client.delete_registered_model_alias("gone.lora", "champion")
    with pytest.raises(InputError, match="it has no champion"):
        tracker.roll_back("gone.lora")
    change = tracker.roll_back("gone.lora", "2")
    assert (change.was, champion(tracker, "gone.lora")) == (None, "2")


def test_a_version_is_described_and_a_persons_words_stay(tracker: Tracker) -> None:
    def register(description: str) -> str:
        described = replace(entry("described", 0.5), name="told.lora", description=description, about="what it is")
        number = tracker.register("described", record("described"), described).version
        return str(tracker._client.get_model_version("told.lora", number).description)

    tracker.register("described", record("described"), replace(entry("described", 0.5), name="told.lora"))
    assert register("by this version") == "by this version", "one that has none is described"
    assert register("by a later one") == "by this version"
    tracker.register("described", record("new"), replace(entry("new", 0.5), name="new.lora", about="what it is"))
    assert tracker._client.get_registered_model("new.lora").description == "what it is"

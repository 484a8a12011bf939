"""What made an adapter, and which adapters answer under their task's name: those that a person asked for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from adapter_workbench.experiments.answers.drift.routing import router_beside
from adapter_workbench.experiments.answers.http_server.selection import select
from adapter_workbench.experiments.answers.routed_predictions import adapters_to_choose_from
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.workspace.origins import Origins
from adapter_workbench.workbench.adapters.manifest import write_manifest
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.stored_model import backbone_of
from tests.conftest import Call
from tests.messages import lacks
from tests.read_only import read_only
from tests.streams import write_recipe

RATE = "learning_rate=0.02"
BUDGET = "budget={epochs: 1, batch_size: 8, max_length: 16, precision: fp32}"
TRAIN = ["train", "animals", "--method", "lora", "--set", RATE, "--set", BUDGET]
LEFT = "run stream"


@pytest.fixture(scope="module")
def streamed(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the workspace of a stream with an isolated LoRA for each of three tasks, and nothing else."""
    folder = tmp_path_factory.mktemp("streamed")
    recipe = write_recipe(folder, bert)
    text = recipe.read_text().replace("seeds: [0, 1]", "seeds: [0]").replace("epochs: 4", "epochs: 1")
    text = text.replace("  sequential: {strategy: sequential, method: full, learning_rate: 0.003}\n", "")
    recipe.write_text(text.replace("reference: sequential", "reference: isolated"))
    bench = Workbench(folder / ".workbench", [folder / "tasks"])
    bench.run(bench.plan(str(recipe)))
    return folder


@pytest.fixture
def bench(streamed: Path, tmp_path: Path, call: Call) -> Workbench:
    """A copy of it, in which commands run."""
    shutil.copytree(streamed, tmp_path, dirs_exist_ok=True)
    return Workbench(tmp_path / ".workbench", [tmp_path / "tasks"])


def listed(call: Call, *options: str) -> dict[str, dict[str, object]]:
    code, out, err = call("adapters", "list", "--json", *options)
    assert code == 0, err
    return {entry["id"]: entry for entry in json.loads(out)}


def origin_of(entry: dict[str, object]) -> list[object]:
    return [entry[name] for name in ("made_by", "asked_by", "in_service")]


def of_task(bench: Workbench, task: str) -> list[str]:
    return [name for name in bench.workspace.adapters.ids() if name.startswith(f"{task}-lora")]


def without_maker(bench: Workbench, *adapters: str) -> None:
    """Write manifests as version 0.2.0 did."""
    for name in adapters or bench.workspace.adapters.ids():
        stored = bench.workspace.adapters.get(name)
        write_manifest(stored.manifest.model_copy(update={"made_by": None}), stored.folder)
        assert "made_by" not in (stored.folder / "manifest.json").read_text()


def test_what_an_experiment_left_is_listed_and_does_not_answer(bench: Workbench, call: Call) -> None:
    (left,) = of_task(bench, "animals")
    code, out, err = call("adapters", "list")
    assert code == 0, err
    assert "made by" in out.splitlines()[0]
    assert [line.split()[1] for line in out.splitlines() if line.endswith(LEFT)] == ["animals", "fruits", "halves"]
    assert lacks(out, "“run …”", "workbench adapters promote ID") == []
    assert origin_of(listed(call)[left]) == [LEFT, None, False]

    # a task whose own training never finished is not answered by a stream's adapter
    for command in (
        ["predict", "animals", "the cat"],
        ["serve", "animals", "--port", "0"],
        ["evaluate", "animals", "--file", "tasks/animals-test.csv"],
        ["drift", "animals", "--file", "tasks/animals-test.csv"],
        ["adapters", "register", "animals"],
        ["adapters", "show", "animals.lora"],
        ["gate", "animals-lora", "--min-score", "50"],
        ["fuse", "halves", "--from", "animals,fruits", "--method", "average", "--shots", "4"],
    ):
        code, out, err = call(*command)
        assert (code, out) == (2, ""), (command, err)
        assert lacks(err, "no adapter answers under", f"{left} ({LEFT})", f"adapters promote {left}", "train") == [], (
            command,
            err,
        )
    assert call("predict", left, "the cat")[0] == 0, "its id means it"
    assert bench.workspace.champions.names() == {}


def test_who_would_train_instead_is_told_the_method_of_what_is_proposed(bench: Workbench, call: Call) -> None:
    """The adapters are read by their ids, and another method may stand first there."""
    (left,) = of_task(bench, "animals")
    stored = bench.workspace.adapters.get(left)
    other = stored.folder.with_name("animals-head-00000000")
    shutil.copytree(stored.folder, other)
    earlier = {"id": other.name, "method": "head", "created": "2020-01-01T00:00:00+00:00"}
    write_manifest(stored.manifest.model_copy(update=earlier), other)
    code, _, err = call("predict", "animals", "the cat")
    assert (code, lacks(err, f"promote {left}.", "workbench train animals --method lora")) == (2, []), err


def test_what_chooses_among_all_tasks_leaves_out_what_experiments_left(bench: Workbench, call: Call) -> None:
    for command in (["serve", "--port", "0"], ["predict", "router:arrow", "the cat"]):
        code, _, err = call(*command)
        assert (code, lacks(err, "nobody asked for one", "adapters promote")) == (2, []), err
    fuse = ["fuse", "halves", "--from", "auto:1", "--method", "average", "--shots", "4", "--dry-run"]
    code, _, err = call(*fuse[:-1])
    assert (code, lacks(err, "there are 0 adapters", "adapters promote")) == (2, []), err
    backbone = bench.workspace.adapters.get(of_task(bench, "fruits")[0]).manifest.backbone.name
    code, _, err = call("train", "fruits", "--method", "lora", "--backbone", backbone, *TRAIN[4:])
    assert code == 0, err
    ids = of_task(bench, "animals")
    assert call("predict", "router:arrow", "the cat", "--among", ",".join([*ids, "fruits"]))[0] == 0
    assert [*select(bench.workspace, (), None, bench.task_folders, Silent()).by_task] == ["fruits"]
    assert [*select(bench.workspace, ids, None, bench.task_folders, Silent()).by_task] == ["animals"]


def test_whatever_chooses_asks_once_for_what_made_the_adapters(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what an experiment left is not among those that a router of drift knows, until a person asks for it."""
    workspace, folders = bench.workspace, bench.task_folders
    animals, fruits, halves = (of_task(bench, task)[0] for task in ("animals", "fruits", "halves"))
    workspace.origins.ask(fruits, "train")
    stored = workspace.adapters.get(animals)
    backbone, asked, of = backbone_of(stored), [], Origins.of
    monkeypatch.setattr(Origins, "of", lambda self, manifests: asked.append(self) or of(self, manifests))

    def known_to_drift() -> set[str]:
        state = router_beside(workspace, stored, backbone, folders, Silent())
        assert state is not None
        return {adapter.id for adapter in state.adapters}

    assert known_to_drift() == {animals, fruits}
    assert [*select(workspace, (), None, folders, Silent()).by_task.values()] == [fruits]
    chosen, _ = adapters_to_choose_from(workspace, "prototype", False, (), None)
    assert [adapter.id for adapter in chosen] == [fruits]
    assert len(asked) == 3
    workspace.origins.ask(halves, "adapters promote")
    assert known_to_drift() == {animals, fruits, halves}


def test_a_run_comes_first_and_the_same_training_later(bench: Workbench, call: Call) -> None:
    (left,) = of_task(bench, "animals")
    manifest = bench.workspace.adapters.get(left).manifest
    code, out, _ = call(*TRAIN, "--backbone", manifest.backbone.name, "--json")
    assert (code, json.loads(out)["adapter"]) == (0, left), "the training is done: its id is the digest of the lesson"
    assert bench.workspace.adapters.get(left).manifest == manifest, "an adapter is never changed in place"
    assert origin_of(listed(call)[left]) == [LEFT, "train", True]
    assert left in listed(call, "--made-by", "train")
    code, out, _ = call("adapters", "list", "--task", "animals")
    assert f"{LEFT}, then train" in out
    assert call("predict", "animals", "the cat")[0] == 0
    bench.run(bench.plan("stream.yaml"))
    assert bench.chosen("animals") == left, "the experiment that has it too takes nothing back"


def test_training_comes_first_and_a_run_with_the_same_later(bert: Path, tmp_path: Path, call: Call) -> None:
    recipe = write_recipe(tmp_path, bert)
    recipe.write_text(recipe.read_text().replace("seeds: [0, 1]", "seeds: [0]").replace("epochs: 4", "epochs: 1"))
    code, out, err = call(*TRAIN, "--backbone", str(bert), "--json")
    assert code == 0, err
    own = json.loads(out)["adapter"]
    assert call("run", str(recipe), "--set", "tasks=[animals, halves]")[0] == 0
    entries = listed(call)
    assert origin_of(entries.pop(own)) == ["train", "train", True]
    assert {entry["made_by"] for entry in entries.values()} == {LEFT}
    assert call("predict", "animals", "the cat")[0] == 0
    # the run makes it again, where its files were damaged; that somebody asked for it is known all the same
    bench = Workbench(tmp_path / ".workbench", [tmp_path / "tasks"])
    next(bench.workspace.adapters.folder(own).glob("*.safetensors")).write_bytes(b"nothing")
    shutil.rmtree(bench.workspace.root / "steps")
    assert call("run", str(recipe), "--set", "tasks=[animals, halves]")[0] == 0
    assert listed(call)[own]["made_by"] == LEFT
    assert bench.chosen("animals") == own


def test_a_workspace_that_was_moved_knows_the_same(bench: Workbench, call: Call, tmp_path: Path) -> None:
    (left,) = of_task(bench, "animals")
    bench.workspace.origins.ask(left, "train")
    before = listed(call)
    (tmp_path / ".workbench").rename(tmp_path / "moved")
    assert listed(call, "--workspace", "moved") == before
    assert call("predict", "animals", "the cat", "--workspace", "moved")[0] == 0
    code, _, err = call("predict", "halves", "the cat", "--workspace", "moved")
    assert (code, LEFT in err) == (2, True)


def test_an_adapter_is_taken_over_by_its_id(bench: Workbench, call: Call) -> None:
    (left,) = of_task(bench, "animals")
    key = left.rpartition("-")[2]
    code, out, err = call("adapters", "promote", key)
    assert code == 0, err
    assert lacks(out, "animals.lora", "is champion", left) == []
    assert call("predict", "animals", "the cat")[0] == 0
    entry = listed(call)[left]
    assert (entry["champion"], origin_of(entry)) == (True, [LEFT, "promote", True])
    code, _, err = call("adapters", "promote", left)
    assert (code, "champion already" in err) == (2, True)
    (bench.workspace.root / "champions.json").unlink()
    assert bench.workspace.origins.of([bench.workspace.adapters.get(left).manifest])[left].in_service
    code, _, err = call("adapters", "promote", "animals")
    assert (code, "--to VERSION is missing" in err) == (2, True), "the name of a task is no adapter"
    assert call("adapters", "promote", "nothing-here")[0] == 2


def test_a_second_adapter_of_a_registered_name_is_taken_over(bench: Workbench, call: Call) -> None:
    (left,) = of_task(bench, "animals")
    backbone = bench.workspace.adapters.get(left).manifest.backbone.name
    other = bench.lesson_from("animals", "lora", backbone, 7, [RATE, BUDGET])
    bench.release.register(bench.train(other).adapter.id)
    code, out, err = call("adapters", "promote", left, "--json")
    known = bench.workspace.champions.names()["animals.lora"]
    assert (code, out, len(known.versions)) == (3, "", 1), "it loses, and is not even registered"
    assert "stays champion" in err
    code, out, err = call("adapters", "promote", left, "--accept-loss", "--json")
    assert code == 0, err
    change = json.loads(out)
    assert [change["was"]["version"], change["now"]["version"], change["now"]["adapter"]] == ["1", "2", left]
    assert call("adapters", "rollback", "animals")[0] == 0
    assert bench.chosen("animals") != left
    assert call("adapters", "promote", left)[0] == 3
    again = json.loads(call("adapters", "promote", left, "--accept-loss", "--json")[1])
    assert again["now"]["version"] == "2", "it has a version"


def test_a_list_has_filters(bench: Workbench, call: Call) -> None:
    (left,) = of_task(bench, "animals")
    bench.workspace.origins.ask(left, "train")
    assert [*listed(call, "--task", "animals")] == [left]
    assert len(listed(call, "--made-by", "run")) == len(listed(call, "--made-by", LEFT)) == 3
    assert len(listed(call, "--made-by", "stream")) == 3
    assert [*listed(call, "--made-by", "train")] == [left]
    assert listed(call, "--made-by", "update") == listed(call, "--task", "animal") == {}
    code, out, _ = call("adapters", "list", "--task", "animal")
    assert (code, lacks(out, "animals, fruits, halves", LEFT)) == (0, [])


def test_show_begins_with_scores_and_says_what_made_it(bench: Workbench, call: Call) -> None:
    (left,) = of_task(bench, "animals")
    code, out, _ = call("adapters", "show", left)
    lines = out.splitlines()
    assert (code, lines[0]) == (0, left)
    assert lines[1].startswith("validation accuracy")
    assert lines[2].startswith("test accuracy")
    assert next(line for line in lines if line.startswith("made by")).split(None, 2)[2].startswith(LEFT)
    shown = json.loads(call("adapters", "show", left, "--json")[1])
    assert origin_of(shown) == [LEFT, None, False]


def test_what_was_removed_is_asked_for_no_longer(bench: Workbench, call: Call) -> None:
    (left,) = of_task(bench, "animals")
    bench.workspace.origins.ask(left, "train")
    assert call("adapters", "remove", left)[0] == 0
    shutil.rmtree(bench.workspace.root / "steps")
    bench.run(bench.plan("stream.yaml"))
    with pytest.raises(InputError, match="no adapter answers"):
        bench.chosen("animals")


def test_what_cannot_be_removed_is_asked_for_as_before(bench: Workbench, call: Call) -> None:
    (adapter,) = of_task(bench, "animals")
    bench.workspace.origins.ask(adapter, "train")
    asked = bench.workspace.root / "asked" / f"{adapter}.json"
    before = asked.read_bytes(), asked.stat().st_mtime_ns
    with read_only(bench.workspace.adapters.root):
        code, _, err = call("adapters", "remove", adapter)
    assert (code, (asked.read_bytes(), asked.stat().st_mtime_ns)) == (2, before), err


def test_an_earlier_versions_experiment_is_known_by_its_record(bench: Workbench, call: Call) -> None:
    backbone = bench.workspace.adapters.get(of_task(bench, "animals")[0]).manifest.backbone.name
    own = bench.lesson_from("animals", "lora", backbone, 9, [RATE, BUDGET])
    other = bench.workspace.trained_adapter(own, Silent(), "").id
    without_maker(bench)
    entries = listed(call)
    assert origin_of(entries.pop(other)) == [None, None, True]
    assert [(entry["made_by"], entry["in_service"]) for entry in entries.values()] == [(LEFT, False)] * 3
    assert bench.chosen("animals") == other, "the only adapter that no record mentions"
    with pytest.raises(InputError, match="no adapter answers"):
        bench.chosen("halves")
    code, _, err = call("adapters", "promote", of_task(bench, "halves")[0])
    assert code == 0, err
    assert bench.chosen("halves") == of_task(bench, "halves")[0]


def test_what_was_there_before_an_earlier_versions_experiment_stays_in_service(bench: Workbench, call: Call) -> None:
    (left,) = of_task(bench, "animals")
    stored = bench.workspace.adapters.get(left)
    earlier = {"made_by": None, "created": "2026-01-01T00:00:00+00:00"}
    write_manifest(stored.manifest.model_copy(update=earlier), stored.folder)
    assert bench.chosen("animals") == left, "a person trained it, and the experiment found it done"
    (halves,) = of_task(bench, "halves")
    without_maker(bench, halves)
    load = bench.workspace.system(halves)
    load.parent.mkdir(exist_ok=True)
    load.write_text("{}\n")
    assert bench.chosen("halves") == halves, "only `train` wrote how busy the machine was for one adapter"


def test_damaged_records_and_notes_are_no_traceback(bench: Workbench, call: Call) -> None:
    (left,) = of_task(bench, "animals")
    without_maker(bench)
    (bench.workspace.root / "experiments" / "stream" / "record.json").write_text("{")
    assert bench.chosen("animals") == left, "no record mentions it"
    bench.workspace.origins.ask(left, "train")
    note = bench.workspace.root / "asked" / f"{left}.json"
    note.write_text(note.read_text().replace("train", "brain"))
    code, _, err = call("predict", "animals", "the cat")
    assert (code, lacks(err, str(note), "damaged", "Delete it")) == (1, []), err


def test_versions_that_a_person_registered_count(bench: Workbench, call: Call) -> None:
    (left,) = of_task(bench, "animals")
    assert call("adapters", "register", left)[0] == 0
    assert origin_of(listed(call)[left]) == [LEFT, "register", True]
    assert bench.chosen("animals") == left

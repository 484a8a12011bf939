"""Damaged files: a report names them, a run makes them again; numbers never change in silence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.engine.diagnosis import _leftovers
from adapter_workbench.experiments.engine.system_metrics import points
from adapter_workbench.experiments.studies import STUDIES, report_of, report_on
from adapter_workbench.experiments.studies.stream.plan.plan import make_plan
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.experiments.workspace.damage import READ_ONLY
from adapter_workbench.workbench.errors import IntegrityError, UnwritableError, WorkbenchError
from adapter_workbench.workbench.files.checksummed import DIGEST, DIGESTS, UNDER
from adapter_workbench.workbench.files.digest import digest, key
from adapter_workbench.workbench.settings.base import Document, read
from tests.conftest import Call
from tests.damage import WAYS, flip, kinds, pipe, swap, way_of, within
from tests.ear import Ear
from tests.experiments.test_strategies import ENTRIES as SHARED
from tests.messages import naming
from tests.read_only import read_only
from tests.runs import ask_for_all, done, pending, stream_run
from tests.sampled import waiting
from tests.streams import write_recipe, write_tasks

BUDGET = {"epochs": 1, "batch_size": 8, "max_length": 16, "precision": "fp32", "train_examples": 16}
ENTRIES = {**SHARED, "isolated": "{strategy: isolated, method: lora, learning_rate: 0.02}"}
STREAM = ["tasks=[animals, halves]", "seeds=[0]", "budget.epochs=1", "budget.train_examples=16", "reference=ewc"]
STREAM += [f"strategies={{{', '.join(f'{name}: {ENTRIES[name]}' for name in ('isolated', 'ewc', 'replay'))}}}"]
METHODS = {
    "name": "methods",
    "description": "made in tests",
    "tasks": ["animals"],
    "seeds": [0],
    "budget": BUDGET,
    "methods": {"lora": {"learning_rate": 0.02}, "head": {"learning_rate": 0.02}},
    "tune": 2,
}
FUSION = {
    "name": "fusion",
    "description": "made in tests",
    "sources": {"tasks": ["animals", "halves"], "methods": {"lora": {"learning_rate": 0.02}}, "budget": BUDGET},
    "targets": ["fruits"],
    "shots": [8],
    "seeds": [0],
    "budget": {name: value for name, value in BUDGET.items() if name != "train_examples"},
    "compositions": {"sum": {"method": "sum", "weights": [0.5, 0.5]}},
}
RESULTS = {"evaluations", "steps", "pieces", "attempts", "trials", "costs", "repairs", "probes", "routers"}
READ_BY_REPORTS = {"stream": {"evaluations", "steps"}, "methods": {"evaluations"}, "fusion": {"pieces", "trials"}}
EXPERIMENTS = ["stream", "methods", "fusion"]
SWAPPED = {"stream": ["evaluations", "steps"], "methods": ["attempts", "evaluations"], "fusion": ["evaluations"]}


@dataclass(frozen=True)
class Finished:
    """An experiment that came to its end in a workspace, and how to run it in another."""

    name: str
    root: Path
    do: Callable[[Workspace, Ear], Any]

    def copy(self, folder: Path) -> Path:
        return Path(shutil.copytree(self.root, folder / "space"))


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tasks(tmp_path_factory.mktemp("damage"))


@pytest.fixture(scope="module")
def finished(tasks: Path, bert: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finished]:
    """One experiment of each sort, each in a workspace of its own."""
    stream = make_plan(read(write_recipe(tasks.parent, bert)).set(STREAM), [tasks])
    methods = STUDIES.get("methods").plan(Document({**METHODS, "backbone": str(bert)}, "test"), [tasks])
    fusion = STUDIES.get("compositions").plan(Document({**FUSION, "backbone": str(bert)}, "test"), [tasks])
    every = {
        name: partial(done, plan, command=f"workbench run {name}.yaml")
        for name, plan in {"stream": stream, "methods": methods, "fusion": fusion}.items()
    }
    by_name = {}
    for name, do in every.items():
        by_name[name] = Finished(name, tmp_path_factory.mktemp(name), do)
        do(Workspace(by_name[name].root), Ear())
    return by_name


def document(root: Path, name: str) -> Any:
    return report_of(Workspace(root), name).as_json()


TIMES = ("seconds", "provenance", "memory", "cost", "created", "speed", "bytes", "measured")


def numbers(value: Any) -> Any:
    """Leave out what differs from one run to the next: times, and when it was."""
    if isinstance(value, dict):
        return {key: numbers(item) for key, item in value.items() if not any(word in key for word in TIMES)}
    return [numbers(item) for item in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("every", [False, waiting(True)])
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_report_gives_the_same_numbers_or_names_the_file(
    name: str, every: bool, finished: dict[str, Finished], tmp_path: Path
) -> None:
    """Whichever way a file is damaged; on each change one way a kind of file."""
    sound, root = document(finished[name].root, name), finished[name].copy(tmp_path)
    for file in kinds(root):
        content = (root / file).read_bytes()
        for way in WAYS if every else [way_of(file)]:
            WAYS[way](root / file)
            try:
                assert document(root, name) == sound, f"{way} {file}"
            except WorkbenchError as error:
                path = Path(file)
                assert any(part in str(error) for part in (path.name, path.parent.name)), f"{way} {file}: {error}"
                assert isinstance(error, IntegrityError) or path.parent.name == name, f"{way} {file}: {error!r}"
            (root / file).write_bytes(content)


@pytest.mark.parametrize("way", ["flip", waiting("remove")])
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_run_gives_the_same_numbers_whatever_was_damaged(
    name: str, way: str, finished: dict[str, Finished], tmp_path: Path
) -> None:
    experiment = finished[name]
    sound, files = document(experiment.root, name), [*kinds(experiment.root)]
    root, ear = experiment.copy(tmp_path), Ear()
    for file in files:
        WAYS[way](root / file)
    experiment.do(Workspace(root), ear)
    assert numbers(document(root, name)) == numbers(sound)
    again = Ear()
    experiment.do(Workspace(root), again)
    assert (again.said, again.fits) == ([], []), "it is whole again"
    if way != "remove":
        assert len(ear.said) >= len({file.split("/")[0] for file in files}) - 1, ear.said
        assert not [line for line in ear.said if "\n" in line]


def alike(root: Path) -> list[tuple[Path, Path]]:
    """Return two of a kind from each folder of results: documents, folders with the same files, what steps left."""
    by_kind: dict[Any, list[Path]] = {}
    for path in sorted([*root.glob("*/[!.]*"), *root.glob("steps/*/[of]*.json")]):
        if (folder := path.relative_to(root).parts[0]) in RESULTS:
            outcome = path.name[:7] if folder == "steps" and path.is_file() else ""
            names = frozenset(part.name for part in path.rglob("*")) if path.is_dir() else outcome
            by_kind.setdefault((folder, path.suffix, names), []).append(path)
    return [(same[0], same[1]) for same in by_kind.values() if len(same) > 1]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_results_that_changed_places_are_named_and_made_again(
    name: str, finished: dict[str, Finished], tmp_path: Path
) -> None:
    experiment = finished[name]
    sound, root = document(experiment.root, name), experiment.copy(tmp_path)
    pairs = alike(root)
    assert {first.relative_to(root).parts[0] for first, _ in pairs} >= set(SWAPPED[name]), pairs
    for first, other in pairs:
        swap(first, other)
        try:
            assert document(root, name) == sound, first
            assert first.relative_to(root).parts[0] not in READ_BY_REPORTS[name] or first.name == "fit.json", first
        except IntegrityError as error:
            assert "written for another key" in str(error), first
        swap(first, other)
    for first, other in pairs:
        swap(first, other)
    ear = Ear()
    experiment.do(Workspace(root), ear)
    assert [line for line in ear.said if "written for another key" in line]
    assert numbers(document(root, name)) == numbers(sound)
    again = Ear()
    experiment.do(Workspace(root), again)
    assert (again.said, again.fits) == ([], []), "it is whole again"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_results_of_before_there_were_keys_in_them_are_read_without_a_word(
    name: str, finished: dict[str, Finished], tmp_path: Path
) -> None:
    root, ear = finished[name].copy(tmp_path), Ear()
    for path in [path for path in root.rglob("*.json") if path.parts[len(root.parts)] in RESULTS]:
        content = json.loads(path.read_text())
        if content.pop(UNDER, None) is not None:
            content[DIGEST] = key({entry: value for entry, value in content.items() if entry != DIGEST})
            path.write_text(json.dumps(content))
    for path in root.rglob(DIGESTS):
        content = json.loads(path.read_text())
        content |= {file: digest(path.parent / file) for file in content.keys() - {DIGEST, UNDER}}
        content[DIGEST] = key({entry: value for entry, value in content.items() if entry != DIGEST})
        path.write_text(json.dumps(content))
    assert not [path for path in root.rglob("*.json") if UNDER in path.read_text()]
    finished[name].do(Workspace(root), ear)
    assert (ear.said, ear.fits) == ([], [])
    assert document(root, name) == document(finished[name].root, name)


def test_a_pipe_in_the_place_of_a_file_is_damage_and_nobody_waits(
    finished: dict[str, Finished], tmp_path: Path
) -> None:
    name, ear = "stream", Ear()
    sound, root = document(finished[name].root, name), finished[name].copy(tmp_path)
    files = [*kinds(root)]
    for file in files:
        content = (root / file).read_bytes()
        pipe(root / file)
        with within(20):
            try:
                assert document(root, name) == sound, file
            except WorkbenchError as error:
                assert any(part in str(error) for part in (Path(file).name, Path(file).parent.name)), f"{file}: {error}"
        (root / file).unlink()
        (root / file).write_bytes(content)
    for file in files:
        pipe(root / file)
    with within(60):
        finished[name].do(Workspace(root), ear)
    assert numbers(document(root, name)) == numbers(sound)


def test_the_report_says_what_needs_the_file_and_what_makes_it_again(
    finished: dict[str, Finished], call: Call, tmp_path: Path
) -> None:
    root = finished["stream"].copy(tmp_path)
    outcomes = sorted(root.glob("steps/*/outcome*.json"))
    for path in outcomes[:2]:
        flip(path)
    code, out, err = call("report", "stream", "--workspace", str(root))
    assert (code, out) == (1, "")
    assert all(str(path) in err for path in outcomes[:2])
    assert "The report on 'stream' needs it; `workbench run stream.yaml` makes it again." in err
    assert len(err.splitlines()) == 2
    code, out, _ = call("report", "--workspace", str(root))
    assert (code, "2 tasks on" in out) == (0, True), "the list reads records alone"
    flip(root / "experiments" / "stream" / "record.json")
    code, out, _ = call("report", "--workspace", str(root))
    assert (code, "damaged" in out) == (0, True)


def test_a_trial_that_was_deleted_is_named(finished: dict[str, Finished], tmp_path: Path) -> None:
    root = finished["fusion"].copy(tmp_path)
    trial = min((root / "trials").iterdir())
    shutil.rmtree(trial)
    with pytest.raises(IntegrityError, match=naming(str(trial), "missing")):
        document(root, "fusion")


def test_what_is_damaged_of_one_experiment_does_not_stop_the_dry_run_of_another(
    finished: dict[str, Finished], tasks: Path, bert: Path, call: Call, tmp_path: Path
) -> None:
    root = finished["stream"].copy(tmp_path)
    recipe = write_recipe(tmp_path, bert)
    other = [str(recipe), *(f"--set={change}" for change in STREAM), "--set=name=other", "--set=seeds=[1]", "--dry-run"]
    arguments = ["run", *other, "--json", "--tasks", str(tasks), "--workspace", str(root)]
    expected = json.loads(call(*arguments)[1])["expected_seconds"]
    assert expected, "the case is not what it should be"
    flip(root / "experiments" / "stream" / "record.json")
    with (root / "pace.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"pace": 3}\n[]\n{"pace": "x", "updates": "many", "seconds": 1}\n{"pa')
    assert json.loads(call(*arguments)[1])["expected_seconds"] == expected


@pytest.mark.parametrize(
    ("label", "way"),
    [
        waiting((label, way), unless=first == second)
        for first, label in enumerate(["isolated", "ewc", "replay"])
        for second, way in enumerate(["flip", "empty", "remove"])
    ],
)
def test_a_damaged_state_is_not_trained_on(
    label: str, way: str, finished: dict[str, Finished], tasks: Path, bert: Path, tmp_path: Path
) -> None:
    """A stream that goes on from the first stage with another task finds it damaged, and learns it again."""
    only = [*STREAM[1:-2], f"strategies={{{label}: {ENTRIES[label]}}}", f"reference={label}"]
    branch = make_plan(
        read(tasks.parent / "stream.yaml").set([*only, "name=branch", "tasks=[animals, fruits]"]), [tasks]
    )

    def scores(root: Path, ear: Ear) -> list[Any]:
        record = stream_run(branch, root, ear)
        return [[(cell.task, cell.score, cell.evaluation) for cell in outcome.cells] for outcome in record.outcomes]

    undisturbed = scores(finished["stream"].copy(tmp_path / "undisturbed"), Ear())
    root, ear = finished["stream"].copy(tmp_path / way), Ear()
    first = branch.stages[0]
    state = root / "steps" / first.key / "state"
    damaged = [path for path in state.rglob("*") if path.is_file()]
    assert damaged
    for path in damaged:
        WAYS[way](path)
    assert scores(root, ear) == undisturbed
    assert [line for line in ear.said if first.key in line], "it is said"
    assert (first.label in ear.fits) == (label != "isolated"), "the adapter is still in the store"
    assert (root / "steps" / first.key / DIGESTS).is_file()
    assert not pending(branch, Workspace(root))


def test_probes_compare_with_what_was_kept_or_take_it_again(tasks: Path, bert: Path, tmp_path: Path) -> None:
    only = [f"strategies={{replay: {ENTRIES['replay']}}}", "reference=replay", "probes=[cka]", "keep_states=last"]
    plan = make_plan(read(write_recipe(tasks.parent, bert)).set([*STREAM[:-2], *only]), [tasks])

    def probes(ear: Ear) -> list[Any]:
        return [outcome.probes for outcome in stream_run(plan, tmp_path, ear).outcomes]

    sound, ear = probes(Ear()), Ear()
    assert sound[1]["cka"], "the second stage compares with the first"
    hidden = min(tmp_path.glob("probes/*/hidden.safetensors"), key=lambda path: path.stat().st_mtime)
    for path in [hidden, *tmp_path.glob("probes/*/values.json"), *tmp_path.glob("steps/*/outcome-final*.json")]:
        flip(path)
    assert probes(ear) == sound
    assert any(hidden.parent.name in line for line in ear.said)
    again = Ear()
    assert (probes(again), again.said, again.fits) == (sound, [], [])


@pytest.mark.parametrize("way", ["flip", "remove"])
def test_a_damaged_adapter_is_moved_aside_and_trained_again(
    way: str, finished: dict[str, Finished], tasks: Path, tmp_path: Path
) -> None:
    experiment, root, ear = finished["methods"], finished["methods"].copy(tmp_path), Ear()
    (folder,) = root.glob("adapters/animals-lora-*")
    (folder / "notes.txt").write_text("precious")
    WAYS[way](folder / "head.safetensors")
    with pytest.raises(IntegrityError):
        Workspace(root).adapters.verify(folder.name)
    experiment.do(Workspace(root), ear)
    Workspace(root).adapters.verify(folder.name)
    (aside,) = (root / "damaged").iterdir()
    assert (aside / "notes.txt").read_text() == "precious"
    assert any(str(aside) in line for line in ear.said)
    assert numbers(document(root, "methods")) == numbers(document(experiment.root, "methods"))


@pytest.mark.parametrize("every", [False, waiting(True)])
def test_a_router_learns_again_what_was_damaged(
    every: bool, finished: dict[str, Finished], call: Call, tmp_path: Path
) -> None:
    root = finished["stream"].copy(tmp_path)
    ask_for_all(Workspace(root))
    command = ["predict", "router:arrow", "the dog sleeps", "--json", "--workspace", str(root)]
    code, sound, err = call(*command)
    assert code == 0, err
    parts = sorted(root.glob("routers/*/*"))
    assert {path.name for path in parts} == {"part.safetensors", "part.json", DIGESTS}
    for path in parts[: len(parts) // 2]:
        content = path.read_bytes()
        for way in WAYS if every else [way_of(path.name)]:
            WAYS[way](path)
            code, out, err = call(*command)
            assert (code, out) == (0, sound), f"{way} {path}: {err}"
            assert (path.parent.name in err) == ((way, path.name) != ("remove", DIGESTS))
            if not path.exists():
                path.write_bytes(content)  # a removed file of digests is not made again: earlier versions had none
            assert call(*command)[2] == "", "it is whole again"


def test_a_router_that_lacks_a_task_says_so_before_it_learns_anything(
    finished: dict[str, Finished], tasks: Path, call: Call, tmp_path: Path
) -> None:
    root, some = finished["stream"].copy(tmp_path), tmp_path / "some"
    shutil.copytree(tasks, some)
    (some / "halves.yaml").unlink()
    ask_for_all(Workspace(root))
    code, _, err = call("predict", "router:mahalanobis", "the dog", "--workspace", str(root), "--tasks", str(some))
    assert code == 2
    assert "no task called 'halves'" in err
    assert "reading the training examples" not in err
    assert not [*root.glob("routers/*/*")]


def test_what_a_damaged_file_of_system_metrics_still_says_is_taken(tmp_path: Path) -> None:
    lines = [b'{"cpu": 1.5}', b"\xff\x00", b"[1]", b'{"cpu": "much", "memory": 2}', b'{"cpu": 3']
    (tmp_path / "x.jsonl").write_bytes(b"\n".join(lines))
    assert points(tmp_path / "x.jsonl") == (("system/cpu", 1.5, 0), ("system/memory", 2, 3))


def test_a_workspace_without_digests_is_read_without_a_word(finished: dict[str, Finished], tmp_path: Path) -> None:
    root, ear = finished["stream"].copy(tmp_path), Ear()
    for path in root.rglob(DIGESTS):
        path.unlink()
    finished["stream"].do(Workspace(root), ear)
    assert (ear.said, ear.fits) == ([], [])
    assert document(root, "stream") == document(finished["stream"].root, "stream")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_what_is_finished_is_read_where_nothing_can_be_written(
    name: str, finished: dict[str, Finished], tmp_path: Path
) -> None:
    experiment, ear = finished[name], Ear()
    root = experiment.copy(tmp_path)
    with read_only(root):
        record = experiment.do(Workspace(root), ear)
    assert (ear.said, ear.fits) == ([READ_ONLY], [])
    assert report_on(name, record, Workspace(root)).as_json() == document(root, name)
    record_file = next(root.glob(f"experiments/{name}/[!.]*.json"))
    record_file.unlink()
    with read_only(root), pytest.raises(UnwritableError, match="cannot write"):
        experiment.do(Workspace(root), ear)


def test_what_a_killed_run_left_is_swept_by_the_next_one(finished: dict[str, Finished], tmp_path: Path) -> None:
    root = finished["stream"].copy(tmp_path)
    assert not list(_leftovers(Workspace(root)))
    step = next((root / "steps").iterdir())
    leftovers = [step.with_name(f".{step.name}.0123456789ab"), step / "state" / ".body.0123456789ab"]
    leftovers += [root / "adapters" / ".animals-lora.0123456789ab", root / "trials" / ".key.0123456789ab"]
    for path in leftovers:
        path.mkdir(parents=True)
        (path / "model.safetensors").write_bytes(b"x" * 100_000)
        path.with_name(f"{path.name}.lock").touch()
    (finding,) = _leftovers(Workspace(Path(shutil.copytree(root, tmp_path / "doctor"))))
    assert finding.detail == "0.4 MB that killed runs had left half-written"
    finished["stream"].do(Workspace(root), Ear())
    assert not [path for path in root.rglob(".*") if path.name != ".lock"]

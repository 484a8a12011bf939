"""`workbench tasks update`, `history` and `diff`, and what adapters of an earlier version find."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from adapter_workbench.experiments.answers.adapter_task import adapter_task, same_task
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.studies.compositions.record import results_in
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.methods.sampling import draw
from tests.conftest import Call

ROWS = [f"{animal} number {number},{team}" for number in range(30) for animal, team in (("cat", "a"), ("dog", "b"))]


@pytest.fixture
def tickets(tmp_path: Path) -> Callable[..., str]:
    """Write the task `tickets` of 60 rows; write rows of an update, and return their file."""
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "tickets.yaml").write_text("description: d\nfiles: {data: ../all.csv}\ncolumns: {text: text}\n")
    (tmp_path / "all.csv").write_text("\n".join(["text,label", *ROWS]) + "\n")

    def write(*rows: str, header: str = "text,label") -> str:
        (tmp_path / "more.csv").write_text("\n".join([header, *rows]) + "\n")
        return "more.csv"

    write(*(f"bird number {number},a" for number in range(20)))
    return write


@pytest.mark.usefixtures("tickets")
def test_a_task_is_updated_and_compared(call: Call) -> None:
    code, out, _ = call("tasks", "update", "tickets", "--from", "more.csv", "--dry-run")
    assert (code, "Nothing was written" in out) == (0, True)
    code, out, _ = call("tasks", "update", "tickets", "--from", "more.csv", "--note", "birds", "--json")
    made = json.loads(out)
    assert (code, made["version"], made["before"], made["first"]) == (0, 2, 1, True)
    assert sum(made["rows"]["new"].values()) == 20
    assert Path(made["path"]).is_dir()
    code, out, _ = call("tasks", "update", "tickets", "--from", "more.csv")
    assert (code, "Nothing changes: tickets@2" in out) == (0, True)
    code, _, err = call("tasks", "new", "tickets", "--from", "all.csv", "--force", "--yes")
    assert (code, "'tickets' has versions" in err) == (2, True), "its file would not be read"
    entries = json.loads(call("tasks", "history", "tickets", "--json")[1])
    assert [(entry["version"], entry["how"], entry["note"]) for entry in entries] == [
        (1, "kept", ""),
        (2, "append", "birds"),
    ]
    assert "20 new" in call("tasks", "history", "tickets")[1]
    found = json.loads(call("tasks", "diff", "tickets@1", "tickets@2", "--json")[1])
    assert sum(found["rows"]["new"].values()) == 20
    shares = {entry["label"]: entry["share"] for entry in found["labels"]}
    assert shares == {"a": {"before": 0.5, "after": 50 / 80}, "b": {"before": 0.5, "after": 30 / 80}}
    assert found["characters"]["new"] == {"mean": 13.5, "median": 13.5}, "bird number N has 13 or 14 characters"
    code, out, _ = call("tasks", "diff", "tickets@1")
    assert (code, "62.5%" in out) == (0, True)
    checked = json.loads(call("tasks", "check", "tickets@1", "--json")[1])
    assert sum(split["examples"] for split in checked["splits"].values()) == 60


def test_an_update_of_labels_is_made_once(call: Call, tickets: Callable[..., str], tmp_path: Path) -> None:
    """The command may have been killed after its last write; two names that change places would do it again."""
    tickets(*(f"bird number {number},c" for number in range(20)))
    (tmp_path / "changes.yaml").write_text("add: [c]\nrename: {a: b, b: a}\n")
    update = ["tasks", "update", "tickets", "--from", "more.csv", "--labels", "changes.yaml", "--json"]
    assert json.loads(call(*update)[1])["labels"]["after"] == ["b", "a", "c"]
    (tmp_path / "swap.yaml").write_text("rename: {a: b, b: a}\n")
    assert json.loads(call(*update[:3], *update[5:6], "swap.yaml", "--json")[1])["labels"]["after"] == ["a", "b", "c"]
    code, out, _ = call(*update[:3], *update[5:6], "swap.yaml", "--json")
    assert (code, json.loads(out)["unchanged"], json.loads(out)["version"]) == (0, True, 3)
    tickets("fish,b")
    made = json.loads(call(*update[:6], "swap.yaml", "--json")[1])
    assert (made["version"], made["labels"]["after"]) == (4, ["b", "a", "c"]), "other rows: another update"


def test_an_adapter_finds_the_version_that_it_was_trained_on(
    call: Call, tickets: Callable[..., str], bert: Path, tmp_path: Path
) -> None:
    budget = ["--set", "budget={epochs: 1, max_length: 16, precision: fp32}"]
    train = ["--method", "head", "--backbone", str(bert), *budget, "--workspace", "space", "--json"]
    code, out, err = call("train", "tickets", *train)
    assert code == 0, err
    first = json.loads(out)["adapter"]
    assert call("tasks", "update", "tickets", "--from", "more.csv")[0] == 0
    killed = tmp_path / "space" / "adapters" / f".{first}.0123456789ab"
    killed.mkdir()
    killed.with_name(f"{killed.name}.lock").touch()
    assert json.loads(call("train", "tickets@1", *train)[1])["adapter"] == first, "the same data, the same adapter"
    assert not killed.exists(), "what a killed training left half-written"
    second = json.loads(call("train", "tickets", *train)[1])["adapter"]
    assert second != first
    store, folders = Workspace(tmp_path / "space").adapters, [tmp_path / "tasks"]
    for adapter, version in ((first, "tickets@1"), (second, "tickets@2")):
        data = registry.load(registry.find(version, folders)).fingerprint
        task = same_task(store.get(adapter), registry.finder(folders))
        assert task is not None
        assert (task.fingerprint, task.name) == (data, "tickets")
        assert adapter_task(store.get(adapter), folders, "", "").fingerprint == data


def test_adapters_of_two_versions_are_fused_each_with_its_own_data(
    call: Call, tickets: Callable[..., str], bert: Path, tmp_path: Path
) -> None:
    """Whoever reads their tasks gets both: shuffled sources, LoRA retrieval, and the test of what is retained."""
    budget = ["--set", "budget={epochs: 1, max_length: 16, precision: fp32}", "--workspace", "space", "--json"]
    train = ["train", "tickets", "--method", "lora", "--backbone", str(bert), *budget]
    ids = [json.loads(call(*train)[1])["adapter"]]
    assert call("tasks", "update", "tickets", "--from", "more.csv")[0] == 0
    ids.append(json.loads(call(*train)[1])["adapter"])
    target = (tmp_path / "tasks" / "tickets.yaml").read_text(encoding="utf-8").replace("all.csv", "target.csv")
    (tmp_path / "tasks" / "teams.yaml").write_text(target, encoding="utf-8")
    (tmp_path / "target.csv").write_text("\n".join(["text,label", *ROWS]).replace("number", "no") + "\n")

    bench = Workbench(tmp_path / "space", [tmp_path / "tasks"])
    few = {"assignments": ["budget.epochs=1", "budget.max_length=16", "budget.precision=fp32"], "full": False}
    for order in (ids, ids[::-1]):
        adapters = [bench.workspace.adapters.get(name) for name in order]
        data = [adapter.manifest.task.fingerprint for adapter in adapters]
        assert data[0] != data[1]
        plan = bench.fusion_plan("teams", ",".join(order), "sum", 8, controls=["shuffled"], **few)
        for adapter, twin in zip(adapters, plan.shuffled[0, "lora"], strict=True):
            own = adapter_task(adapter, bench.task_folders, "", "")
            shown = draw(twin.task, twin.budget, twin.seed)
            assert sorted(shown.splits["train"]["text"]) == sorted(own.splits["train"]["text"])
        assert [task.fingerprint for task in plan.source_tasks.values()] == data
        bench.fusion_plan("teams", ",".join(order), "task-retrieval", 8, **few)
    report = bench.fuse(bench.fusion_plan("teams", ",".join(ids), "sum", 8, **few)).report
    (cell,) = (cell for cell in report.record.cells if cell.label == "sum")
    assert [kept.source for kept in results_in(bench.workspace).get(cell.key).retained] == ids


def test_a_champion_of_an_earlier_version_is_scored_on_the_examples_of_the_newest(
    call: Call, tickets: Callable[..., str], bert: Path
) -> None:
    budget = ["--set", "budget={epochs: 1, max_length: 16, precision: fp32}", "--workspace", "space", "--json"]
    add = ["add", "tickets", "--method", "head", "--backbone", str(bert), *budget]
    code, out, err = call(*add)
    assert code == 0, err
    first = json.loads(out)["adapter"]
    tickets(*(f"bird number {number},{'ab'[number % 2]}" for number in range(200)))
    assert call("tasks", "update", "tickets", "--from", "more.csv")[0] == 0
    code, out, _ = call(*add)
    document = json.loads(out)
    check = next(check for check in document["gate"]["bounds"] if check["what"] == "not below the champion")
    task = registry.load(registry.find("tickets", [Path("tasks")]))
    rows = task.splits["validation"]
    lines = [f"{row['text']},{task.labels[row['label']]}" for row in rows]
    tickets(*lines)
    scored = json.loads(call("evaluate", first, "--file", "more.csv", "--workspace", "space", "--json")[1])
    own = json.loads(call("evaluate", document["adapter"], "--file", "more.csv", "--workspace", "space", "--json")[1])
    above = own["scores"]["accuracy"]["mean"] - scored["scores"]["accuracy"]["mean"]
    assert check["found"] == pytest.approx(100 * above)
    assert (code, document["gate"]["passed"]) in {(0, True), (3, False)}
    decision = (document["registered"] or {}).get("decision")
    if decision is None:  # the gate did not pass
        decision = call("adapters", "register", document["adapter"], "--workspace", "space")[1]
    assert f"on {len(rows)} validation rows whose label both know" in " ".join(decision.split())


def test_two_versions_are_one_task_of_a_stream(call: Call, recipe: Path) -> None:
    recipe.write_text(recipe.read_text().replace("[animals,", "[animals@1, animals,"))
    code, _, err = call("run", str(recipe), "--tasks", str(recipe.parent / "tasks"))
    assert (code, "'animals' comes more than once" in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["update", "tickets"], "--from FILE"),
        (["update", "tickets", "--replace"], "--replace needs --from"),
        (["update", "ticket", "--from", "more.csv"], "Did you mean tickets"),
        (["update", "tickets@1", "--from", "more.csv"], "begins at the newest"),
        (["update", "tickets", "--from", "nothing.csv"], "nothing.csv"),
        (["update", "tickets", "--from", "columns.csv"], "no column 'text'"),
        (["update", "tickets", "--from", "labels.csv"], "'refund' (1 rows)"),
        (["update", "tickets", "--labels", "changes.yaml"], "changes.yaml, line 1"),
        (["history", "ticket"], "Did you mean tickets"),
        (["history", "tickets@1"], "names a version"),
        (["diff", "tickets@1"], "one version"),
        (["diff", "tickets@1", "tickets@9"], "no version called 'tickets@9'"),
        (["diff", "tickets@1", "ag-news"], "two tasks"),
        (["show", "tickets@9"], "no version called 'tickets@9'"),
    ],
)
def test_mistakes_are_one_message_and_change_nothing(
    call: Call, tickets: Callable[..., str], tmp_path: Path, arguments: list[str], named: str
) -> None:
    (tmp_path / "columns.csv").write_text("body,team\nx,a\ny,b\n")
    (tmp_path / "labels.csv").write_text("text,label\nx,a\ny,refund\n")
    (tmp_path / "changes.yaml").write_text("rename: {c: d}\n")
    before = sorted(tmp_path.rglob("*"))
    code, out, err = call("tasks", *arguments)
    assert (code, out) == (2, "")
    assert named in err
    assert "Traceback" not in err
    assert sorted(tmp_path.rglob("*")) == before

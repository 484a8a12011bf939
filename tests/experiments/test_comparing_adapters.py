"""`workbench adapters compare`: adapters of two versions of a task, whose labels were renamed, merged and added."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.gating.candidate.judged_rows import judged_rows, logits_of
from adapter_workbench.experiments.gating.candidate.present import present
from adapter_workbench.experiments.gating.candidate.tracking import EXPERIMENT
from adapter_workbench.experiments.gating.candidate.versions import VersionPair, between, version_pair
from adapter_workbench.experiments.reporting.files import files
from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.updating.update import UpdateRequest, update
from adapter_workbench.workbench.answering.evaluation import predict
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.stored_model import backbone_of, open_adapter
from adapter_workbench.workbench.mlflow.address import tracking_uri
from adapter_workbench.workbench.mlflow.tracker import Tracker
from adapter_workbench.workbench.settings.base import Document
from tests.conftest import FILLERS, FRUITS, SUBJECTS, Call
from tests.damage import flip

LENGTH = 16
BUDGET = {"epochs": 2, "batch_size": 8, "max_length": LENGTH, "precision": "fp32"}
NOUNS = {"bird": SUBJECTS[:3], "cow": SUBJECTS[3:6], "fruit": FRUITS, "tool": ["axe", "saw", "nail"]}
HOSTILE = "<script>alert(1)</script>"
CHANGES = {"add": ["tool"], "rename": {"fruit": "fresh fruit"}, "merge": {"animal": ["bird", "cow"]}}
KEYS = {
    "task",
    "versions",
    "champion",
    "candidate",
    "metric",
    "margin",
    "verdict",
    "groups",
    "labels",
    "flips",
    "calibration",
    "cost",
    "relabelled",
    "answers_without_a_label",
    "gate",
}


def table(*labels: str, first: int = 0, times: int = 40) -> pd.DataFrame:
    """Return rows in which the noun says everything; with another ``first`` they are others."""
    texts = [
        (f"{FILLERS[n % len(FILLERS)]} {NOUNS[label][n % len(NOUNS[label])]} {HOSTILE} {n}", label)
        for n in range(first, first + times)
        for label in labels
    ]
    return pd.DataFrame(texts, columns=["text", "label"])


def keys_in(document: Any) -> set[str]:
    """Return all keys of a JSON document but those that are names of somebody's labels, and those of its gate."""
    if isinstance(document, list):
        return {key for part in document for key in keys_in(part)}
    if not isinstance(document, dict):
        return set()
    inside = {key for name, part in document.items() if name != "gate" for key in keys_in(part)}
    return inside | {name for name in document if not name.startswith("label:")}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, bert: Path) -> tuple[Path, tuple[str, ...]]:
    """The folder of a workspace, and ids: two adapters of version 1, one of version 2, one of another task."""
    root = tmp_path_factory.mktemp("compared")
    folder = root / "tasks"
    folder.mkdir()
    bench = Workbench(root / ".workbench", [folder])

    def learned(task: str, rate: float, **budget: int) -> str:
        lesson = bench.lesson(task, "lora", str(bert), 0, learning_rate=rate, budget=BUDGET | budget)
        return bench.workspace.trained_adapter(lesson, Silent(), "").id

    table("bird", "cow", "fruit").to_csv(folder / "nouns.csv", index=False)
    for name in ("nouns", "others"):
        (folder / f"{name}.yaml").write_text(
            "description: d\nfiles: {data: nouns.csv}\ncolumns: {text: text, label: label}\n"
        )
    first, second, other = learned("nouns", 0.02), learned("nouns", 0.03), learned("others", 0.02, epochs=1)
    more = pd.concat([table("bird", "fruit", first=100, times=20), table("tool", first=200, times=60)])
    more.to_csv(root / "more.csv", index=False)
    update("nouns", [folder], folder, UpdateRequest(str(root / "more.csv"), labels=Document(CHANGES, "changes.yaml")))
    return root, (first, second, learned("nouns", 0.02), other)


@pytest.fixture
def bench(made: tuple[Path, tuple[str, ...]], tmp_path: Path) -> Workbench:
    """The same in the folder that commands run in."""
    shutil.copytree(made[0], tmp_path, dirs_exist_ok=True)
    return Workbench(tmp_path / ".workbench", [tmp_path / "tasks"])


@pytest.fixture
def ids(made: tuple[Path, tuple[str, ...]]) -> tuple[str, ...]:
    return made[1]


def test_scores_are_those_of_what_both_adapters_predict(bench: Workbench, ids: tuple[str, ...], call: Call) -> None:
    """Expected: shares counted here over what `predict` answers to the test rows of the newest version."""
    code, out, err = call("adapters", "compare", ids[0], ids[2], "--json")
    assert code == 0, err
    document = json.loads(out)
    assert {*document} == KEYS
    page = (
        (Path(__file__).parents[2] / "docs/reference/update-report.md")
        .read_text(encoding="utf-8")
        .partition("## JSON")[2]
    )
    assert [key for key in keys_in(document) if f"`{key}`" not in page] == [], "the page says what each key has"
    assert document["versions"] == {"champion": "nouns@1", "candidate": "nouns@2"}
    task = registry.load(registry.find("nouns", bench.task_folders))
    rows = task.splits["test"]
    gold = [task.labels[label] for label in rows["label"]]
    assert {*task.labels} == {"animal", "fresh fruit", "tool"}
    stored = bench.workspace.adapters.get(ids[0])
    backbone = backbone_of(stored)
    logits = predict(open_adapter(stored, backbone), rows, backbone.tokenizer, LENGTH)
    powers = dict(zip(stored.manifest.task.labels, np.exp(logits.astype(float)).T, strict=True))
    sums = {"animal": powers["bird"] + powers["cow"], "fresh fruit": powers["fruit"]}
    said = [max(sums, key=lambda name: sums[name][index]) for index in range(len(rows))]
    candidate = [answer.label for answer in bench.predict(ids[2], rows["text"])]
    known = [label != "tool" for label in gold]
    right = [mine == label for mine, label in zip(candidate, gold, strict=True)]
    groups = document["groups"]
    assert groups["all_rows"]["candidate_on_all"]["mean"] == pytest.approx(sum(right) / len(gold))
    ours = [hit for hit, is_known in zip(right, known, strict=True) if is_known]
    assert groups["old_labels"]["candidate"]["mean"] == pytest.approx(sum(ours) / len(ours))
    assert groups["label:tool"]["champion"] is None
    assert groups["label:tool"]["rows"] == gold.count("tool")
    theirs = [mine == label for mine, label in zip(said, gold, strict=True) if label != "tool"]
    assert groups["old_labels"]["champion"]["mean"] == pytest.approx(sum(theirs) / len(theirs))
    earlier = registry.load(registry.find("nouns@1", bench.task_folders)).splits["test"]
    assert groups["old_rows"]["rows"] == len({*earlier["text"]} & {*rows["text"]}) == len(earlier)
    flips = document["flips"]
    lost = groups["old_rows"]["champion"]["mean"] - groups["old_rows"]["candidate"]["mean"]
    assert (flips["lost_on_old"] - flips["won_on_old"]) / flips["old_rows"] == pytest.approx(lost)
    assert len(flips["won"]["ids"]) == sum(label["won"] or 0 for label in document["labels"])


def test_two_adapters_of_one_version_have_old_rows_alone(bench: Workbench, ids: tuple[str, ...]) -> None:
    report = bench.release.compare(ids[0], ids[1])
    assert [group.name for group in report.groups] == ["old_rows", "old_labels", "all_rows"]
    assert report.versions == ("nouns@1", "nouns@1")
    tested = [bench.exchange.test(adapter, "nouns@1").test for adapter in ids[:2]]
    scores = [dict(entries)["accuracy"] for entries in tested]
    (old, *_) = report.groups
    assert [of and of.mean for of in (old.champion, old.candidate)] == pytest.approx(scores)


def test_damaged_answers_are_asked_again_once(
    bench: Workbench, ids: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def seen(stored: Any, *rest: Any) -> Any:
        asked.append(stored.id)
        return logits_of(stored, *rest)

    first = bench.release.compare(ids[0], ids[1])
    flip(next(bench.workspace.evaluations.root.iterdir()) / "outcomes.parquet")
    monkeypatch.setattr("adapter_workbench.experiments.gating.candidate.judged_rows.logits_of", seen)
    for _ in range(2):
        assert Workbench(bench.workspace.root, bench.task_folders).release.compare(ids[0], ids[1]) == first
        assert len(asked) == 1, "what was damaged is replaced"


def test_a_broken_bound_has_code_3_and_says_the_figures_in_one_sentence(
    bench: Workbench, ids: tuple[str, ...], call: Call
) -> None:
    """With a bound of 0 any right answer that is lost breaks it, in either direction of the two adapters."""
    compared = [bench.release.compare(first, second) for first, second in ((ids[0], ids[1]), (ids[1], ids[0]))]
    rows = judged_rows(*(bench.workspace.adapters.get(name) for name in ids[:2]), _pair(bench, ids), ("validation",))
    lost, won = rows["validation"].lost.mean(), rows["validation"].won.mean()
    assert lost + won > 0, "the two differ, so that the test can fail"
    for report, share in zip(compared, (lost, won), strict=True):
        code, out, err = call("adapters", "compare", report.champion, report.candidate, "--max-flips", "0", "--json")
        gate = json.loads(out)["gate"]
        assert (code, gate["passed"]) == ((3, False) if share else (0, True))
        assert gate["bounds"][0]["found"] == pytest.approx(100 * share)
        assert (f"negative flips on old rows, percent: {100 * share:.2f}, at most 0.00 asked (" in err) is (code == 3)


def _pair(bench: Workbench, ids: tuple[str, ...]) -> VersionPair:
    store = bench.workspace.adapters
    return version_pair(store.get(ids[0]), store.get(ids[1]), bench.task_folders)


def test_the_page_escapes_texts_and_one_run_holds_it(bench: Workbench, ids: tuple[str, ...], call: Call) -> None:
    code, out, err = call("adapters", "compare", ids[0], ids[2], "--html", "page.html", "--log", "--max-flips", "100")
    assert code == 0, err
    assert "Written: page.html" in out
    page = Path("page.html").read_text(encoding="utf-8")
    assert HOSTILE not in page
    assert "alert(1)" in page, "the changed answers are shown with their texts"
    code, _, err = call("adapters", "compare", ids[0], ids[2], "--html", "page.html")
    assert (code, "page.html" in err) == (2, True)
    client: Any = Tracker(tracking_uri(bench.workspace.root))._client
    experiment = client.get_experiment_by_name(EXPERIMENT)
    (run,) = client.search_runs([experiment.experiment_id])
    report = bench.release.compare(ids[0], ids[2])
    assert run.data.metrics["negative_flip_rate"] == pytest.approx(report.flips.negative_rate)
    assert run.data.metrics["label/tool/candidate"] == pytest.approx(
        next(
            group.candidate_on_all.mean
            for group in report.groups
            if group.name == "label:tool" and group.candidate_on_all
        )
    )
    assert "label/tool/champion" not in run.data.metrics, "what was not measured is not 0"
    assert run.data.tags["candidate"] == ids[2]
    assert "report" in {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    assert {"report.html", "report.json"} == {*files(present(report))}


@pytest.mark.usefixtures("bench")
def test_mistakes_are_one_message(ids: tuple[str, ...], call: Call) -> None:
    for first, second, options, named_in in (
        (2, 0, [], "later version"),
        (2, 2, [], "same adapter twice"),
        (0, 3, [], "of one task"),
        (0, 2, ["--max-flips", "-1"], "between 0 and 100"),
        (0, 2, ["--min-new-label", "0.5"], "looks like a share"),
        (0, 1, ["--min-new-label", "50"], "none is new"),
        (0, 2, ["--html", "no/such/folder/page.html"], "page.html"),
        (0, 2, ["--overwrite"], "--overwrite needs a file"),
    ):
        code, out, err = call("adapters", "compare", ids[first], ids[second], *options)
        assert (code, out, named_in in err) == (2, "", True), err


def test_training_rows_of_the_earlier_version_are_not_read(bench: Workbench, ids: tuple[str, ...]) -> None:
    store = bench.workspace.adapters
    (bench.task_folders[0] / "nouns.versions/1/train.parquet").unlink()
    pair = version_pair(store.get(ids[0]), store.get(ids[2]), bench.task_folders)
    assert pair.old_rows
    assert pair.labels.later("bird") == ("animal",)
    (bench.task_folders[0] / "nouns.versions/1/test.parquet").write_bytes(b"damaged")
    with pytest.raises(Exception, match=r"test\.parquet"):
        version_pair(store.get(ids[0]), store.get(ids[2]), bench.task_folders)


def test_old_rows_have_their_text_and_are_counted_where_their_label_was_corrected(bench: Workbench) -> None:
    folders = bench.task_folders
    task = registry.load(registry.find("nouns", folders))
    earlier = {*registry.load(registry.find("nouns@1", folders)).splits["test"]["id"]}
    row = next(row for row in task.splits["test"] if row["id"] in earlier and task.labels[row["label"]] == "animal")
    correction = pd.DataFrame([(row["text"], "tool"), (row["text"] + " indeed", "animal")], columns=["text", "label"])
    file = folders[0].parent / "correction.csv"
    correction.to_csv(file, index=False)
    update("nouns", folders, folders[0], UpdateRequest(str(file)))
    specs = registry.versions("nouns", folders)
    newest = registry.load(specs[3])
    pair = between(newest, specs, 1, 3)
    assert pair.relabelled == {row["id"]}
    assert pair.old("test").sum() == len(earlier), "a corrected row is an old row"
    assert pair.names == ("nouns@1", "nouns@3")
    assert pair.labels.later("cow") == ("animal",)
    assert [pair.labels.labels[label] for label in pair.unknown] == ["tool"]
    assert [
        row for row, old in zip(newest.splits["test"]["text"], pair.old("test"), strict=True) if "indeed" in row and old
    ] == []

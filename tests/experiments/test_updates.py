"""`workbench update`: from the champion of an earlier version of a task to an adapter of the newest."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.gating.adapter_bounds import AdapterBounds
from adapter_workbench.experiments.gating.adding import check_others
from adapter_workbench.experiments.gating.candidate import comparing
from adapter_workbench.experiments.gating.candidate.bounds import CandidateBounds
from adapter_workbench.experiments.gating.candidate.versions import VersionPair, between
from adapter_workbench.experiments.gating.takeover import BESIDE
from adapter_workbench.tasks.updating.update import UpdateRequest, update
from tests.conftest import FILLERS, FRUITS, SUBJECTS, Call

RATE = "learning_rate=0.02"
SETTINGS = [RATE, "budget.epochs=2", "budget.batch_size=8", "budget.max_length=16", "budget.precision=fp32"]
SET = [part for setting in SETTINGS for part in ("--set", setting)]
FURNITURE = "chair table lamp shelf sofa stool desk bench".split()
LABELS = {"animal": SUBJECTS, "fruit": FRUITS, "furniture": FURNITURE}


def rows(*labels: str, first: int = 0, times: int = 12) -> pd.DataFrame:
    """Return rows in which the noun says everything; with another ``first`` they are others."""
    numbers = range(first, first + times * 8)
    texts = [(f"{FILLERS[n % len(FILLERS)]} {LABELS[label][n % 8]} {n}", label) for n in numbers for label in labels]
    return pd.DataFrame(texts, columns=["text", "label"])


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, bert: Path) -> Path:
    """A folder with a task of two versions, and a champion of the first."""
    folder = tmp_path_factory.mktemp("begun")
    tasks = folder / "tasks"
    tasks.mkdir()
    rows("animal", "fruit").to_csv(tasks / "nouns.csv", index=False)
    text = "description: Nouns.\nfiles: {data: nouns.csv}\ncolumns: {text: text, label: label}\n"
    (tasks / "nouns.yaml").write_text(text, encoding="utf-8")
    bench = Workbench(folder / ".workbench", [tasks])
    bench.release.add(bench.lesson_from("nouns", "lora", str(bert), 0, SETTINGS), AdapterBounds(below_champion=0.0))
    rows("animal", "fruit", first=1000, times=2).to_csv(folder / "more.csv", index=False)
    update("nouns", [tasks], tasks, UpdateRequest(str(folder / "more.csv")))
    return folder


@pytest.fixture
def bench(begun: Path, tmp_path: Path, call: Call) -> Workbench:
    """A copy of it, in which commands run."""
    shutil.copytree(begun, tmp_path, dirs_exist_ok=True)
    return Workbench(tmp_path / ".workbench", [tmp_path / "tasks"])


def test_champion_goes_on_and_the_next_version_is_registered(bench: Workbench, call: Call) -> None:
    champion, plan = bench.chosen("nouns"), bench.update_plan("nouns", "continue")
    code, out, err = call("update", "nouns", "--how", "continue", "--accept-loss", "--json")
    assert code == 0, err
    document = json.loads(out)
    facts = [document[name] for name in ("task", "from", "to", "champion", "way")]
    assert facts == ["nouns", 1, 2, champion, "continue"]
    assert document["registered"]["version"] == "2"
    manifest = bench.workspace.adapters.get(document["adapter"]).manifest
    assert manifest.parents == (champion,)
    assert manifest.update is not None
    assert (manifest.update.way, manifest.update.champion) == ("continue", champion)
    task = plan.lesson.task
    assert len(plan.lesson.new_rows) < len(task.splits["train"]) / 2
    assert manifest.own_fit.steps == plan.lesson.budget.updates(len(task.splits["train"])), "as many as anew takes"
    others = next(check for check in document["gate"]["bounds"] if check["what"] == "other adapters as they were")
    assert others["note"] == f"1 verified, the champion {champion} among them"
    adapters = bench.workspace.adapters.ids()
    code, out, err = call("update", "nouns", "--how", "continue", "--accept-loss", "--json")
    assert code == 0, "the command may have been killed at any moment, also when the new champion answered already"
    again = json.loads(out)
    assert [again[name] for name in ("adapter", "champion", "answering")] == [
        document[name] for name in ("adapter", "champion", "answering")
    ]
    assert bench.workspace.adapters.ids() == adapters
    if document["answering"] == champion:
        bench.release.promote("nouns", document["adapter"], accepted=True)
    code, _, err = call("update", "nouns", "--how", "replay", "--margin", "100")
    assert (code, "is of nouns@2 already" in err) == (2, True), "another way would be another update"


def test_stricter_bounds_do_not_call_the_new_champion_refused(bench: Workbench, call: Call) -> None:
    """It passed, and is champion: the old one does not stay it, and nobody is told to delete what answers."""
    before = bench.chosen("nouns")
    update = ["update", "nouns", "--how", "anew", "--accept-loss", "--set", "learning_rate=1e-9"]
    code, out, err = call(*update, "--json")
    assert code == 0, err
    made = json.loads(out)["adapter"]
    assert bench.chosen("nouns") == made != before
    code, out, err = call(*update, "--min-score", "99")
    assert (code, bench.chosen("nouns")) == (3, made), err
    told = " ".join(err.split())
    assert f"{made} is the champion of nouns.lora already. To take it back: `workbench adapters rollback" in told
    assert f"{made} stays champion: validation accuracy" in told
    assert [word for word in ("adapters remove", "Until then", f"{before} stays") if word in told] == []
    assert call("adapters", "rollback", "nouns.lora")[0] == 0
    assert bench.chosen("nouns") == before


def test_an_update_reads_the_two_versions_once(bench: Workbench, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = []

    def seen(*given: Any) -> VersionPair:
        pairs.append(between(*given))
        return pairs[-1]

    monkeypatch.setattr("adapter_workbench.experiments.gating.candidate.versions.between", seen)
    code, out, err = call("update", "nouns", "--how", "continue", "--accept-loss", "--json")
    assert code == 0, err
    (check,) = [check for check in json.loads(out)["gate"]["bounds"] if check["what"] == BESIDE]
    assert "validation rows whose label both know" in check["note"]
    assert [pair.names for pair in pairs] == [("nouns@1", "nouns@2")]


def test_anew_is_what_train_gives(bench: Workbench, call: Call, bert: Path) -> None:
    plan = bench.update_plan("nouns", "anew")
    lesson = bench.lesson_from("nouns", "lora", str(bert), 0, SETTINGS)
    assert (plan.lesson.key, plan.lesson.adapter_id) == (lesson.key, lesson.adapter_id)
    assert bench.update_plan("nouns", "continue").lesson.key != lesson.key


def test_a_broken_bound_leaves_the_champion_and_says_why_in_one_sentence(bench: Workbench, call: Call) -> None:
    """What was hardly trained loses right answers; without the bound the same adapter is registered."""
    champion = bench.chosen("nouns")
    hardly = ["update", "nouns", "--how", "anew", "--accept-loss", "--set", "learning_rate=1e-9"]
    assert call(*hardly, "--min-new-label", "50", "--dry-run")[0] == 0, "nothing is measured in a dry run"
    code, _, err = call(*hardly, "--min-new-label", "50")
    assert (code, "none is new" in err, bench.workspace.adapters.ids()) == (2, True, [champion])
    code, out, err = call(*hardly, "--max-lost-on-old", "100", "--max-flips", "0", "--html", "page.html")
    (made,) = {*bench.workspace.adapters.ids()} - {champion}
    report = bench.release.compare(champion, made, CandidateBounds(100, 0))
    assert report.refusal
    assert (code, bench.chosen("nouns")) == (3, champion)
    assert f"nouns: {champion} stays champion: {report.refusal}\n" in err
    assert report.verdict.partition(":")[0] in out
    assert "negative flips on old rows, percent" in Path("page.html").read_text(encoding="utf-8")
    code, out, err = call(*hardly, "--json")
    assert code == 0, err
    document = json.loads(out)["report"]
    assert (document["candidate"], document["champion"]) == (made, champion)
    assert document["groups"] == report.as_json()["groups"]
    assert len(document["gate"]["bounds"]) > 2, "all bounds, those on the data too"


def test_a_champion_that_came_meanwhile_was_not_compared(
    bench: Workbench, bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two updates at once are both held against one champion: the second does not follow the first unseen."""
    compare, became = comparing.compare_candidate, []

    def slow(*given: Any) -> Any:
        lesson = bench.lesson_from("nouns", "lora", str(bert), 1, SETTINGS)
        added = bench.release.add(lesson, AdapterBounds())
        assert added.registered
        if not added.registered.champion:
            bench.release.promote("nouns", added.registered.version, accepted=True)
        became.append(added.registered.version)
        return compare(*given)

    monkeypatch.setattr(comparing, "compare_candidate", slow)
    added = bench.release.update(bench.update_plan("nouns", "continue"), AdapterBounds()).added
    (broken,) = [check for check in added.gate.checks if not check.holds]
    assert (broken.what, added.registered) == ("compared with the champion", None)
    assert f"version {became[0]} (" in broken.note
    known = bench.workspace.champions.names()["nouns.lora"]
    assert (known.champion and known.champion.number, len(known.versions)) == (became[0], 2)


def test_a_champion_that_is_another_one_after_the_update_breaks_the_gate(bench: Workbench) -> None:
    """Its files may be whole, and its answers others: somebody wrote another adapter under its id meanwhile."""
    store = bench.workspace.adapters
    champion = store.verify(bench.chosen("nouns"))
    (check,) = check_others(store, "another", champion)
    assert (check.holds, check.value) == (True, 100.0)
    other = replace(champion, manifest=champion.manifest.model_copy(update={"precision": "bf16"}))
    (check,) = check_others(store, "another", other)
    assert (check.holds, check.note) == (False, f"damaged: {champion.id}")
    shutil.rmtree(champion.folder)
    (check,) = check_others(store, "another", champion)
    assert (check.holds, check.value, check.note) == (False, 0.0, f"damaged: {champion.id}")

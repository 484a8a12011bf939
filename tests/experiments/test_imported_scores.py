"""A stranger's scores are shown as the sender's, and count nowhere until the adapter was measured here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.studies.compositions.sources import candidates
from adapter_workbench.experiments.studies.compositions.trial import FewShot
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import Call
from tests.ear import Ear
from tests.messages import lacks
from tests.scored_adapters import BUDGET, ScoredAdapters


@pytest.fixture(scope="module")
def trained(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> ScoredAdapters:
    """Three adapters of one task, the best with 0.875."""
    return ScoredAdapters.made(tmp_path_factory.mktemp("own"), bert)


@pytest.fixture(scope="module")
def sent(trained: ScoredAdapters, bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a stranger sends: trained elsewhere on the same task, and said to be always right."""
    folder = tmp_path_factory.mktemp("theirs")
    theirs = trained.copied(folder)
    for adapter in theirs.ids.values():
        theirs.bench.workspace.adapters.remove(adapter)
    adapter = theirs.learn(str(bert), 7, 1.0)
    return theirs.bench.exchange.export(adapter, folder / "sent")


@pytest.fixture
def own(trained: ScoredAdapters, tmp_path: Path, call: Call) -> ScoredAdapters:
    """The workspace in the folder that commands run in."""
    return trained.copied(tmp_path)


@pytest.fixture
def stranger(own: ScoredAdapters, sent: Path, call: Call) -> str:
    """The id of what was sent, imported into the workspace."""
    code, out, err = call("adapters", "import", str(sent))
    assert (code, "are its sender's" in out) == (0, True), err
    return out.split()[1]


def meant(call: Call) -> tuple[str, str]:
    """Return which adapter the task's name means, and why."""
    code, out, err = call("predict", "animals", "the cat", "--json")
    assert code == 0, err
    return json.loads(out)[0]["adapter"], err


def listed(call: Call, adapter: str) -> dict[str, object]:
    (entry,) = [entry for entry in json.loads(call("adapters", "list", "--json")[1]) if entry["id"] == adapter]
    return dict(entry)


def test_a_stranger_s_claim_takes_over_nothing(own: ScoredAdapters, stranger: str, call: Call) -> None:
    adapter, why = meant(call)
    assert (adapter, "1 more came from elsewhere, and was not measured here" in why) == (own.ids[2], True)
    code, out, err = call("gate", stranger, "--min-score", "50", "--not-below-champion")
    assert (code, "adapters test" in err) == (3, True), err
    code, out, err = call("adapters", "register", stranger)
    text = " ".join(out.split())
    assert (code, lacks(text, "no champion", "version 1 ", "elsewhere") == []) == (0, True), err
    assert meant(call)[0] == own.ids[2], "registered, and no champion"
    assert (listed(call, stranger)["validation"], listed(call, stranger)["sender_validation"]) == (None, 1.0)
    assert "sender: 1.0000" in call("adapters", "list")[1]
    code, out, err = call("adapters", "show", stranger)
    assert ("sender's validation accuracy" in out, "workbench adapters test ID" in out) == (True, True)


def test_what_was_measured_here_counts(own: ScoredAdapters, stranger: str, call: Call) -> None:
    code, out, err = call("adapters", "test", stranger, "--json")
    assert code == 0, err
    document = json.loads(out)
    rows = own.bench.task_folders[0] / "animals-validation.csv"
    texts = [line.rsplit(",", 1) for line in rows.read_text(encoding="utf-8").splitlines()[1:]]
    answers = own.bench.predict(stranger, [text for text, _ in texts])
    right = sum(answer.label == label for answer, (_, label) in zip(answers, texts, strict=True)) / len(texts)
    assert document["metrics"]["validation_accuracy"] == pytest.approx(right)
    assert (document["sender_validation"], document["counts"]) == (1.0, True)
    assert listed(call, stranger)["validation"] == round(right, 4)
    code, out, err = call("gate", stranger, "--min-score", "0.0", "--json")
    assert (code, json.loads(out)["bounds"][0]["found"]) == (0, pytest.approx(100 * right)), err
    adapter, why = meant(call)
    assert (adapter == stranger) == (right > 0.875), "it is compared by what was measured"
    assert "best of 4 adapters on the same validation examples" in why
    own.bench.release.register(own.ids[0])
    registered = own.bench.release.register(stranger)
    better = right > 0.5 and "lower on test rows" not in registered.decision
    assert (registered.champion, f"version 2 has {100 * right:.1f} %" in registered.decision) == (better, True)


def test_a_test_on_another_task_is_shown_and_not_kept(own: ScoredAdapters, stranger: str, call: Call) -> None:
    folder = own.bench.task_folders[0]
    (folder / "more.yaml").write_text((folder / "animals.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    code, out, err = call("adapters", "test", stranger, "--task", "more")
    assert (code, "counts from now on" in out) == (0, False), err
    assert listed(call, stranger)["validation"] is None
    for table in folder.glob("fruits-*.csv"):
        table.write_text(table.read_text(encoding="utf-8").replace(",second", ",last"), encoding="utf-8")
    code, out, err = call("adapters", "test", stranger, "--task", "fruits")
    assert (code, out) == (2, "")
    assert lacks(err, "unknown to the task: second", "missing in the adapter: last") == []
    (folder / "animals.yaml").unlink()
    code, out, err = call("adapters", "test", stranger)
    assert (code, out, "--task names the one here" in err) == (2, "", True), err
    (folder / "animals.yaml").write_text((folder / "more.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    code, out, err = call("adapters", "test", own.ids[0])
    assert (code, "counts from now on" in out) == (0, False), "its own score counts already"


def test_auto_takes_no_stranger_before_it_was_measured(own: ScoredAdapters, sent: Path, bert: Path, call: Call) -> None:
    workspace, folders = own.bench.workspace, own.bench.task_folders
    budget = Budget(**BUDGET)  # type: ignore[arg-type]
    few_shot = FewShot(registry.load(registry.find("halves", folders)), open_backbone(str(bert)), "fp32", budget, 0)
    assert [adapter.id for adapter in candidates(workspace, "ties", few_shot)] == [own.ids[2]], "the best, as its name"
    own.bench.release.register(own.ids[0])
    assert [adapter.id for adapter in candidates(workspace, "ties", few_shot)] == [own.ids[0]], "the champion"
    for adapter in own.ids.values():
        workspace.adapters.remove(adapter)
    stranger = own.bench.exchange.import_adapter(sent, str(bert)).id
    assert candidates(workspace, "ties", few_shot) == ()
    own.bench.exchange.test(stranger)
    assert [adapter.id for adapter in candidates(workspace, "ties", few_shot)] == [stranger]


def test_what_this_workspace_sent_itself_stays_its_own(own: ScoredAdapters, call: Call, tmp_path: Path) -> None:
    best = own.ids[2]
    assert call("adapters", "export", best, "sent")[0] == 0
    code, out, err = call("adapters", "import", "sent")
    assert (code, "sender" in out) == (0, False), err
    assert listed(call, best)["validation"] == 0.875


def test_a_lesson_is_trained_here_though_a_stranger_s_adapter_has_its_id(
    own: ScoredAdapters, sent: Path, bert: Path
) -> None:
    bench: Workbench = own.bench
    lesson = bench.lesson("animals", "lora", str(bert), 7, learning_rate=0.02, budget=BUDGET)
    stranger = bench.exchange.import_adapter(sent)
    assert stranger.id == lesson.adapter_id
    heard = Ear()
    trained = bench.workspace.trained_adapter(lesson, heard, "")
    assert (trained.manifest.imported, trained.manifest.fit.validation < 1.0) == (None, True)
    assert "it came from elsewhere. It is trained here" in heard.said[0]
    assert bench.workspace.trained_adapter(lesson, Silent(), "") == trained

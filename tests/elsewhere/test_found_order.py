"""``--labels auto``: the order of labels that scores highest on validation rows, or a refusal; labels renamed since.

The rows of the task have the labels that the sender's model gives, so that the right order is known.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from itertools import permutations
from math import comb
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, TaskType
from transformers import AutoModelForSequenceClassification

from adapter_workbench.experiments.answers.found_order import LEVEL, Answers, best_orders, of_sets, of_words
from adapter_workbench.experiments.answers.renamed_labels import renamed_since, version_with
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.tasks.loading.registry import versions
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.files import checksummed
from bench.label_orders import setting
from tests.conftest import Call
from tests.elsewhere.senders import trained_by_peft
from tests.messages import lacks
from tests.tiny_models import FILLERS, FRUITS, SUBJECTS

NAMES = ("ham", "spam", "eggs")  # in the order of the task
HIDDEN = ("eggs", "ham", "spam")  # in the order of the outputs
TASK = """description: d
files: {train: train.csv, validation: validation.csv, test: test.csv}
columns: {text: text, label: label}
labels: [ham, spam, eggs]
"""


@pytest.fixture(scope="module")
def sent(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """A LoRA with a head of three outputs, each given about as often as the others, and what it gives to each text."""
    folder = tmp_path_factory.mktemp("sent") / "theirs"
    model = trained_by_peft(bert, LoraConfig(task_type=TaskType.SEQ_CLS, r=2, target_modules=["query"]), num_labels=3)
    words = [*SUBJECTS, *FRUITS]
    texts = [f"{first} {filler} {second}" for first in words for filler in FILLERS[:5] for second in words[:4]]
    batch = open_backbone(str(bert)).tokenizer(texts, padding=True, return_tensors="pt")
    bias = model.base_model.model.classifier.modules_to_save.default.bias
    with torch.no_grad():
        logits = model.eval()(**batch).logits
        logits -= logits.mean(dim=0)
        scale, offset = logits.std(), torch.zeros(3)
        for _ in range(300):
            shares = torch.bincount((logits + offset).argmax(dim=1), minlength=3) / len(texts)
            offset -= 0.1 * scale * (shares - 1 / 3)
        bias += offset - model(**batch).logits.mean(dim=0) + bias * 0
        given = model(**batch).logits.argmax(dim=1)
    assert torch.bincount(given, minlength=3).min() > 0.2 * len(texts)
    model.save_pretrained(folder)
    return folder, dict(zip(texts, given.tolist(), strict=True))


def write_task(folder: Path, given: dict[str, int], wrong: float = 0.0, rows: int = 60, without: str = "") -> None:
    """Write a task whose labels are the sender's answers under the hidden order; a share of them is drawn anew."""
    random, tasks = Random(0), folder / "tasks"
    tasks.mkdir(exist_ok=True)
    texts = [*given]
    random.shuffle(texts)
    parts = {"train": texts[:120], "validation": texts[120 : 120 + rows], "test": texts[-60:]}
    for split, members in parts.items():
        lines = ["text,label"]
        for text in members:
            label = random.choice(NAMES) if random.random() < wrong else HIDDEN[given[text]]
            label = NAMES[(NAMES.index(label) + 1) % 3] if split == "test" else label  # these would tell another order
            lines += [f"{text},{label}"] if split == "train" or label not in without.split() else []
        (tasks / f"{split}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tasks / "mails.yaml").write_text(TASK, encoding="utf-8")


def test_the_order_is_found_on_validation_rows(
    sent: tuple[Path, dict[str, int]], bert: Path, tmp_path: Path, call: Call
) -> None:
    folder, given = sent
    write_task(tmp_path, given, wrong=0.2)
    options = ("adapters", "import", str(folder), "--task", "mails", "--backbone", str(bert), "--max-length", "16")
    code, _, err = call(*options)
    assert (code, lacks(err, "does not name its 3 labels", "--labels auto")) == (2, [])
    code, out, err = call(*options, "--labels", "auto")
    assert code == 0, err
    line = "The order of its labels was found: eggs,ham,spam has"
    assert (
        lacks(" ".join(out.split()), line, "the next best,", "exact McNemar test on 60 validation rows of mails") == []
    )
    code, out, _ = call(*options, "--labels", "auto", "--json")
    document = json.loads(out)
    found = document["labels_found"]
    assert (found["order"], found["rows"], found["decided"]) == ([*HIDDEN], 60, True)
    assert found["right"] - found["runner_up"]["right"] == found["better_in"] - found["worse_in"]
    assert document["was_here"]
    code, out, _ = call(*options, "--labels", ",".join(HIDDEN), "--json")
    assert json.loads(out)["adapter"] == document["adapter"], "as if a person had named the order"
    assert json.loads(out)["labels_found"] is None
    code, out, err = call("adapters", "test", document["adapter"], "--json")
    assert json.loads(out)["metrics"]["validation_accuracy"] == pytest.approx(found["right"] / 60)
    stored = Workbench(Path(".workbench"), [Path("tasks")]).exchange.import_adapter(
        folder, str(bert), task="mails", labels="auto", max_length=16
    )
    assert stored.id == document["adapter"]


def test_a_whole_model_is_copied_once(
    sent: tuple[Path, dict[str, int]], bert: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, given = sent
    write_task(tmp_path, given, wrong=0.2)
    base = AutoModelForSequenceClassification.from_pretrained(bert, num_labels=3)
    PeftModel.from_pretrained(base, folder).merge_and_unload().save_pretrained(tmp_path / "whole")
    open_backbone(str(bert)).tokenizer.save_pretrained(tmp_path / "whole")
    copied, copy = [], shutil.copyfile
    monkeypatch.setattr(shutil, "copyfile", lambda source, target: copied.append(source) or copy(source, target))
    options = ("--task", "mails", "--max-length", "16", "--labels", "auto", "--json")
    code, out, err = call("adapters", "import", "whole", *options)
    assert code == 0, err
    document = json.loads(out)
    assert (document["labels_found"]["order"], document["linked"]) == ([*HIDDEN], None)
    assert [Path(source).name for source in copied].count("model.safetensors") == 1


def test_what_is_not_decided_is_refused_with_both_orders(
    sent: tuple[Path, dict[str, int]], bert: Path, tmp_path: Path, call: Call
) -> None:
    folder, given = sent
    options = ("adapters", "import", str(folder), "--task", "mails", "--backbone", str(bert), "--labels", "auto")
    for change, also in ({"wrong": 1.0}, ""), ({"rows": 4}, ""), ({"without": "ham spam"}, "has the label ham, spam"):
        write_task(tmp_path, given, **change)
        code, out, err = call(*options, "--json")
        assert code == 2
        message = " ".join(err.split())
        wanted = ("--labels: the order of the labels is not decided", "the next best,", "exact McNemar test on")
        assert lacks(message, *wanted, "--labels NAME,NAME,…", "validation rows", also) == []
        refused = json.loads(out)["refused"][0]["labels_found"]
        assert (refused["decided"], len(refused["runner_up"]["order"]), refused["p"] >= LEVEL) == (False, 3, True)
        assert not Path(".workbench/adapters").exists()


def test_an_order_needs_a_task_that_has_one(
    sent: tuple[Path, dict[str, int]], bert: Path, tmp_path: Path, call: Call
) -> None:
    folder, given = sent
    write_task(tmp_path, given)
    base = ("--backbone", str(bert), "--labels", "auto")
    code, _, err = call("adapters", "import", str(folder), *base)
    assert (code, lacks(err, "--labels: the order of labels cannot be found without a task", "--task NAME")) == (2, [])
    two = (tmp_path / "tasks" / "mails.yaml").read_text(encoding="utf-8").replace(", eggs]", "]\nother_labels: drop")
    (tmp_path / "tasks" / "two.yaml").write_text(two, encoding="utf-8")
    code, _, err = call("adapters", "import", str(folder), "--task", "two", *base)
    assert (code, lacks(err, "its head has 3 labels, and two has 2: ham, spam")) == (2, [])
    (tmp_path / "list.yaml").write_text(f"- {{folder: {folder}, labels: auto, task: mails}}\n", encoding="utf-8")
    code, out, err = call("adapters", "import", "--from-file", "list.yaml", "--backbone", str(bert))
    assert (code, "was found: eggs,ham,spam" in " ".join(out.split())) == (0, True), err


def classes(output: Any, label: Any, labels: int) -> Answers:
    right = np.asarray(label)
    return Answers(np.asarray(output), np.eye(labels, dtype=bool)[right], np.arange(len(right)), len(right))


@pytest.mark.parametrize("seed", range(20))
def test_both_orders_are_the_two_best_of_all(seed: int) -> None:
    """Counted by trying all orders."""
    draw = np.random.default_rng(seed)
    output, label = draw.integers(4, size=(2, 50))
    found = best_orders(classes(output, label, 4), "abcd", "t")
    scores = sorted(
        (sum(order[o] == n for o, n in zip(output, label, strict=True)) for order in permutations(range(4))),
        reverse=True,
    )
    assert [found.right, found.runner_up_right] == scores[:2]
    assert found.order != found.runner_up


def test_the_test_is_mcnemar_s() -> None:
    """Of 12 rows in which one of the two orders is right, 10 are for the best: p = 2 Σ_{k ≤ 2} C(12, k) / 2^12."""
    found = best_orders(classes([0] * 6 + [1] * 6, [0] * 5 + [1] + [1] * 5 + [0], 2), ("a", "b"), "t")
    assert (found.better, found.worse, found.order) == (10, 2, ("a", "b"))
    assert found.p == pytest.approx(2 * sum(comb(12, k) for k in range(3)) / 2**12)
    assert best_orders(classes([0, 0], [0, 1], 2), ("a", "b"), "t").p == 1.0


@pytest.mark.parametrize(("labels", "rows"), [(2, 36), (4, 100)])
def test_errors_of_the_rule(labels: int, rows: int) -> None:
    """A head without skill is decided in at most 5 % of cases, a wrong order of one with skill in hardly any."""
    draw = np.random.default_rng(0)
    assert setting(labels, rows, 1 / labels, 300, draw)["decided"] <= LEVEL + 0.025  # two standard errors
    skilled = setting(labels, rows, 0.75, 300, draw)
    assert skilled["decided"] > 0.75
    assert skilled["wrong"] <= 0.01


def test_sets_of_labels_and_tags_of_words_have_orders_too() -> None:
    draw = np.random.default_rng(0)
    wanted = draw.random((40, 3)) < [0.2, 0.5, 0.7]
    rows: Any = {"labels": [np.flatnonzero(row).tolist() for row in wanted]}
    found = best_orders(of_sets(np.where(wanted[:, [2, 0, 1]], 1.0, -1.0).astype(np.float32), rows, 3), "abc", "t", "x")
    assert (found.order, found.right, found.units, found.is_decided) == (("c", "a", "b"), 120, 120, True)
    tags = [draw.integers(3, size=5).tolist() for _ in range(30)]
    logits = [np.eye(3, dtype=np.float32)[[(tag + 1) % 3 for tag in row]] for row in tags]
    logits[0][4] = np.nan  # a word that was cut off
    answers = of_words([SimpleNamespace(logits=row) for row in logits], {"tags": tags}, 3)
    found = best_orders(answers, "abc", "t", "words")
    assert (found.order, found.right, found.units, found.rows) == (("c", "a", "b"), 149, 149, 30)
    assert "149 of 149 words right" in str(found)
    assert "exact sign test on 30 validation rows" in str(found)


@pytest.fixture
def updated(sent: tuple[Path, dict[str, int]], tmp_path: Path, call: Call) -> Callable[[str], None]:
    """Returns what makes another version of the task, with changes of its labels."""
    write_task(tmp_path, sent[1])

    def update(changes: str) -> None:
        Path("changes.yaml").write_text(changes, encoding="utf-8")
        code, _, err = call("tasks", "update", "mails", "--labels", "changes.yaml")
        assert code == 0, err

    return update


def test_labels_that_were_renamed_since_are_known(
    sent: tuple[Path, dict[str, int]], bert: Path, updated: Callable[[str], None], call: Call
) -> None:
    options = ("adapters", "import", str(sent[0]), "--backbone", str(bert), "--max-length", "16", "--json")
    old, new = ",".join(HIDDEN), "eggs,ham,scam"
    updated("rename: {spam: scam}")
    ids = []
    for task, labels in (("mails", new), ("mails", old), ("mails@1", old), ("mails@1", "auto"), ("mails", "auto")):
        code, out, err = call(*options, "--task", task, "--labels", labels)
        assert code == 0, (task, labels, err)
        document = json.loads(out)
        ids.append(document["adapter"])
        assert sorted(document["labels"]) == ["eggs", "ham", "scam"]
        is_old = labels == old or task == "mails@1"
        assert document["labels_renamed"] == (
            {"version": 1, "names": {"ham": "ham", "spam": "scam", "eggs": "eggs"}} if is_old else None
        )
    assert len({*ids}) == 1
    code, out, err = call(*options[:-1], "--task", "mails@1", "--labels", old)
    assert "Its labels are those of mails@1; in mails@2 spam is called scam." in " ".join(out.split())
    code, out, err = call("adapters", "test", ids[0], "--json")
    assert json.loads(out)["metrics"]["validation_accuracy"] == 1.0, err


def test_labels_are_followed_through_all_versions_that_are_there(
    updated: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each version is read once; where one is damaged or gone, nothing is known of the labels before it."""
    for changes in ("rename: {spam: scam}", "rename: {ham: food}", "rename: {scam: spam}"):
        updated(changes)
    folders, read, require = [Path("tasks")], list[Path](), checksummed.require
    monkeypatch.setattr(checksummed, "require", lambda kind, path: read.append(path) or require(kind, path))
    renamed = renamed_since(NAMES, "mails", folders)
    assert renamed is not None
    assert (renamed.number, renamed.newest) == (1, 4)
    assert renamed.names == {"ham": "food", "spam": "spam", "eggs": "eggs"}
    assert len(read) == len({*read}) == 4
    of_three = ("food", "scam", "eggs")
    assert (version_with(of_three, "mails", folders), version_with(NAMES, "mails", folders)) == (3, 1)
    third = versions("mails", folders)[3].folder
    (third / "version.json").write_text("damaged", encoding="utf-8")
    for _ in ("damaged", "gone"):
        assert renamed_since(NAMES, "mails", folders) is None
        assert renamed_since(of_three, "mails", folders) is None
        assert (version_with(of_three, "mails", folders), version_with(NAMES, "mails", folders)) == (None, 1)
        shutil.rmtree(third, ignore_errors=True)


def test_names_that_were_exchanged_are_those_of_the_version_that_is_named(
    sent: tuple[Path, dict[str, int]], bert: Path, updated: Callable[[str], None], call: Call
) -> None:
    options = ("adapters", "import", str(sent[0]), "--backbone", str(bert), "--labels", ",".join(HIDDEN), "--json")
    updated("rename: {spam: ham, ham: spam}")
    renamed = [json.loads(call(*options, "--task", task)[1])["labels_renamed"] for task in ("mails", "mails@1")]
    assert renamed == [None, {"version": 1, "names": {"ham": "spam", "spam": "ham", "eggs": "eggs"}}]


def test_labels_that_changed_otherwise_belong_to_their_version(
    sent: tuple[Path, dict[str, int]], bert: Path, updated: Callable[[str], None], call: Call
) -> None:
    options = ("adapters", "import", str(sent[0]), "--backbone", str(bert), "--labels", ",".join(HIDDEN))
    updated("merge: {bad: [spam, ham]}")
    code, _, err = call(*options, "--task", "mails")
    assert (code, lacks(" ".join(err.split()), "the labels are not those of mails", "--task mails@1")) == (2, [])
    code, out, err = call(*options, "--task", "mails@1", "--json")
    assert code == 0, err
    assert json.loads(out)["labels"] == [*NAMES]

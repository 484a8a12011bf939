"""One label that was written in several ways: pointed out, and made one by a mapping in the task file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from adapter_workbench.tasks.rows.label_spellings import sentence, spellings_of_one
from adapter_workbench.workbench.errors import DataError, SettingsError
from adapter_workbench.workbench.methods.task import Task
from tests.conftest import Call

Load = Callable[..., Task]
FILES = "files: {data: rows.csv}"
PLAIN = f"{FILES}\ncolumns: {{text: text}}"
SPELLINGS = ["text,label", *(f"t{n},{('ham', ' ham ', 'HAM', 'spam', 'junk')[n % 5]}" for n in range(100))]


@pytest.mark.parametrize(
    ("file", "labels"),
    [
        ("", (" ham ", "HAM", "ham", "junk", "spam")),
        ("labels: {HAM: ham}", ("ham", " ham ", "junk", "spam")),
        ("labels: {HAM: ham, ' ham ': ham}", ("ham", "junk", "spam")),
        ("labels: {HAM: ham, ' ham ': ham, junk: spam}", ("ham", "spam")),
        ("labels: {HAM: ham, ' ham ': ham, junk: other}\nother_labels: keep", ("ham", "other", "spam")),
        ("labels: {HAM: ham, ' ham ': ham, junk: other}\nother_labels: drop", ("ham", "other")),
        ("labels: [spam, ham]\nother_labels: keep", ("spam", "ham", " ham ", "HAM", "junk")),
        ("labels: {spam: junk, junk: spam}\nother_labels: drop", ("junk", "spam")),
    ],
)
def test_a_mapping_makes_one_label_of_several_spellings(file: str, labels: tuple[str, ...], load: Load) -> None:
    task = load(f"{PLAIN}\n{file}", SPELLINGS)
    assert task.labels == labels
    given = {row["id"]: task.labels[row["label"]] for rows in task.splits.values() for row in rows}
    if file.startswith("labels: {HAM: ham, ' ham '"):
        assert {given[f"data-{n}"] for n in range(100) if n % 5 < 3} == {"ham"}
    if "spam: junk" in file:
        assert (given["data-3"], given["data-4"]) == ("junk", "spam"), "what is mapped does not stand for itself"
    if file:
        assert task.fingerprint != load(PLAIN, SPELLINGS).fingerprint


def test_what_a_mapping_does_not_say_is_refused(load: Load) -> None:
    with pytest.raises(DataError, match=r"not declared: 'junk' \(20 rows\)") as error:
        load(f"{PLAIN}\nlabels: {{HAM: ham, ' ham ': ham, SPAM: spam}}", SPELLINGS)
    assert "`other_labels: keep`" in str(error.value)
    with pytest.raises(DataError, match="1 distinct values"):
        load(f"{PLAIN}\nlabels: {{HAM: ham, ' ham ': ham, junk: ham, spam: ham}}", SPELLINGS)
    with pytest.raises(SettingsError, match="at least two labels"):
        load(f"{PLAIN}\nlabels: {{}}", SPELLINGS)
    rows = ["text,label", *(f"t{n},{('ham;SPAM', 'HAM', 'spam')[n % 3]}" for n in range(60))]
    text = f"kind: multilabel\n{FILES}\ncolumns: {{text: text, label: label, separator: ;}}"
    assert load(f"{text}\nlabels: {{HAM: ham}}", rows).labels == ("ham", "SPAM", "spam")


@pytest.mark.parametrize("kind", ["classification", "multilabel", "token-classification"])
@pytest.mark.parametrize("file", ["labels: {HAM: ham}", "labels: [ham, HAM]\nother_labels: keep"])
def test_a_kept_label_that_train_lacks_is_refused(kind: str, file: str, load: Load, folder: Path) -> None:
    lines = ["text,label", *(f"t{n},{('ham', 'HAM', 'spam')[n % 3]}" for n in range(60))]
    text = f"kind: {kind}\nfiles: {{train: rows.csv, test: test.csv}}\ncolumns: {{text: text}}\n{file}"
    (folder / "test.csv").write_text("\n".join(lines))
    assert len(load(text, lines).splits["test"]) == 60
    (folder / "test.csv").write_text("\n".join([*lines, "seldom,junk"]))
    with pytest.raises(DataError, match="split 'test' has labels that are not in train: 'junk'") as error:
        load(text, lines)
    assert "`other_labels: drop`" in str(error.value)


def test_spellings_are_pointed_out(load: Load, call: Call, folder: Path) -> None:
    load(PLAIN, SPELLINGS)
    code, out, err = call("tasks", "check", "mine", "--tasks", str(folder))
    assert code == 0, err
    advice = "`labels: {HAM: ham, ' ham ': ham}`"
    warning = f"labels differ in case or white space alone ('ham', 'HAM', ' ham '); {advice} in the task file"
    assert f"Spelling: {warning}" in " ".join(out.split())
    report = json.loads(call("tasks", "check", "mine", "--tasks", str(folder), "--json")[1])
    assert report["spellings"] == [["ham", "HAM", " ham "]]
    code, out, err = call("tasks", "new", "other", "--from", str(folder / "rows.csv"), "--tasks", str(folder))
    assert f"Look at this: {warning}" in " ".join(out.split())
    load(f"{PLAIN}\nlabels: {{HAM: ham, ' ham ': ham}}", SPELLINGS)
    assert "Spelling" not in call("tasks", "check", "mine", "--tasks", str(folder))[1]
    assert json.loads(call("tasks", "show", "mine", "--tasks", str(folder), "--json")[1])["other_labels"] == "keep"


def test_which_spelling_stands_for_the_others() -> None:
    assert spellings_of_one({"Ham": 1, "ham": 1, "spam": 9, "SPAM ": 20, "eggs": 3}) == [
        ("SPAM ", "spam"),
        ("ham", "Ham"),
    ]
    assert spellings_of_one({"caf\u00e9": 1, "cafe\u0301": 2, "cafe": 1}) == [("cafe\u0301", "caf\u00e9")]
    several = [("a", "A"), ("b", "B")]
    assert "`labels: {A: a, B: b}` in" in sentence(several, ["a", "A", "b", "B"])
    assert "`labels: {A: a, B: b}` and `other_labels: keep` in" in sentence(several, ["a", "A", "b", "B", "c"])

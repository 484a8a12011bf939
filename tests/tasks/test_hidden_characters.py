"""Labels that look alike, or have characters in them that nobody sees: pointed out, escaped, when they come in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from adapter_workbench.tasks.rows.hidden_characters import hidden_in, look
from adapter_workbench.tasks.rows.label_spellings import sentence, spellings_of_one
from adapter_workbench.workbench.methods.task import Task
from tests.conftest import Call
from tests.elsewhere.senders import sent_by_peft
from tests.messages import lacks

Load = Callable[..., Task]
FILES = "files: {data: rows.csv}\ncolumns: {text: text}"
LABELS = ("spam", "sp\u200bam", "ham\u202e")
ROWS = ["text,label", *(f"t{n},{LABELS[n % 3]}" for n in range(90))]
ALIKE = [  # the second of each is how Unicode's confusables.txt or NFKC writes the first
    ("sp\u200bam", "spam"),  # zero width space
    ("\u202espam", "spam"),  # right-to-left override
    ("spam\u2060", "spam"),  # word joiner
    ("s\u00adpam", "spam"),  # soft hyphen
    ("spam\u3164", "spam"),  # Hangul filler
    ("sp\u034fam", "spam"),  # combining grapheme joiner
    ("spa\U000e0061m", "spam"),  # a tag
    ("ｓｐａｍ", "spam"),  # full width
    ("ﬁle", "file"),  # a ligature
    ("cafe\u0301", "caf\u00e9"),
    ("sp\u0430m", "spam"),  # Cyrillic а
    ("spam\u00a0", "SPAM"),  # a space that does not break
]


@pytest.mark.parametrize(("other", "label"), ALIKE)
def test_labels_that_look_alike_are_of_one_group(other: str, label: str) -> None:
    assert look(other) == look(label)
    (group,) = spellings_of_one({label: 2, other: 1, "ham": 3})
    assert group == (label, other)
    words = sentence([group], [label, other, "ham"])
    assert words.isascii(), "nothing in it is hidden, and nothing looks like something else"
    mapping = yaml.safe_load(words.split("`")[1])
    assert mapping == {"labels": {other: label}}, "the advice can be copied as it is shown"


def test_labels_that_look_otherwise_are_not() -> None:
    assert spellings_of_one(dict.fromkeys(["naïve", "naive", "кот", "kot", "1", "l", "B-LOC", "I-LOC"], 1)) == []


def test_what_is_hidden_is_named() -> None:
    hidden = hidden_in(["ham", "sp\u200bam\u200b", "\u202espam", "ne\u200dws", "caf\u00e9"])
    assert hidden == {
        "sp\u200bam\u200b": ["U+200B ZERO WIDTH SPACE"],
        "\u202espam": ["U+202E RIGHT-TO-LEFT OVERRIDE"],
        "ne\u200dws": ["U+200D ZERO WIDTH JOINER"],
    }
    written = ["می\u200cخواهم", "\N{WOMAN}\u200d\N{PERSONAL COMPUTER}", "\N{HEAVY BLACK HEART}\ufe0f", "two words"]
    assert hidden_in(written) == {}, "what forms a character is no more hidden than the character"


def test_they_are_pointed_out_in_a_new_task_and_in_its_check(load: Load, call: Call, folder: Path) -> None:
    load(FILES, ROWS)
    spelling = "labels look alike ('spam', 'sp\\u200bam'); `labels: {\"sp\\u200Bam\": spam}`"
    hidden = "('ham\\u202e': U+202E RIGHT-TO-LEFT OVERRIDE; 'sp\\u200bam': U+200B ZERO WIDTH SPACE)"
    code, out, err = call("tasks", "check", "mine", "--tasks", str(folder))
    assert code == 0, err
    assert lacks(out, f"Spelling: {spelling}", "Hidden: labels", hidden) == []
    report = json.loads(call("tasks", "check", "mine", "--tasks", str(folder), "--json")[1])
    assert (report["spellings"], sorted(report["hidden"])) == ([["spam", "sp\u200bam"]], ["ham\u202e", "sp\u200bam"])
    code, out, err = call("tasks", "new", "other", "--from", str(folder / "rows.csv"), "--tasks", str(folder))
    assert lacks(out, f"Look at this: {spelling}", "U+202E RIGHT-TO-LEFT OVERRIDE", "U+200B ZERO WIDTH SPACE") == []


def test_they_are_pointed_out_when_an_adapter_comes_in(call: Call, bert: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, TaskType

    sent_by_peft(bert, tmp_path / "sent", LoraConfig(task_type=TaskType.SEQ_CLS, r=2), num_labels=3)
    config = {"model_type": "bert", "id2label": {"0": "spam", "1": "sp\u200bam", "2": "ham\u202e"}}
    (tmp_path / "sent" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    expected = ["labels look alike ('spam', 'sp\\u200bam')", "'ham\\u202e': U+202E RIGHT-TO-LEFT OVERRIDE"]
    code, out, err = call("adapters", "import", "sent", "--backbone", str(bert))
    assert code == 0, err
    assert lacks(out, *expected) == []
    document = json.loads(call("adapters", "import", "sent", "--backbone", str(bert), "--json")[1])
    assert document["labels_alike"] == [["spam", "sp\u200bam"]]
    assert document["labels_hidden"]["ham\u202e"] == ["U+202E RIGHT-TO-LEFT OVERRIDE"]
    assert lacks(call("adapters", "import", "sent", "sent", "--backbone", str(bert))[1], *expected) == []

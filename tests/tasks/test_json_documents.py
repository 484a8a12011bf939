"""Whole JSON documents as tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapter_workbench.tasks.reading import formats
from adapter_workbench.tasks.reading.dialect import DialectSettings
from adapter_workbench.workbench.errors import DataError, InputError
from tests.messages import naming


def written(folder: Path, content: object) -> Path:
    path = folder / "rows.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2), encoding="utf-8")
    return path


def test_a_list_of_objects_is_a_table(tmp_path: Path) -> None:
    rows = [{"prompt": "How?", "answer": "So.\nAnd so."}, {"prompt": "Why?", "answer": "ä"}]
    path = written(tmp_path, rows)
    assert formats.read(path, "json").to_dict("records") == rows


def test_a_task_file_of_natural_instructions_is_a_table(tmp_path: Path) -> None:
    # the keys of github.com/allenai/natural-instructions, whose outputs are lists, and of SAPT's copies, some of texts
    instances = [{"id": "a", "input": "one", "output": ["1", "I"]}, {"id": "b", "input": "two", "output": "2"}]
    document = {"Contributors": ["x"], "Definition": ["Write a number.\n"], "Instances": instances}
    records = formats.read(written(tmp_path, document), "natural-instructions").to_dict("records")
    assert records == [
        {"definition": "Write a number.", "input": "one", "output": "1"},
        {"definition": "Write a number.", "input": "two", "output": "2"},
    ]
    document["Definition"] = "Write."  # type: ignore[assignment]
    assert formats.read(written(tmp_path, document), "natural-instructions")["definition"].tolist() == ["Write."] * 2


@pytest.mark.parametrize(
    ("form", "content", "expected"),
    [
        ("json", '[{"a": 1},\n {"a": \n]', r"rows\.json, line 3: not JSON"),
        ("json", "[1, 2]", "a list of objects"),
        ("json", {"a": 1}, "a list of objects"),
        ("json", [], "no rows"),
        ("json", '[{"a": 1, "b": {"c": 1, "c": 1}}]', r"rows\.json: the key 'c' is twice in one object"),
        ("json", '[{"a": "\\ud800"}]', "(a lone surrogate)"),
        ("json", "[" * 100_000, "nested too deeply|not JSON"),
        ("natural-instructions", [{"a": 1}], "`Instances` to be a list of objects"),
        ("natural-instructions", {"Instances": [{"input": "a", "output": "b"}]}, "expected `Definition` to be a text"),
        ("natural-instructions", {"Definition": "d", "Instances": []}, "no rows"),
    ],
)
def test_other_documents_are_refused(tmp_path: Path, form: formats.Format, content: object, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        formats.read(written(tmp_path, content), form)


def test_the_format_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, [{"a": 1}])
    with pytest.raises(InputError, match=naming("format of rows.json")):
        formats.read(path)
    with pytest.raises(InputError, match=naming("header", "json")):
        formats.read(path, "json", DialectSettings(header=False))

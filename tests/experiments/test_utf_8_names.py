"""Folders whose names are not UTF-8: one message before anything is done, with what to do; nothing is written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from adapter_workbench.experiments.workspace import find_workspace
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.answering.elsewhere.location import locate
from adapter_workbench.workbench.backbone.model_folder import check_folder
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files.atomic import new_folder
from adapter_workbench.workbench.files.ordinary import readable
from tests.conftest import Call
from tests.fuzzing.promises import content
from tests.messages import naming
from tests.workbench.test_store import manifest, writer

ODD = Path(os.fsdecode(b"caf\xe9"))  # in Latin-1
COMMANDS = {
    "an adapter": ("adapters", "import", str(ODD), "--labels", "a,b", "--backbone", "minilm"),
    "a model that is linked": ("adapters", "import", str(ODD), "--link"),
    "a backbone": ("train", "animals", "--method", "head", "--backbone", str(ODD)),
    "a workspace": ("adapters", "list", "--workspace", str(ODD)),
    "a folder above it": ("adapters", "list", "--workspace", str(ODD / "below")),
    "what is exported": ("adapters", "export", "news-lora-1", str(ODD / "new")),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_a_command_names_the_folder_and_does_nothing(case: str, call: Call, tmp_path: Path, bert: Path) -> None:
    from tests.streams import write_tasks

    write_tasks(tmp_path)
    shutil.copytree(bert, ODD)
    AdapterStore(tmp_path / ".workbench" / "adapters").save(manifest("news-lora-1"), writer())
    before = content(tmp_path)
    code, out, err = call(*COMMANDS[case])
    assert (code, out, err.count("\n")) == (2, "", 2), err
    assert "caf\\xe9 is not UTF-8" in err
    assert "Rename it" in err
    assert content(tmp_path) == before


def test_who_calls_from_python_gets_the_same(tmp_path: Path) -> None:
    odd = tmp_path / ODD
    odd.mkdir()
    for refused in (lambda: locate(str(odd)), lambda: check_folder(odd), lambda: find_workspace(odd)):
        with pytest.raises(InputError, match=naming(readable(str(odd)), "is not UTF-8")):
            refused()
    with pytest.raises(InputError, match=naming("is not UTF-8")), new_folder(odd / "new"):
        pytest.fail("it was made")
    assert [*odd.iterdir()] == []


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("adapters", "import", "sent", "--labels", f"a,{ODD}"), "--labels"),
        (("tasks", "new", "mine", "--from", "rows.csv", "--description", str(ODD)), "--description"),
    ],
)
def test_words_that_are_not_utf_8_are_refused(
    arguments: tuple[str, ...], option: str, call: Call, tmp_path: Path
) -> None:
    lines = ["text,label", *(f"text {number},{'ab'[number % 2]}" for number in range(40))]
    (tmp_path / "rows.csv").write_text("\n".join(lines), encoding="utf-8")
    before = content(tmp_path)
    code, _, err = call(*arguments)
    assert (code, err.splitlines()) == (2, [f"Error: {option}: a character that is not allowed in text: U+DCE9"])
    assert content(tmp_path) == before

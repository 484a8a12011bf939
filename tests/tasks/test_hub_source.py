"""The source `hub`: what is read is what the task file names, and none of it runs."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES

from tasks.drafting.found_data import data_at
from tests.conftest import Call
from tests.messages import lacks
from workbench.errors import InputError

CANARY = "canary"
COLUMNS = "columns: {text: text, label: label}"


class Canary:
    """Leaves a file behind when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(CANARY),)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))


@pytest.mark.parametrize("name", _PACKAGED_DATASETS_MODULES)
def test_the_name_of_a_reader_is_no_data_set(name: str, call: Call, folder: Path) -> None:
    """`datasets` reads all files of the current folder for such a name, those of pandas as pickles."""
    Path("rows.pkl").write_bytes(pickle.dumps(Canary()))
    (folder / "mine.yaml").write_text(f"description: d\nhub: {{id: {name}}}\n{COLUMNS}\n")
    code, out, err = call("tasks", "check", "mine", "--tasks", str(folder))
    assert (code, out) == (2, ""), err
    assert lacks(err, "mine.yaml", "hub.id", name, "owner/name", "stanfordnlp/imdb") == []
    with pytest.raises(InputError, match="not a hub id: expected owner/name"):
        data_at(name, folder)
    assert not Path(CANARY).exists()


def test_a_folder_called_like_a_reader_is_a_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.pkl").write_bytes(pickle.dumps(Canary()))
    (tmp_path / "pandas" / "data").mkdir(parents=True)
    (tmp_path / "pandas" / "data" / "train.csv").write_text("text,label\none,a\ntwo,b\n")
    data = data_at("pandas", Path())
    assert (data.source[1], data.sizes) == ("  id: ./pandas", {"train": 2})
    assert not Path(CANARY).exists()

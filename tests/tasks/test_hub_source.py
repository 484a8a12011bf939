"""The source `hub`: what is read is what the task file names, and none of it runs."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets.packaged_modules import _PACKAGED_DATASETS_MODULES

from adapter_workbench.tasks.drafting.found_data import data_at
from adapter_workbench.tasks.sources import hub
from adapter_workbench.workbench.errors import InputError
from tests.conftest import Call
from tests.messages import lacks, naming

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


OUTSIDE = [
    "data_files: '{private}/*.csv'",
    "data_files: '../private/*.csv'",
    "data_files: [{{split: train, path: [data/train.csv, '{private}/rows.csv']}}]",
    "data_files: 'file://{private}/rows.csv'",
    "data_dir: ../private",
    "data_dir: '{private}'",
]


@pytest.fixture
def repository(folder: Path) -> Path:
    """A folder laid out like a data set of the hub, with a file of somebody else's beside it."""
    (folder / "private").mkdir()
    (folder / "private" / "rows.csv").write_text("text,label\nsecret,a\n")
    (folder / "repo" / "data").mkdir(parents=True)
    (folder / "repo" / "data" / "train.csv").write_text("text,label\none,a\ntwo,b\n")
    return folder / "repo"


def card(repository: Path, name: str, keys: str) -> Path:
    settings = f"configs:\n- config_name: default\n  {keys.format(private=repository.parent / 'private')}\n"
    path = repository / name
    path.write_text(f"---\n{settings}---\n" if path.suffix == ".md" else settings)
    return path


@pytest.mark.parametrize("name", ["README.md", ".huggingface.yaml"])
@pytest.mark.parametrize("keys", OUTSIDE)
def test_a_card_that_names_other_files_is_refused(repository: Path, name: str, keys: str) -> None:
    settings = hub.HubSettings(id="./repo", config=None, revision=None)
    path = card(repository, name, keys)
    for ask in (hub.read, hub.identity):
        with pytest.raises(InputError, match=naming(str(path), "is not a file in this folder")):
            ask(settings, repository.parent)
    card(repository, name, "data_files: [{{split: train, path: 'data/tr*.csv'}}]")
    assert hub.read(settings, repository.parent)["train"]["text"] == ["one", "two"]


ALIASES = "".join(f"\n  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))
ENDLESS = {"itself": "data_files: &a [*a]", "very many": f"a0: &a0 [x]{ALIASES}\n  data_files: *a8"}


@pytest.mark.parametrize("name", ["README.md", ".huggingface.yaml"])
@pytest.mark.parametrize("keys", ENDLESS)
def test_a_card_whose_aliases_never_end_is_refused(repository: Path, name: str, keys: str, call: Call) -> None:
    path = card(repository, name, ENDLESS[keys])
    (repository.parent / "mine.yaml").write_text(f"description: d\nhub: {{id: ./repo}}\n{COLUMNS}\n")
    code, out, err = call("tasks", "check", "mine", "--tasks", str(repository.parent))
    assert (code, out) == (2, ""), err
    assert lacks(err, str(path), "100,000 names of files", "alias") == []


def test_a_link_out_of_the_folder_is_refused(repository: Path) -> None:
    link = repository / "data" / "test.csv"
    link.symlink_to(repository.parent / "private" / "rows.csv")
    settings = hub.HubSettings(id="./repo", config=None, revision=None)
    for ask in (hub.read, hub.identity):
        with pytest.raises(InputError, match=naming(str(link), "links", "cp -rL")):
            ask(settings, repository.parent)


def test_a_snapshot_in_the_cache_of_the_hub_is_no_link_out(repository: Path) -> None:
    snapshot = repository.parent / "datasets--owner--name" / "snapshots" / "0"
    (snapshot.parents[1] / "blobs").mkdir(parents=True)
    snapshot.mkdir(parents=True)
    (repository / "data" / "train.csv").rename(snapshot.parents[1] / "blobs" / "1")
    (snapshot / "train.csv").symlink_to("../../blobs/1")
    read = hub.read(hub.HubSettings(id=str(snapshot), config=None, revision=None), Path())
    assert read["train"]["text"] == ["one", "two"]


def test_the_folder_of_the_task_file_need_not_be_there_yet(
    repository: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first command of a person who has no tasks yet."""
    rows = "".join(f"this is text {number},{'ab'[number % 2]}\n" for number in range(60))
    (repository / "data" / "train.csv").write_text(f"text,label\n{rows}")
    monkeypatch.chdir(repository.parent)
    code, _, err = call("tasks", "new", "mine", "--from", "repo")
    assert code == 0, err
    assert "  id: ../repo\n" in Path("tasks", "mine.yaml").read_text()
    assert call("tasks", "check", "mine")[0] == 0


def test_a_folder_called_like_the_id_is_not_taken_for_it(
    repository: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`datasets` would read the folder, whatever the revision."""
    folder = repository.parent
    (folder / "owner").mkdir()
    repository.rename(folder / "owner" / "name")
    monkeypatch.chdir(folder)
    source = f"hub: {{id: owner/name, revision: {'a' * 40}}}"
    (folder / "mine.yaml").write_text(f"description: d\n{source}\n{COLUMNS}\n")
    code, out, err = call("tasks", "check", "mine", "--tasks", ".")
    assert (code, out) == (2, ""), err
    assert lacks(err, "owner/name", "a folder here is called like", "./owner/name") == []

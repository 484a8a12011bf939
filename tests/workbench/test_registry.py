"""Folder registries on packages and folders made for the test."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.cli import COMMANDS, _command
from adapter_workbench.experiments.terminal.registries import EXTENDABLE, registry
from adapter_workbench.workbench.errors import UnknownNameError, suggest
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.settings import plugins
from adapter_workbench.workbench.settings.registry import Documents, Modules
from tests.messages import naming

PACKAGE = "registry_under_test"
REGISTRIES = {
    **EXTENDABLE,
    "adapter_workbench.workbench.backbone.names": "BACKBONES",
    "adapter_workbench.experiments.engine.recipes": "RECIPES",
}


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Modules[Any]:
    folder = tmp_path / PACKAGE
    folder.mkdir()
    files = {
        "__init__": "",
        "_private": "raise RuntimeError('a private file is not an entry')",
        "alpha": '"""alpha: the first entry.\n\nMore about it.\n"""\nENTRY = "A"\n',
        "o_lora": '"""Orthogonal: a name of two words."""\nENTRY = "O"\n',
        "broken": '"""broken: fails when it is imported."""\nraise RuntimeError("imported")\n',
        "silent": "ENTRY = None\n",
    }
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    (folder / "notes.txt").write_text("not a module", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [module for module in sys.modules if module.startswith(PACKAGE)]:
        monkeypatch.delitem(sys.modules, name)
    return Modules("thing", PACKAGE, "ENTRY")


def imported() -> set[str]:
    return {name for name in sys.modules if name.startswith(f"{PACKAGE}.")}


def test_names_are_file_names_and_nothing_is_imported_to_know_them(modules: Modules[Any]) -> None:
    before = imported()
    assert modules.names() == ["alpha", "broken", "o-lora", "silent"]
    assert modules.describe("alpha") == "the first entry."
    assert modules.describe("o-lora") == "Orthogonal: a name of two words."
    assert modules.describe("broken") == "fails when it is imported."
    assert modules.describe("silent") == ""
    assert imported() == before


def test_what_entries_share_is_none(modules: Modules[Any]) -> None:
    besides: Modules[Any] = Modules("thing", PACKAGE, "ENTRY", besides=["silent"])
    assert besides.names() == ["alpha", "broken", "o-lora"]
    with pytest.raises(UnknownNameError):
        besides.get("silent")


def test_an_entry_is_imported_when_it_is_asked_for_and_no_other(modules: Modules[Any]) -> None:
    assert modules.get("o-lora") == "O"
    assert imported() == {f"{PACKAGE}.o_lora"}
    assert modules.get("alpha") == "A"


def test_an_unknown_name_is_answered_with_the_nearest(modules: Modules[Any]) -> None:
    with pytest.raises(UnknownNameError) as caught:
        modules.get("o_lora", where="plan.yaml, line 3")
    message = str(caught.value)
    assert message.startswith("plan.yaml, line 3: there is no thing called 'o_lora'")
    assert "Did you mean o-lora?" in message
    assert "Available: alpha, broken, o-lora, silent." in message
    with pytest.raises(UnknownNameError) as caught:
        modules.get("zzz")
    assert "Did you mean" not in str(caught.value)


def test_a_word_that_describes_entries_leads_to_them() -> None:
    with pytest.raises(UnknownNameError) as caught:
        METHODS.get("Bottleneck")
    assert "The word describes adapterfusion, compacter-plus-plus, houlsby, parallel, pfeiffer." in str(
        caught.value.hint
    )
    with pytest.raises(UnknownNameError) as caught:
        METHODS.get("zzz zzz")
    assert "describes" not in str(caught.value.hint)


def test_of_many_names_those_that_begin_alike_are_compared_first() -> None:
    names = [f"a{number:04d}" for number in range(2000)] + ["tickets"]
    hint = suggest("tickts", names, "workbench tasks list")
    assert hint == "Did you mean tickets? There are 2,001 names; `workbench tasks list` lists them."
    assert suggest("tickts", names).startswith("Did you mean tickets? Available: a0000, ")
    assert suggest("tickts", names[-3:], "workbench tasks list").endswith("Available: a1998, a1999, tickets.")


@pytest.mark.parametrize(("module", "name"), REGISTRIES.items())
def test_a_message_names_the_command_that_lists_the_entries(module: str, name: str) -> None:
    listing = {name for name in COMMANDS.names() if "list" in getattr(_command(name), "commands", {})}
    others = {"ARRIVALS": "workbench scenarios list", "COMMANDS": "workbench --help"}
    expected = f"workbench {name.lower()} list" if name.lower() in listing else others.get(name, "")
    assert registry(module, name).command == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (5, "not 5"),
        (None, "not nothing"),
        (["alpha"], "not a list"),
        ({"alpha": 1}, "not a mapping"),
        (True, "not a truth value"),
    ],
)
def test_what_is_no_text_is_no_name(modules: Modules[Any], tmp_path: Path, name: Any, expected: str) -> None:
    for look_up in (modules.get, modules.require):
        with pytest.raises(UnknownNameError, match=f"f.yaml, line 1: the name of a thing .*{expected}"):
            look_up(name, "f.yaml, line 1")
    with pytest.raises(UnknownNameError, match=f"name of a thing .*{expected}"):
        Documents("thing", [tmp_path]).path(name)


def test_a_name_is_checked_without_an_import(modules: Modules[Any]) -> None:
    assert modules.require("broken") == "broken"
    assert "registry_under_test.broken" not in imported()


def test_a_package_that_does_not_exist_is_an_empty_registry() -> None:
    empty: Modules[Any] = Modules("thing", "no_such_package_here", "ENTRY")
    assert empty.names() == []
    with pytest.raises(UnknownNameError, match="Available: none"):
        empty.get("x")


class Plugin:
    """One line about the plugin.

    And more.
    """


def test_installed_distributions_add_entries_but_replace_none(
    modules: Modules[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = []

    def points(group: str) -> list[EntryPoint]:
        groups.append(group)
        value = f"{__name__}:Plugin"
        return [EntryPoint("outside", value, group), EntryPoint("alpha", value, group)]

    monkeypatch.setattr(plugins, "entry_points", points)
    with pytest.warns(plugins.PluginWarning, match=naming("thing 'alpha' ", "cannot be used")):
        modules.names()
    assert modules.names() == ["alpha", "broken", "o-lora", "outside", "silent"]
    assert groups == [f"adapter_workbench.{PACKAGE}"]
    assert modules.get("outside").__name__ == "Plugin"
    assert modules.describe("outside") == "One line about the plugin."
    assert modules.get("alpha") == "A"


def test_documents_of_several_folders_the_first_wins(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder, names in ((ours, ["news.yaml", "reviews.yml"]), (theirs, ["news.yaml", "mine.yaml", "readme.md"])):
        folder.mkdir()
        for name in names:
            (folder / name).write_text("{}", encoding="utf-8")
    documents = Documents("task", [ours, theirs, tmp_path / "missing"])
    assert documents.names() == ["mine", "news", "reviews"]
    assert documents.path("news") == ours / "news.yaml"
    assert documents.path("mine") == theirs / "mine.yaml"
    assert documents.path("reviews") == ours / "reviews.yml"
    with pytest.raises(UnknownNameError) as caught:
        documents.path("revews")
    assert "task called 'revews'" in str(caught.value)
    assert "reviews or news?" in str(caught.value)

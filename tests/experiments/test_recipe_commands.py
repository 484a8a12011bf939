"""What a person gives the commands that plan: recipes by name, names with commas, seeds and counts."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

import adapter_workbench
from adapter_workbench.experiments.engine.recipes import RECIPES
from adapter_workbench.experiments.studies.compositions.sources import named
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.settings.base import read
from tests.conftest import Call

PACKAGES = ("workbench", "tasks", "fusion", "experiments")
KINDS_OF_FILES = {".py", ".yaml", ".html"}


def test_recipes_are_listed_and_shown(call: Call) -> None:
    code, out, err = call("recipes", "list", "--json")
    assert (code, err) == (0, "")
    assert [entry["name"] for entry in json.loads(out)] == RECIPES.names()
    assert all(len(entry["description"]) > 20 for entry in json.loads(out))
    code, out, _ = call("recipes", "list")
    assert "quickstart" in out
    path = RECIPES.path("quickstart")
    assert call("recipes", "show", "quickstart") == (0, path.read_text(encoding="utf-8"), "")
    code, out, _ = call("recipes", "show", "quickstart", "--json")
    assert json.loads(out) == read(path).data
    code, _, err = call("recipes", "show", "quikstart")
    assert (code, "Did you mean quickstart?" in err) == (2, True)


def test_nothing_that_is_installed_names_a_page_that_is_not() -> None:
    root = Path(adapter_workbench.__file__).parent
    files = [path for package in PACKAGES for path in (root / package).rglob("*") if path.suffix in KINDS_OF_FILES]
    assert len(files) > 300
    named = [path for path in files if "docs/" in path.read_text(encoding="utf-8")]
    mentions = [(path, text) for path in named for text in messages(path) if re.search(r"(?<!\w/)\bdocs/", text)]
    assert not mentions


def messages(path: Path) -> list[str]:
    """Return what a file may say to a person: its text, or of a program the strings that are no docstrings."""
    content = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return [content]
    tree = ast.parse(content)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings)
    return [node.value for node in constants if isinstance(node.value, str)]


def test_run_without_a_recipe_says_where_they_are(call: Call) -> None:
    code, _, err = call("run")
    assert code == 2
    assert "workbench recipes list" in err


@pytest.mark.parametrize("name", ["/dev/zero", ".", "x" * 20_000, "a\0b", "x" * 300 + ".yaml", ""])
def test_what_is_no_recipe_is_one_message(name: str, call: Call, tmp_path: Path) -> None:
    code, _, err = call("run", name)
    assert code == 2
    assert len(err) < 2000
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir()), "nothing is changed"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "bbc-news", "--methods", "lora, lora"], "--methods: named more than once"),
        (["compare", "bbc-news", "--methods", ","], "--methods: no method is named"),
        (["compare", "bbc news", "--methods", "lora, nope"], "no method called 'nope'"),
        (["compare", "bbc-news", "--methods", "lora", "--seeds", "1000000000"], "--seeds"),
        (["compare", "bbc-news", "--methods", "lora", "--set", "rank=4"], "Did you mean methods.lora.rank?"),
        (["train", "bbc-news", "--method", "lora", "--seed", "-1"], "--seed"),
        (["train", "bbc-news", "--method", "lora", "--seed", "4294967296"], "--seed"),
        (
            ["train", "bbc-news", "--method", "lora", "--set", "train_examples=64"],
            "Did you mean budget.train_examples?",
        ),
        (["train", "bbc-news", "--method", "lora", "--set", "targets='('"], "not a regular expression"),
        (["train", "bbc-new", "--method", "lora", "--set", "rank=true"], "no task called 'bbc-new'"),
        (["train", "bbc-new", "--method", "lora", "--set", "rank=true"], "not a truth value"),
        (["fuse", "bbc-news", "--from", "a", "--seed", "-1"], "--seed"),
        (["fuse", "bbc-news", "--from", " , "], "--from: ' , ' names no sources"),
        (["fuse", "bbc-nws", "--from", "a", "--method", "tie", "--ranking", "x"], "no ranking called 'x'"),
        (["fuse", "bbc-nws", "--from", "a", "--set", "budget=3"], "'budget': expected a mapping"),
        (["plan", "--model-config", "minilm", "--method", "lora", "--set", "rank=1000000000000"], "4096"),
    ],
)
def test_mistakes_are_told_before_anything_is_done(
    arguments: list[str], message: str, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter_workbench.tasks.loading.loading.load", lambda spec: None)
    code, _, err = call(*arguments)
    assert code == 2
    assert message in err.replace("\n  ", " ")
    assert len(err.splitlines()) <= 10
    assert not list(tmp_path.iterdir()), "nothing is changed"


def test_a_source_that_is_named_twice_is_told() -> None:
    class Store:
        def verify(self, name: str) -> object:
            return type("Stored", (), {"id": name.rstrip("…")})()

    with pytest.raises(InputError, match=r"--from: .*: a"):
        named(Store(), ["a", "b", "a…"], "a, b,a…")  # type: ignore[arg-type]
    assert [adapter.id for adapter in named(Store(), ["a", "b"], " a, b,")] == ["a", "b"]  # type: ignore[arg-type]

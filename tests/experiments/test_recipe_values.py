"""Wrong values anywhere in a recipe or in any entry's settings: one message, before any backbone is opened."""

from __future__ import annotations

import copy
import difflib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from adapter_workbench.experiments.engine.recipes import RECIPES
from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.studies import STUDIES
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.routing.routers import ROUTERS
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.errors import InputError, SettingsError
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.settings.base import Budget, Document, read
from tests.messages import naming

REGISTRIES = {"method": METHODS, "composition": COMPOSITIONS, "router": ROUTERS, "strategy": STRATEGIES}
MODELS = [(noun, name) for noun, entries in REGISTRIES.items() for name in entries.names()]
PLANNERS = {
    recipe: STUDIES.get(study).plan
    for recipe, study in {
        "quickstart": "stream",
        "compare-methods": "methods",
        "fuse-new-task": "compositions",
        "routing": "routing",
        "bring-back": "repair",
        "growing": "updates",
    }.items()
}
MORE = {"frontier": {"full-sequential": [0.01]}, "scenario": "task-incremental", "orders": 1}
MORE |= {"probes": ["cka", "lm-eval"], "probe_settings": {"lm-eval": {"tasks": ["arc_easy"], "limit": 10}}}
MORE |= {"probe_text": "imdb", "probe_examples": 8, "evaluate_every": 1}
CATALOG: dict[str, Any] = {name: cache(getattr(registry, name)) for name in ("find", "families", "names")}
WRONG: dict[str, Any] = {
    "a number": 3.5,
    "a list": [[1]],
    "a map": {"a": {"b": 1}},
    "null": None,
    "a truth value": True,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "-1": -1,
    "0": 0,
    "10**30": 10**30,
    "20,000 characters": "x" * 20_000,
    "an empty text": "",
    "a NUL": "a\0b",
    "half a character": "\ud800",
    "a list of them": [-1, None, True, "\ud800"],
}


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No backbone is opened; a recipe in which nothing is wrong stops here too. The catalog is read once.

    Nor is a stream repaired that the reader of this file has learned in the folder where the tests run.
    """

    def refuse(*_: object, **__: object) -> None:
        raise InputError("a backbone would be opened now")

    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path))
    monkeypatch.setattr("adapter_workbench.experiments.engine.feasibility.require_feasible", refuse)
    for name in CATALOG:
        monkeypatch.setattr(registry, name, CATALOG[name])


def places(data: Any, key: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything in a recipe, itself included."""
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [key, *(path for name, value in inside for path in places(value, (*key, name)))]


def changed(recipe: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    result = copy.deepcopy(recipe)
    holder: Any = result
    for part in path[:-1]:
        holder = holder[part]
    holder[path[-1]] = value
    return result


@pytest.mark.parametrize("recipe", PLANNERS)
def test_a_wrong_value_anywhere_in_a_recipe_is_one_short_message(recipe: str) -> None:
    document = read(RECIPES.path(recipe))
    if recipe == "quickstart":
        document = Document({**document.data, **MORE}, document.origin, document.lines)
    some = [path for path in places(document.data) if path and not (isinstance(path[-1], int) and path[-1] > 1)]
    entries = {
        "strategies": 2,
        "methods": 2,
        "compositions": 2,
        "routers": 2,
        "repairs": 2,
        "updates": 2,
    }  # the others are like them
    skipped = {(key, name) for key, most in entries.items() for name in [*document.data.get(key, {})][most:-1]}
    for path in some:
        if path[:2] in skipped:
            continue
        for description, value in WRONG.items():
            wrong = Document(changed(document.data, path, value), "recipe.yaml", document.lines)
            try:
                with pytest.raises(InputError) as caught:
                    PLANNERS[recipe](wrong)
            except Exception as error:
                raise AssertionError(f"{path}: {description} ended in {type(error).__name__}: {error}") from error
            assert len(str(caught.value).splitlines()) <= 10
            assert str(caught.value).isprintable() or "\n" in str(caught.value)


@pytest.mark.parametrize(("key", "plural"), [("strategy", "strategies"), ("method", "methods")])
@pytest.mark.parametrize("value", [5, [1], {"a": 1}, None, True, "", "nope"])
def test_what_is_no_name_is_told_with_its_line(key: str, plural: str, value: Any) -> None:
    document = read(RECIPES.path("quickstart"))
    data = changed(document.data, ("strategies", "lora-isolated", key), value)
    with pytest.raises(SettingsError) as caught:
        PLANNERS["quickstart"](Document(data, "recipe.yaml", document.lines))
    (problem,) = caught.value.problems
    assert problem.where == f"recipe.yaml, line {document.lines['strategies', 'lora-isolated', key]}"
    assert f"`workbench {plural} list` lists them" in str(problem.hint)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("noun", "name"), MODELS)
def test_numbers_of_settings_have_bounds(noun: str, name: str) -> None:
    model = REGISTRIES[noun].get(name).settings
    for key, info in model.model_fields.items():
        annotation = str(info.annotation)
        numbers = "int" in annotation or "float" in annotation
        for value in (True, float("nan"), float("inf"), -(10**30), 10**30, "x") if numbers else ():
            with pytest.raises(SettingsError):
                Document({key: value}, "settings").parse(model)
        if key == "learning_rate":
            for value in (0, -1):
                with pytest.raises(SettingsError, match="'learning_rate'"):
                    Document({key: value}, "settings").parse(model)


@pytest.mark.parametrize("model", [Budget, *(REGISTRIES[noun].get(name).settings for noun, name in MODELS)])
def test_no_value_of_settings_ends_in_another_error(model: type[BaseModel]) -> None:
    for key in model.model_fields:
        for value in WRONG.values():
            try:
                Document({key: value}, "settings").parse(model)
            except SettingsError as error:
                assert {problem.where for problem in error.problems} == {"settings"}, "it says where"
                assert all(problem.what.startswith(f"'{key}") for problem in error.problems), "and what"
                assert len(str(error)) < 2000, "not the whole of a long value"


def test_mistakes_of_all_sorts_come_in_one_message() -> None:
    document = read(RECIPES.path("quickstart")).set(
        ["train_examples=64", "rank=4", "orders=0", "tasks=[bbc-news, bbc-new]", "reference=full", "probes=[nope]"]
    )
    with pytest.raises(SettingsError) as caught:
        PLANNERS["quickstart"](document)
    problems = {problem.where: problem for problem in caught.value.problems}
    assert set(problems) == {
        "--set train_examples=64",
        "--set rank=4",
        "--set orders=0",
        "--set tasks=[bbc-news, bbc-new]",
        "--set reference=full",
        "--set probes=[nope]",
    }
    assert problems["--set train_examples=64"].hint == "Did you mean budget.train_examples?"
    assert problems["--set rank=4"].hint == "Did you mean strategies.lora-isolated.rank?"


def test_of_two_hundred_thousand_unknown_keys_few_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking for names that are like an unknown one takes a millisecond."""
    compared, likened = [], difflib.get_close_matches
    data = {**read(RECIPES.path("quickstart")).data, **{f"key{index}": index for index in range(200_000)}}
    monkeypatch.setattr(
        difflib, "get_close_matches", lambda *given, **how: compared.append(given) or likened(*given, **how)
    )
    with pytest.raises(SettingsError) as caught:
        PLANNERS["quickstart"](Document(data, "recipe.yaml"))
    assert len(compared) < 1000
    assert len(str(caught.value)) < 4000


def test_more_fits_than_can_end_are_refused() -> None:
    document = read(RECIPES.path("quickstart")).set([f"seeds={list(range(1000))}", "orders=1000"])
    with pytest.raises(InputError, match=naming("18,000,000", "100,000")):
        PLANNERS["quickstart"](document)


class TestLabels:
    @pytest.mark.parametrize(
        ("label", "other"),
        [("full-sequential @ 5e-05", "full-sequential @ 5e-05"), ("FULL-sequential", "full-sequential")],
    )
    def test_two_entries_of_a_stream_are_told_apart(self, label: str, other: str) -> None:
        entry = {"strategy": "sequential", "method": "lora"}
        data = changed(read(RECIPES.path("quickstart")).data, ("strategies", label), entry)
        with pytest.raises(SettingsError, match="look the same") as caught:
            PLANNERS["quickstart"](Document({**data, "frontier": {"full-sequential": [0.00005]}}, "recipe.yaml"))
        assert repr(other) in str(caught.value)

    @pytest.mark.parametrize("title", ["isolated loras", "plain"])
    def test_two_entries_of_a_stream_have_two_titles(self, title: str) -> None:
        """A title is not that of another entry, nor the label of one without a title: sentences call it so."""
        data = changed(read(RECIPES.path("quickstart")).data, ("strategies", "again"), {"title": title})
        for label in ("again", "plain"):
            data["strategies"][label] = {"strategy": "replay", "method": "lora", **data["strategies"].get(label, {})}
        with pytest.raises(SettingsError, match=naming(repr(title), "look the same in the verdict", "another title")):
            PLANNERS["quickstart"](Document(data, "recipe.yaml"))

    @pytest.mark.parametrize(
        "label",
        "fresh lora|Full fine-tuning|frozen  features|average, pfeiffer|bbc-news alone, lora|best composition".split(
            "|"
        ),
    )
    def test_a_composition_is_told_from_its_alternatives(self, label: str) -> None:
        data = changed(read(RECIPES.path("fuse-new-task")).data, ("compositions", label), {"method": "sum"})
        with pytest.raises(SettingsError, match="look the same"):
            PLANNERS["fuse-new-task"](Document(data, "recipe.yaml"))

    def test_methods_are_told_apart(self) -> None:
        data = changed(read(RECIPES.path("compare-methods")).data, ("methods", "LoRA"), {"method": "lora"})
        with pytest.raises(SettingsError, match=naming("'LoRA' and 'lora' ", "look the same")):
            PLANNERS["compare-methods"](Document(data, "recipe.yaml"))

    @pytest.mark.parametrize("label", [" a", "", "a/b", "a\\b", "a\x1b[2J", "a\nb", "x" * 81])
    def test_a_label_can_be_printed_and_is_short(self, label: str) -> None:
        entry = {"strategy": "sequential", "method": "full"}
        data = changed(read(RECIPES.path("quickstart")).data, ("strategies", label), entry)
        with pytest.raises(SettingsError, match="a label may"):
            PLANNERS["quickstart"](Document(data, "recipe.yaml"))

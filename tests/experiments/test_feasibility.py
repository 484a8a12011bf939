"""What cannot be done on a backbone of the hub is said before its weights are fetched, by every way to start work."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.errors import InputError, SettingsError
from adapter_workbench.workbench.files import hub_files
from tests.messages import naming
from tests.streams import write_recipe

HUB_ID = "owner/model"
CSV = "text,label\n" + "".join(f"the cat {i},animal\nthe plum {i},fruit\n" for i in range(12))
TASK = "description: What is it?\nfiles: {data: words.csv}\ncolumns: {text: text, label: label}\n"
STREAM = {
    "strategies": {"first": {"strategy": "isolated", "method": "bitfit"}},
    "reference": "first",
    "tasks": ["words"],
}
COMPOSITIONS = {
    "sources": {"tasks": ["words", "third"], "methods": {"lora": {}, "bitfit": {}}, "budget": {}},
    "targets": ["other"],
    "shots": [8],
    "compositions": {"average": {"method": "average"}},
}
METHODS = {"methods": {"bitfit": {}}, "tasks": ["words"]}


PROMPTS = {
    "progressive": (
        "{strategy: progressive-prompts, method: prompt}",
        "budget.max_length=5",
        naming("max_length 5 is more than", "after 60 virtual tokens", "room for 4 tokens"),
    ),
    "shared": (
        "{strategy: l2p, method: prompt, tokens: 21}",
        "budget.max_length=16",
        naming("strategies", "21 tokens cannot be divided among the 5 prompts"),
    ),
}


@pytest.mark.parametrize("case", PROMPTS)
def test_prompts_of_all_tasks_have_to_fit_before_a_text(case: str, bert: Path, tmp_path: Path) -> None:
    """Three tasks, prompts of 20 tokens, and 64 positions: the last task is read behind 60."""
    entry, budget, message = PROMPTS[case]
    recipe, strategies = str(write_recipe(tmp_path, bert)), f"strategies={{mine: {entry}}}"
    workbench = Workbench(tmp_path / "space", [tmp_path / "tasks"])
    with pytest.raises(SettingsError, match=message):
        workbench.plan(recipe, [strategies, "reference=mine", budget])
    workbench.plan(recipe, [strategies.replace("21", "20"), "reference=mine", "budget.max_length=4"])


def test_a_method_without_prompts_in_an_unknown_scenario_is_one_message(bert: Path, tmp_path: Path) -> None:
    recipe = str(write_recipe(tmp_path, bert))
    changes = ["strategies={mine: {strategy: l2p, method: lora}}", "reference=mine", "scenario=taks-incremental"]
    with pytest.raises(SettingsError, match=naming("taks-incremental")):
        Workbench(tmp_path / "space", [tmp_path / "tasks"]).plan(recipe, changes)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, llama: Path) -> Workbench:
    """A workbench that sees one model on the hub, of which nothing but the config can be had."""

    def hub_file(repository: str, name: str, revision: str | None = None) -> Path:
        assert (repository, name, revision) == (HUB_ID, "config.json", None)
        return llama / name

    def hub_folder(*_: Any, **__: Any) -> Path:
        raise AssertionError("weights were asked for")

    monkeypatch.setattr(hub_files, "hub_file", hub_file)
    monkeypatch.setattr(hub_files, "hub_folder", hub_folder)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "words.csv").write_text(CSV)
    for name in ("words", "other", "third"):
        (folder / f"{name}.yaml").write_text(TASK)
    return Workbench(tmp_path / "ws", [folder])


def planned(recipe: dict[str, Any]) -> Callable[[Workbench], object]:
    """Return what plans a recipe on the hub's model."""

    def plan(bench: Workbench) -> object:
        Path("recipe.yaml").write_text(json.dumps({"name": "recipe", "backbone": HUB_ID, "seeds": [0], **recipe}))
        return bench.plan("recipe.yaml")

    return plan


WAYS: dict[str, Callable[[Workbench], object]] = {
    "train": lambda bench: bench.lesson("words", "bitfit", HUB_ID),
    "stream": planned(STREAM),
    "compositions": planned(COMPOSITIONS),
    "methods": planned(METHODS),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_method_that_cannot_work_is_refused_by_the_config_alone(way: str, bench: Workbench) -> None:
    with pytest.raises(InputError, match=r"(?s)bitfit .*llama for classification.*can: .*lora") as refused:
        WAYS[way](bench)
    assert "full" in str(refused.value)


BALANCED = {"epochs": 1, "balanced": True}
ANSWERS = f"{TASK.split('columns')[0]}kind: causal-lm\ncolumns: {{text: text, answer: label}}\nmax_new_tokens: 4\n"
FUSED = {**COMPOSITIONS, "targets": ["words"]}
FROM = {"tasks": ["other", "third"], "methods": {"lora": {}}}


@pytest.mark.parametrize(
    "own",
    [
        {**METHODS, "methods": {"lora": {}}, "budget": BALANCED},
        {**STREAM, "strategies": {"first": {"strategy": "isolated", "method": "lora"}}, "budget": BALANCED},
        {**FUSED, "sources": FROM, "budget": BALANCED},
        {**COMPOSITIONS, "sources": {**FROM, "tasks": ["words", "third"], "budget": BALANCED}},
    ],
)
def test_classes_that_are_not_there_are_not_balanced(bench: Workbench, own: dict[str, Any]) -> None:
    (bench.task_folders[0] / "words.yaml").write_text(ANSWERS)
    with pytest.raises(InputError, match="causal-lm has no classes to balance"):
        planned(own)(bench)


def test_a_budget_is_asked_for_the_kinds_of_its_own_fits(bench: Workbench) -> None:
    (bench.task_folders[0] / "words.yaml").write_text(ANSWERS)
    with pytest.raises(AssertionError, match="weights were asked for"):
        planned({**FUSED, "sources": {**FROM, "budget": BALANCED}})(bench)


LONG = {"budget": {"max_length": 60, "epochs": 1}}  # the tiny models have 64 positions


@pytest.mark.parametrize("way", ["train", "stream", "methods"])
def test_virtual_tokens_take_positions_of_a_text(way: str, bench: Workbench, bert: Path) -> None:
    def plan(tokens: int) -> object:
        if way == "train":
            return bench.lesson("words", "prompt", str(bert), budget=LONG["budget"], tokens=tokens)
        entry = {"method": "prompt", "tokens": tokens}
        own = {"methods": {"prompt": entry}, "tasks": ["words"]}
        if way == "stream":
            strategies = {"one": {"strategy": "isolated", **entry}, "other": {"strategy": "isolated", "method": "lora"}}
            own = {"strategies": strategies, "tasks": ["words"], "reference": "one"}
        Path("recipe.yaml").write_text(json.dumps({"name": "recipe", "backbone": str(bert), **LONG, **own}))
        return bench.plan("recipe.yaml")

    assert plan(4)
    with pytest.raises(InputError, match=r"(?s)can read after 5 virtual tokens.*room for 59 tokens of a text"):
        plan(5)


def test_a_quantised_backbone_cannot_be_trained_in_place(bench: Workbench) -> None:
    with pytest.raises(InputError, match=naming("full trains the backbone's own weights", "nf4")):
        bench.lesson("words", "full", f"{HUB_ID}:nf4")
    with pytest.raises(InputError, match=naming("full trains the backbone's own weights", "int8")):
        bench.lesson("words", "full", HUB_ID, budget={"quantization": "int8"})

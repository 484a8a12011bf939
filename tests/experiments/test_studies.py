"""Every study is what its card says, and its pieces travel to the processes that help."""

from __future__ import annotations

import pickle
from importlib import import_module
from pathlib import Path

import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.engine.recipes import RECIPES
from adapter_workbench.experiments.studies import STUDIES, study_for
from adapter_workbench.workbench.settings.base import read
from tests.experiments import test_comparing, test_composing, test_routing_study
from tests.experiments.report.finished import FINISHED
from tests.experiments.test_recipe_values import PLANNERS
from tests.runs import pieces
from tests.streams import write_recipe

MODULES = {
    "plan": ("make_plan",),
    "pieces": ("pieces",),
    "summary": ("report",),
    "present": ("present",),
    "scored": ("scored",),
}


@pytest.mark.parametrize("name", STUDIES.names())
def test_a_card_has_the_modules_that_the_engine_calls(name: str) -> None:
    study = STUDIES.get(name)
    assert study.key in study.recipe.model_fields
    assert [other for other in STUDIES.names() if study.key in STUDIES.get(other).recipe.model_fields] == [name]
    for module, functions in MODULES.items():
        assert all(callable(getattr(import_module(study.module(module)), function)) for function in functions)


def test_no_study_is_left_out() -> None:
    assert set(FINISHED) == set(STUDIES.names()), "its documents, tables and points in MLflow are kept"
    keys = {STUDIES.get(name).key for name in STUDIES.names()}
    assert {study_for(read(RECIPES.path(name)).data).key for name in RECIPES.names()} == keys, "it has a shipped recipe"
    assert {study_for(read(RECIPES.path(name)).data).key for name in PLANNERS} == keys, "wrong values are told"


@pytest.mark.parametrize("name", RECIPES.names())
def test_a_shipped_recipe_is_one_of_its_study(name: str) -> None:
    document = read(RECIPES.path(name))
    keys = {STUDIES.get(other).key for other in STUDIES.names()} & document.data.keys()
    study = study_for(document.data)
    assert keys == {study.key}, "no recipe is of two studies"
    parsed = document.parse(study.recipe)
    assert parsed.name == name, "as its file is called"
    assert parsed.model_fields_set == document.data.keys(), "and nothing in it is passed over"


@pytest.mark.parametrize("module", [None, test_comparing, test_composing, test_routing_study])
def test_pieces_are_the_same_behind_a_pipe(module, bert: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, bert)
    if module:
        recipe.write_text(module.RECIPE.format(backbone=bert), encoding="utf-8")
    plan = Workbench(tmp_path / "space", [tmp_path / "tasks"]).plan(str(recipe))
    here, there = pieces(plan), pickle.loads(pickle.dumps(pieces(plan)))
    for attribute in ("key", "needs", "coordinates", "label", "alone"):
        assert [getattr(piece, attribute) for piece in there] == [getattr(piece, attribute) for piece in here]
    assert [piece.effort.updates for piece in there] == [piece.effort.updates for piece in here]

"""A request's fields are the options of its command and the arguments of its method, with one set of bounds."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from typing import Any

import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.cli import application
from adapter_workbench.experiments.requests.examine import ExamineRequest
from adapter_workbench.experiments.requests.fuse import FuseRequest
from adapter_workbench.experiments.requests.lesson import LessonRequest
from adapter_workbench.experiments.requests.repair import RepairRequest
from adapter_workbench.experiments.requests.request import asked_fields
from adapter_workbench.experiments.requests.update import UpdateRequest
from adapter_workbench.workbench.errors import SettingsError

METHODS: dict[type[Any], tuple[Any, ...]] = {
    ExamineRequest: (Workbench.examination_plan,),
    FuseRequest: (Workbench.fusion_plan,),
    LessonRequest: (Workbench.lesson_from,),
    RepairRequest: (Workbench.repair_plan, Workbench.repair),
    UpdateRequest: (Workbench.update_plan,),
}
COMMANDS = {
    ExamineRequest: "examine",
    FuseRequest: "fuse",
    LessonRequest: "add",
    RepairRequest: "repair",
    UpdateRequest: "update",
}


@pytest.mark.parametrize("request_class", METHODS)
def test_methods_are_called_with_the_fields(request_class):
    own = inspect.signature(request_class).parameters
    for method in METHODS[request_class]:
        shown = dict(inspect.signature(method).parameters)
        del shown["self"]
        assert shown == own
        assert {
            name: parameter.default for name, parameter in shown.items() if parameter.default is not parameter.empty
        } == {field.name: field.default for field in fields(request_class) if field.default is not MISSING}


@pytest.mark.parametrize("request_class", COMMANDS)
def test_the_command_shows_what_the_fields_say(request_class):
    command = application().get_command(None, COMMANDS[request_class])
    help_texts = {parameter.help for parameter in command.params}
    for name, asked in asked_fields(request_class).items():
        if name != "assignments":
            assert asked.meaning in help_texts, name


def test_numbers_that_are_not_within_their_bounds_are_refused_together():
    with pytest.raises(SettingsError) as refused:
        FuseRequest("fruits", "auto:1", shots=-1, seed=True)
    assert [problem.where for problem in refused.value.problems] == ["--shots", "--seed"]
    assert FuseRequest("fruits", "auto:1", shots=0, seed=2**32 - 1).given["shots"] == 0


def test_an_unknown_field_is_named(tmp_path):
    with pytest.raises(TypeError, match="rankings"):
        Workbench(tmp_path).fusion_plan("fruits", "auto:1", rankings="logme")

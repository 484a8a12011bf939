"""A request's fields are the options of its command and the arguments of its method, with one set of bounds."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.answers.drift.bounds import DriftBounds
from adapter_workbench.experiments.answers.exchange import Exchange
from adapter_workbench.experiments.answers.http_server.limits import Limits
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.cli import application
from adapter_workbench.experiments.gating.candidate.bounds import CandidateBounds
from adapter_workbench.experiments.requests.examine import ExamineRequest
from adapter_workbench.experiments.requests.export import ExportRequest
from adapter_workbench.experiments.requests.fuse import FuseRequest
from adapter_workbench.experiments.requests.keep import KeepRequest
from adapter_workbench.experiments.requests.lesson import LessonRequest
from adapter_workbench.experiments.requests.repair import RepairRequest
from adapter_workbench.experiments.requests.request import asked_fields
from adapter_workbench.experiments.requests.update import UpdateRequest
from adapter_workbench.workbench.errors import SettingsError
from tests.conftest import Call

METHODS: list[tuple[type[Any], Any]] = [
    (ExamineRequest, Workbench.examination_plan),
    (ExportRequest, Exchange.export),
    (FuseRequest, Workbench.fusion_plan),
    (LessonRequest, Workbench.lesson_from),
    (RepairRequest, Workbench.repair),
    (RepairRequest, Workbench.repair_plan),
    (UpdateRequest, Workbench.update_plan),
]
COMMANDS: list[tuple[type[Any], str]] = [
    (CandidateBounds, "adapters compare"),
    (CandidateBounds, "update"),
    (DriftBounds, "drift"),
    (ExamineRequest, "examine"),
    (ExportRequest, "adapters export"),
    (FuseRequest, "fuse"),
    (KeepRequest, "keep"),
    (LessonRequest, "add"),
    (LessonRequest, "train"),
    (Limits, "serve"),
    (RepairRequest, "repair"),
    (UpdateRequest, "update"),
]


@pytest.mark.parametrize(("asked", "method"), METHODS)
def test_a_method_is_called_with_the_fields_of_its_request(asked: type[Any], method: Any) -> None:
    shown = dict(inspect.signature(method).parameters)
    del shown["self"]
    assert shown == inspect.signature(asked).parameters
    assert all(field.meaning for field in asked_fields(asked).values())


@pytest.mark.parametrize(("asked", "command"), COMMANDS)
def test_a_command_shows_what_the_fields_say(asked: type[Any], command: str) -> None:
    shown: Any = application()
    for word in command.split():
        shown = shown.get_command(None, word)
    options = {option.help: option for option in shown.params}
    for field in asked_fields(asked).values():
        own = f"{field.meaning} Required." if (command, field.name) == ("train", "method") else field.meaning
        if own:
            assert (options[own].min, options[own].max) == (field.least, field.most)


def test_python_compares_new_rows_with_the_bounds_of_the_command() -> None:
    shown = inspect.signature(Workbench.drift).parameters
    assert {name: shown[name].default for name in asked_fields(DriftBounds)} == vars(DriftBounds())


def test_numbers_that_are_not_within_their_bounds_are_refused_together() -> None:
    with pytest.raises(SettingsError) as refused:
        FuseRequest("fruits", "auto:1", shots=-1, seed=True)
    assert [problem.where for problem in refused.value.problems] == ["--shots", "--seed"]
    with pytest.raises(SettingsError, match="from 16 to 100,000, not 15"):
        ExamineRequest("minilm", ["mine"], rows=15)
    assert FuseRequest("fruits", "auto:1", shots=0, seed=2**32 - 1).given["shots"] == 0


def test_the_terminal_refuses_them_too(call: Call) -> None:
    code, _, err = call("examine", "minilm", "mine", "--rows", "15")
    assert code == 2
    assert "--rows" in err
    assert "16" in err


def test_an_unknown_argument_is_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="rankings"):
        Workbench(tmp_path).fusion_plan("fruits", "auto:1", rankings="logme")  # type: ignore[call-arg]

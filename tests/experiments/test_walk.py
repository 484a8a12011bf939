"""The way of a recipe from the command line to what people see of its report: through which rooms, and how often back.

A room is a package; of `experiments` and its studies, each of theirs, and a module that lies alone. The recipe is what
was typed, until it is read; then its document, the model that the document is parsed into, the plan, the record, and
the report. It is in a room when a function there is called with it. What an object does with itself counts as nothing,
and a generator counts once. The pieces are done: their work takes no recipe, and what is shown after each of them is a
part of the way, once more.
"""

from __future__ import annotations

import inspect
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.engine.recipes import ExperimentRecipe
from adapter_workbench.experiments.reporting.presentation import Presentation
from adapter_workbench.experiments.studies.core.record import Record
from adapter_workbench.experiments.studies.core.report import StudyReport
from adapter_workbench.experiments.studies.stream.plan.plan import Plan
from adapter_workbench.experiments.workspace import RecordDocument
from adapter_workbench.workbench.settings.base import Document
from tests.modules import FOLDERS, PACKAGE, ROOT

if TYPE_CHECKING:
    from types import FrameType

    from tests.conftest import Call


FORMS = (ExperimentRecipe, Plan, RecordDocument, Record, StudyReport)
ROOMS, RETURNS = 12, 4
WALK = (
    *("cli", "running", "engine", "settings", "stream/plan", "engine", "stream/plan", "terminal", "running"),
    *("stream/work", "engine", "workspace", "studies", "studies/core", "stream/results", "stream/page"),
)


class Walk:
    """A profiler that notes the rooms in which functions are called with the recipe, until there is a presentation."""

    def __init__(self, typed: str) -> None:
        """Begin with what was typed."""
        self.typed, self.stays = typed, [""]
        self.read = self.ended = False
        self._generators: list[FrameType] = []

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Note the room of a call."""
        code = frame.f_code
        room = room_of(code.co_filename) if event == "call" else None
        if room is None or code.co_name.startswith("<"):
            return
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        given = [frame.f_locals[name] for name in names if name not in ("self", "cls")]
        if any(isinstance(value, Presentation) for value in given):
            self.ended = True
            sys.setprofile(None)
        elif any(map(self._is_recipe, given)) and self._is_new(frame) and room != self.stays[-1]:
            self.stays.append(room)

    def _is_new(self, frame: FrameType) -> bool:
        """Return whether this is a call, not a generator that goes on."""
        new = frame not in self._generators
        if frame.f_code.co_flags & inspect.CO_GENERATOR:
            self._generators.append(frame)
        return new

    def _is_recipe(self, value: Any) -> bool:
        if isinstance(value, Document):
            self.read = self.read or value.origin == self.typed
            return value.origin == self.typed
        return isinstance(value, FORMS) or (not self.read and isinstance(value, str) and value == self.typed)


@cache
def room_of(file: str) -> str | None:
    """Return the room of a module; None for one that is not of this project's packages."""
    path = Path(file)
    if not path.is_relative_to(ROOT):
        return None
    package, *inside = path.relative_to(ROOT).with_suffix("").parts
    if package == PACKAGE:  # through the links in it
        package, *inside = inside
    if package not in FOLDERS or not inside:
        return None
    if inside[0] != "studies" or len(inside) == 2:
        return inside[0]
    return "/".join(inside[1:3] if inside[1] == "stream" else ("studies", inside[1]))


def test_a_recipe_goes_through_twelve_rooms_and_back_four_times(call: Call, recipe: Path) -> None:
    arguments = [
        "run",
        str(recipe),
        "--tasks",
        str(recipe.parent / "tasks"),
        "--workspace",
        str(recipe.parent / "space"),
    ]
    assert call(*arguments)[0] == 0
    walk = Walk(str(recipe))
    sys.setprofile(walk)
    try:
        code, *_ = call(*arguments)
    finally:
        sys.setprofile(None)
    assert code == 0
    assert walk.ended
    stays = tuple(walk.stays[1:])
    assert stays == WALK, "CONTRIBUTING draws this walk"
    assert len(set(stays)) <= ROOMS
    assert len(stays) - len(set(stays)) <= RETURNS

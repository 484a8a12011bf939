"""The settings of a remedy that a program gives to a callback."""

from __future__ import annotations

from typing import Any, TypeVar

from adapter_workbench.experiments.strategies._shared import RemedySettings
from adapter_workbench.workbench.errors import Problem, SettingsError
from adapter_workbench.workbench.settings.document import Document

SettingsT = TypeVar("SettingsT", bound=RemedySettings)


def settings_of(model: type[SettingsT], name: str, **given: Any) -> SettingsT:
    """Return settings that a program gives; a trainer tries one strength only."""
    settings = Document(given, f"{name}(…)").parse(model)
    if len(settings.strengths) > 1 or isinstance(settings.strength, tuple):
        raise SettingsError([Problem(f"'strength': give one number, not {settings.strength!r}", f"{name}(…)")])
    return settings

"""An entry of a stream's recipe: one way to learn the stream, and the learning rates that are tried for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapter_workbench.workbench.settings.base import MethodSettings, Settings

TUNED_ON = 3  # how many tasks, the first of the stream, learning rates are tried on; `work.tuning` says why
GIVEN = "given"  # the strategy whose stages are checkpoints that exist already
FORGET_NOTHING = ("isolated", "mask", "progressive-prompts", "joint")


@dataclass(frozen=True)
class Tried:
    """A learning rate that is tried; ``attempts`` are the keys of its pieces, one for each task."""

    learning_rate: float
    attempts: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """One entry under ``strategies`` in a recipe: how the stream is learned, by which method, with which settings."""

    label: str
    strategy: str
    method: str
    settings: Mapping[str, Any]
    # the label of the entry that this is another learning rate of, for the frontier of stability and plasticity;
    # None for an entry of its own
    frontier: str | None = None
    # the learning rates that are tried for it, its own first; empty where it has no other
    tried: tuple[Tried, ...] = ()
    # the learning rate that its method has where a recipe names none; None where nothing is trained, and in
    # records of earlier versions
    default_rate: float | None = None
    title: str = ""  # what sentences call it; the label where it is empty
    against: str = ""  # the label of the entry that it is compared with; the recipe's reference where it is empty

    @property
    def can_forget(self) -> bool:
        """Whether what it learned of a task may change while it learns another one."""
        return self.strategy not in FORGET_NOTHING

    @property
    def fits_tasks_apart(self) -> bool:
        """Whether each task has a fit of its own, in which no other task has a part.

        Heads on frozen features are isolated entries of method head. Not so units of one adapter (mask), prompts under
        earlier ones (progressive-prompts), a head that is solved for with the sums of all tasks (ranpac), joint
        training, and adapters that begin as earlier ones.
        """
        return self.strategy == "isolated" and self.settings.get("init", "fresh") in ("fresh", "fitted")

    def at(self, learning_rate: float) -> Entry:
        """Return the same entry at another learning rate, which is not tuned."""
        return replace(self, settings={**self.settings, "learning_rate": learning_rate}, tried=())


@dataclass(frozen=True, kw_only=True)
class PlannedEntry(Entry):
    """An entry of a recipe that will be run: its settings are typed, and ``settings`` are made of them.

    Of two settings with one name the strategy's counts, which a recipe can set.
    """

    strategy_settings: Settings
    method_settings: MethodSettings
    settings: Mapping[str, Any] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Write all settings as JSON has them."""
        trained = self.strategy != GIVEN  # else the method says only how to read what was trained
        method = self.method_settings.model_dump(mode="json", exclude_unset=not trained)
        object.__setattr__(self, "settings", {**method, **self.strategy_settings.model_dump(mode="json")})

    @property
    def learning_rate(self) -> float:
        """That of its method."""
        return self.method_settings.learning_rate

    def at(self, learning_rate: float) -> PlannedEntry:
        """Return the same entry at another learning rate, which is not tuned."""
        settings = self.method_settings.model_copy(update={"learning_rate": learning_rate})
        return replace(self, method_settings=settings, tried=())

    def written(self) -> dict[str, Any]:
        """Return the entry as the record has it."""
        return {known.name: getattr(self, known.name) for known in fields(Entry)}

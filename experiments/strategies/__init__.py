"""Ways to learn a stream, one file each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from workbench.registry import Modules

if TYPE_CHECKING:
    from workbench.adaptation import Adaptation
    from workbench.contracts import FitRecord, Listener, Task
    from workbench.model import TaskModel
    from workbench.settings import Budget
    from workbench.settings import Settings as SettingsModel
    from workbench.store import AdapterStore


@dataclass(frozen=True)
class Context:
    """What a strategy may use: its settings, method on backbone, budget, seed, store, listener, checkpoints."""

    settings: Any
    adaptation: Adaptation
    budget: Budget
    seed: int
    store: AdapterStore
    listener: Listener
    label: str
    scratch: Path | None = None


@dataclass(frozen=True)
class State:
    """What a strategy has after a stage.

    Attributes:
        folder: everything it needs to go on, and to answer for the tasks learned so far; None before stage 1.
        key: identifies the folder's content: equal keys, equal states.
    """

    folder: Path | None
    key: str


class Strategy(Protocol):
    """How a stream is learned. Only ``learn`` changes weights.

    Attributes:
        settings: the strategy's own hyper-parameters.
        disposable: names inside a state's folder that later stages and reports can do without; ``keep_states: last``
            drops them, and they are learned anew should another stream go on from there.
    """

    settings: type[SettingsModel]
    disposable: tuple[str, ...]

    def objection(self, settings: Any, method: str) -> str | None:
        """Return why the settings cannot go with a fine-tuning method, or None."""

    def learn(self, state: State, task: Task, context: Context, folder: Path) -> FitRecord:
        """Learn ``task``, coming from ``state``, and write the next state into the empty ``folder``."""

    def model_for(self, state: State, task: Task, context: Context) -> TaskModel:
        """Return the model that answers for ``task`` in ``state``."""

    def identity(self, state: State, task: Task, context: Context) -> str:
        """Return what determines that model: as long as it stays the same, so does every answer."""

    def kept(self, state: State, context: Context) -> list[Path]:
        """Return the files and folders that have to be kept to answer for all tasks learned so far."""


STRATEGIES: Modules[Strategy] = Modules("strategy", __name__, "STRATEGY")

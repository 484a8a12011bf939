"""Ways to learn a stream, one file each."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, runtime_checkable

from pydantic import TypeAdapter

from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.methods.sampling import draw
from adapter_workbench.workbench.settings.registry import Modules

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapter_workbench.experiments.scenarios import Scenario
    from adapter_workbench.experiments.strategies._checkpoint import GivenStage
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.fusion.routing.route import RoutingState
    from adapter_workbench.workbench.adapters.fit_record import FitRecord
    from adapter_workbench.workbench.answering.evaluation import Evaluation
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget
    from adapter_workbench.workbench.settings.base import Settings as SettingsModel

T = TypeVar("T")


@dataclass(frozen=True)
class Context:
    """What a strategy may use at a stage."""

    settings: Any  # the strategy's own
    adaptation: Adaptation  # the method on the backbone
    budget: Budget  # of one task
    seed: int  # draws the examples, and is the seed of everything that is trained on them
    workspace: Workspace  # holds the stored adapters, and what routers know of them
    listener: Listener  # hears how it goes
    label: str  # what to call the stage on a screen
    scenario: Scenario  # how the tasks are posed
    # those learned so far in their order, whole, the one of this stage last. Only joint training may learn from
    # the others' training examples; a strategy that wants some of them later has to keep them.
    tasks: tuple[Task, ...]
    scratch: Path | None = None  # for checkpoints of a fit that takes long
    # router and adapters → the router that knows them, so that the tests of a stage prepare it only once
    routing: dict[tuple[str, ...], RoutingState] = field(default_factory=dict, compare=False)
    given: GivenStage | None = None  # the checkpoint that this stage is; None where the stage is learned

    @property
    def task(self) -> Task:
        """The task of this stage, whole."""
        return self.tasks[-1]

    @property
    def stage_seed(self) -> int:
        """The stage's own seed, for what must not begin as it began at an earlier stage; at the first, ``seed``."""
        return self.seed + 1000 * (len(self.tasks) - 1)

    @cached_property
    def posed(self) -> tuple[Task, ...]:
        """The tasks learned so far as the scenario poses them now, whole."""
        return self.scenario.posed(self.tasks)

    @cached_property
    def labels_before(self) -> int:
        """How many labels a head that all tasks share had before this stage."""
        earlier = self.tasks[:-1]
        return len(self.scenario.posed(earlier)[-1].labels) if earlier else 0

    @cached_property
    def drawn(self) -> tuple[Task, ...]:
        """The same, each with the budget's share of its examples."""
        return tuple(draw(task, self.budget, self.seed) for task in self.posed)

    def asked(self, task: Task) -> Task:
        """Return one of the tasks learned so far as it is posed now."""
        return next(posed for posed in self.posed if posed.name == task.name)


@dataclass(frozen=True)
class State:
    """What a strategy has after a stage."""

    folder: Path | None  # everything it needs to go on, and to answer for the tasks learned so far; None before stage 1
    key: str  # identifies the folder's content: equal keys, equal states
    _known: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def existing(self) -> Path:
        """The folder, where something has been learned."""
        if self.folder is None:
            raise ValueError("nothing has been learned yet")
        return self.folder

    def document(self, kind: TypeAdapter[T], name: str) -> T:
        """Return a document of the folder. It is read once: each task learned so far asks for it.

        Raises:
            IntegrityError: it is missing or damaged.
        """
        return self.once(name, lambda: checksummed.require(kind, self.existing / name))

    def once(self, name: str, find: Callable[[], T]) -> T:
        """Return what ``find`` gives; it is called once, and later calls with this ``name`` get the same."""
        if name not in self._known:
            self._known[name] = find()
        value: T = self._known[name]
        return value


class Strategy(Protocol):
    """How a stream is learned. Only ``learn`` changes weights.

    Attributes:
        settings: the strategy's own hyper-parameters.
        disposable: names inside a state's folder that later stages and reports can do without; ``keep_states: last``
            drops them, and they are learned anew should another stream go on from there.
        stages: ``each`` where tasks come one after the other; ``last`` where all are learned at once, at the end.
    """

    settings: type[SettingsModel]
    disposable: tuple[str, ...]
    stages: Literal["each", "last"]

    def objection(self, settings: Any, method: str, kinds: Sequence[str], scenario: Scenario) -> str | None:
        """Return why this cannot be done with a fine-tuning method, tasks of these kinds, a scenario; or None."""

    def fits(self, settings: Any, examples: Sequence[int]) -> list[int]:
        """Return how many examples each fit of a stage sees in an epoch, from those of each task so far."""

    def learn(self, state: State, context: Context, folder: Path) -> FitRecord:
        """Learn the stage's task, coming from ``state``, and write the next state into the empty ``folder``."""

    def model_for(self, state: State, task: Task, context: Context) -> TaskModel:
        """Return the model that was taught ``task``, as it is in ``state``."""

    def taught(self, task: Task, context: Context) -> Task:
        """Return ``task``, whole, with the labels that the head of its model has."""

    def tested(self, state: State, task: Task, context: Context, model: Callable[[], TaskModel]) -> Evaluation:
        """Return what is answered to the test split of ``task`` in ``state``.

        ``model`` gives what :meth:`model_for` gives, opened once for all who ask; a router may have others answer too.
        """

    def identity(self, state: State, task: Task, context: Context) -> str:
        """Return what determines that model: as long as it stays the same, so does every answer."""

    def kept(self, state: State, context: Context) -> list[Path]:
        """Return the files and folders that have to be kept to answer for all tasks learned so far."""


@runtime_checkable
class AnswersSome(Protocol):
    """A strategy that cannot answer each of a stage's tasks."""

    def answers(self, state: State, task: Task) -> bool:
        """Return whether ``task`` can be answered in ``state``."""


@runtime_checkable
class Revised(Protocol):
    """A strategy of which some settings came to mean another result."""

    def revision(self, settings: Any) -> int:
        """Return 1 where what was stored holds, else the number of the last change; states of another are not taken."""


@runtime_checkable
class TakesPositions(Protocol):
    """A strategy before whose texts not simply the method's virtual tokens stand."""

    def virtual_tokens(self, settings: Any, method_settings: Any, tasks: int) -> int:
        """Return how many positions are taken before each text once so many tasks are learned.

        Raises:
            InputError: the settings of strategy and method do not go together.
        """


ADAPTERS_FILE = "adapters.json"  # in a state where each task has an adapter of its own: task → its id
ADAPTERS = TypeAdapter(dict[str, str])


def adapter_ids(folder: Path) -> dict[str, str]:
    """Return the ids of the adapters in a state's folder, by task; none where the tasks share one.

    Raises:
        IntegrityError: the list is damaged.
    """
    return checksummed.read(ADAPTERS, folder / ADAPTERS_FILE) or {}


STRATEGIES: Modules[Strategy] = Modules("strategy", __name__, "STRATEGY", Strategy)

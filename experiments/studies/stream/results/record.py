"""What a stream has measured so far: everything that its report is made of."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from adapter_workbench.experiments.reporting.wording import replicated
from adapter_workbench.experiments.strategies import adapter_ids
from adapter_workbench.experiments.strategies._groups import groups_in
from adapter_workbench.experiments.studies.core import record as core
from adapter_workbench.experiments.studies.stream.plan.entry import Entry
from adapter_workbench.experiments.studies.stream.plan.orders import replications
from adapter_workbench.experiments.studies.stream.results.unlearned import DoubtfulTest, constant_scores, doubtful_tests
from adapter_workbench.experiments.studies.stream.work.stage_outcome import StageFolders, StageOutcome
from adapter_workbench.experiments.studies.stream.work.tuning import Tuning, require_attempts, tuning_so_far
from adapter_workbench.experiments.workspace.documents import form_of
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.errors import IntegrityError, UnknownNameError
from adapter_workbench.workbench.methods.kind import GENERATED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from adapter_workbench.experiments.workspace import RecordDocument, Workspace

    ChosenStage = tuple[Mapping[str, Any], str]

BEFORE = "before"


@dataclass(frozen=True, kw_only=True)
class Record(core.Record):
    """A stream as far as it has come."""

    kind = "a stream"
    result_fields = ("stages", "outcomes", "examples", "first_examples", "doubtful", "adapters", "groups", "tunings")

    description: str = ""
    tasks: tuple[str, ...]  # the stream, in order
    test_sizes: tuple[int, ...]  # examples in each task's test split, in the order of ``tasks``
    # M[j], the score of always giving the same answer to each task, in the order of ``tasks``
    majority: tuple[float, ...]
    # the orders that the stream is learned in. The first one is ``tasks``, and each seed with each order is one
    # replication.
    orders: tuple[tuple[str, ...], ...]
    # whether the i-th seed learns the i-th of the orders alone; the first one is drawn too then
    order_per_seed: bool = False
    scenario: str  # what is known when a task is answered, and of where it begins
    # share of each task's training examples that other stages brought; None where they brought none
    overlap: float | None = None
    # in the recipe's order; one that is tuned is at the learning rate that was chosen, as soon as that is known,
    # and another entry at this same rate is left out. In record.json they are ``contenders``.
    entries: Annotated[tuple[Entry, ...], Field(alias="contenders")]
    budget: Mapping[str, Any]  # the resolved budget, the same for all entries
    kinds: Mapping[str, str] = field(default_factory=dict)  # task → its kind
    # task → id of a test example → number of its text, where other test examples have the same text; empty where
    # none has, and in records of earlier versions
    shared_texts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    learned: str = "in-order"  # from where a task counts: ``in-order``, or ``before`` any stage, as of checkpoints
    # label → names of the checkpoints that an entry's stages are, from stage 0 on; empty names where there is
    # none
    checkpoints: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # label → task → how it is answered by checkpoints (`Way`)
    ways: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    # coordinates and key of each stage, as far as its learning rate is chosen
    stages: tuple[tuple[Mapping[str, Any], str], ...] = ()
    outcomes: tuple[StageOutcome, ...] = ()  # every finished stage; stages may be missing while a run goes on
    # (label, seed, order, task) → parquet file of per-example outcomes after the last stage (columns id, label,
    # prediction, correct, confidence, log_likelihood)
    examples: Mapping[tuple[str, int, int, str], Path] = field(default_factory=dict)
    # the same after stage 0, of checkpoints that all tasks count in
    first_examples: Mapping[tuple[str, int, int, str], Path] = field(default_factory=dict)
    # the tests that have to be looked at to say whether a task was learned at all
    doubtful: tuple[DoubtfulTest, ...] = ()
    # (label, seed, order) → task → its adapter, where a stream is at its end and each task has its own
    adapters: Mapping[tuple[str, int, int], Mapping[str, StoredAdapter]] = field(default_factory=dict)
    # (label, seed, order, stage) → the tasks of each adapter after the stage, where tasks share adapters
    groups: Mapping[tuple[str, int, int, int], tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    # label → what came of the learning rates that were tried
    tunings: Mapping[str, Tuning] = field(default_factory=dict)

    @property
    def examined(self) -> bool:
        """Whether all tasks count from the first checkpoint on."""
        return self.learned == BEFORE

    @property
    def generates(self) -> bool:
        """Whether the answers to all tasks are generated, so that no task has a head."""
        return bool(self.kinds) and {*self.kinds.values()} <= {*GENERATED}

    @property
    def last(self) -> int:
        """The last stage."""
        return _last(self.learned, self.tasks, self.checkpoints)

    @property
    def since(self) -> tuple[int, ...] | None:
        """From which stage each task counts; None: task j from stage j."""
        return (0,) * len(self.tasks) if self.examined else None

    @property
    def replications(self) -> tuple[tuple[int, int], ...]:
        """Every (seed, order) of the recipe: all orders of the first seed first."""
        return replications(self.seeds, len(self.orders), self.order_per_seed)

    @property
    def orders_of_a_seed(self) -> int:
        """How many orders each seed learns."""
        return 1 if self.order_per_seed else len(self.orders)

    @property
    def replicated(self) -> str:
        """What was repeated: ``3 seeds``, ``2 seeds, each in 5 orders``, ``3 seeds, each in its own order``."""
        fewest = min((len(own) for own in self.seeds_of.values()), default=len(self.seeds))
        whole = replicated(len(self.seeds), self.orders_of_a_seed, self.order_per_seed)
        return whole if fewest == len(self.seeds) else f"{fewest} to {whole}"

    @property
    def order_shown(self) -> str:
        """Which orders matrices and curves are of, as the end of a phrase; nothing where there is one order."""
        if self.order_per_seed:
            return ", each seed in its own order"
        return ", the recipe's order" if len(self.orders) > 1 else ""

    @property
    def planned(self) -> int:
        """How many streams there will be: one for each entry and replication."""
        return sum(seed in self.planned_seeds(entry.label) for entry in self.entries for seed, _ in self.replications)

    @property
    def done(self) -> int:
        """How many of them have come to their end."""
        labels = {entry.label for entry in self.entries}
        return sum(outcome.stage == self.last and outcome.label in labels for outcome in self.outcomes)

    @classmethod
    def results_from(cls, document: RecordDocument, workspace: Workspace) -> dict[str, Any]:
        """Return outcomes, those of single examples, adapters, and entries at the learning rates chosen for them."""
        planned = [form_of(Entry).validate_python(given) for given in document.about["contenders"]]
        if document.finished and not workspace.access.mends:
            require_attempts((tried for entry in planned for tried in entry.tried), workspace)
        so_far = {entry.label: tuning_so_far(entry.tried, workspace) for entry in planned if entry.tried}
        tunings = {label: tuning for label, tuning in so_far.items() if tuning}
        stages = chosen_stages(document, {label: tuning.rung for label, tuning in tunings.items()})
        outcomes, about = outcomes_of(stages, document, workspace), document.about
        last = _last(about.get("learned", ""), about["tasks"], about.get("checkpoints", {}))
        return {
            "stages": tuple(stages),
            "outcomes": tuple(outcomes),
            "examples": _examples(outcomes, last, workspace),
            "first_examples": _examples(outcomes, 0, workspace) if about.get("learned") == BEFORE else {},
            "doubtful": doubtful_tests(
                outcomes,
                {entry.label: entry.strategy for entry in planned},
                constant_scores(document.about["tasks"], document.about["majority"]),
                workspace,
            ),
            "adapters": {
                (coordinates["label"], coordinates["seed"], coordinates["order"]): own_adapters(stage_key, workspace)
                for coordinates, stage_key in stages
                if coordinates["stage"] == last
            },
            "groups": {
                (coordinates["label"], coordinates["seed"], coordinates["order"], coordinates["stage"]): shared
                for coordinates, stage_key in stages
                if (shared := shared_adapters(stage_key, workspace))
            },
            "entries": tuple(_as_chosen(planned, tunings)),
            "tunings": tunings,
        }


def _examples(
    outcomes: Sequence[StageOutcome], number: int, workspace: Workspace
) -> dict[tuple[str, int, int, str], Path]:
    """Return the files of per-example outcomes after a stage."""
    return {
        (stage.label, stage.seed, stage.order, cell.task): workspace.evaluations.outcomes(cell.evaluation)
        for stage in outcomes
        if stage.stage == number
        for cell in stage.cells
    }


def _last(learned: str, tasks: Sequence[str], checkpoints: Mapping[str, Sequence[str]]) -> int:
    """Return the last stage: of checkpoints that all tasks count in, the last of them."""
    return max(map(len, checkpoints.values())) - 1 if learned == BEFORE else len(tasks)


def _as_chosen(planned: Sequence[Entry], tunings: Mapping[str, Tuning]) -> Iterator[Entry]:
    """Yield the entries at their chosen rates; a point of the frontier at a chosen rate is left out."""
    for entry in planned:
        tuning = tunings.get(entry.frontier or entry.label)
        if tuning is None or (entry.settings["learning_rate"] != tuning.chosen and entry.frontier):
            yield entry
        elif entry.frontier is None:
            yield replace(entry.at(tuning.chosen), tried=entry.tried)


# Reads the results of a stream's pieces, for its record; no model is needed.


def chosen_stages(document: RecordDocument, rungs: Mapping[str, int]) -> list[ChosenStage]:
    """Return the coordinates and the stage's key of each piece that is a stage.

    Args:
        document: the record.
        rungs: label → which of its learning rates was chosen; a label that has none is left out, where it tries some.
    """
    stages = []
    for coordinates in (piece.coordinates for piece in document.pieces):
        if "step" in coordinates:
            stages.append((coordinates, coordinates["step"]))
        elif "steps" in coordinates and coordinates["label"] in rungs:
            stages.append((coordinates, coordinates["steps"][rungs[coordinates["label"]]]))
    return stages


def outcomes_of(stages: Iterable[ChosenStage], document: RecordDocument, workspace: Workspace) -> list[StageOutcome]:
    """Return the outcomes of a stream's stages; all that are damaged or missing are named in one IntegrityError."""
    outcomes: list[StageOutcome] = []
    damaged: list[IntegrityError] = []
    for coordinates, stage_key in stages:
        try:
            outcome = _relabelled(coordinates, stage_key, workspace)
            if outcome is None and document.finished and not workspace.access.mends:
                path = StageFolders(workspace).folder(stage_key) / coordinates["outcome"]
                raise IntegrityError("result file of this stage is missing", where=str(path))
        except IntegrityError as error:
            damaged.append(error)
            continue
        if outcome:
            outcomes.append(outcome)
    if damaged:
        first, *others = damaged
        also = "".join(f"; also {error.where}: {error.what}" for error in others[:3])
        more = f"; and {len(others) - 3} more" if len(others) > 3 else ""
        raise IntegrityError(f"{first.what}{also}{more}", where=first.where)
    return outcomes


def _relabelled(coordinates: Mapping[str, Any], stage_key: str, workspace: Workspace) -> StageOutcome | None:
    """Return a stage's outcome under the label and the order that this experiment gives it."""
    outcome = StageFolders(workspace).outcome(stage_key, coordinates["outcome"])
    if outcome is None:
        return None
    for cell in outcome.cells if not workspace.access.mends else ():
        if cell.evaluation:
            workspace.evaluations.require_outcomes(cell.evaluation)
    return replace(outcome, label=coordinates["label"], order=coordinates["order"])


def own_adapters(stage_key: str, workspace: Workspace) -> dict[str, StoredAdapter]:
    """Return the adapters that a stage left, by task, as far as they are still there; none where tasks share one."""
    adapters = {}
    with suppress(IntegrityError):  # a report needs none of them
        for task, name in adapter_ids(StageFolders(workspace).folder(stage_key) / "state").items():
            with suppress(UnknownNameError, IntegrityError):
                adapters[task] = workspace.adapters.get(name)
    return adapters


def shared_adapters(stage_key: str, workspace: Workspace) -> tuple[tuple[str, ...], ...]:
    """Return the tasks of each adapter after a stage, where tasks share some; none where that is unknown."""
    with suppress(IntegrityError):
        return tuple(group.tasks for group in groups_in(StageFolders(workspace).folder(stage_key) / "state").groups)
    return ()

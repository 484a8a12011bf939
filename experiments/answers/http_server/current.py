"""What is served at a moment: adapters and routers, open; it never changes, and another one takes its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.answers.adapter_task import on_data_here
from adapter_workbench.experiments.answers.routed_predictions import reads_tasks, suits, training_task, validation
from adapter_workbench.experiments.workspace.routers import known_state, with_floors
from adapter_workbench.fusion.routing.route import RoutingState, require_routable
from adapter_workbench.fusion.routing.routed_texts import adapters_for_texts
from adapter_workbench.fusion.routing.routers import ROUTERS
from adapter_workbench.workbench.adapters.ids import by_id
from adapter_workbench.workbench.answering.adapter_set import AdapterSet
from adapter_workbench.workbench.answering.predictor import Answer, rows_of
from adapter_workbench.workbench.backbone.answer_options import DEFAULTS
from adapter_workbench.workbench.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from pathlib import Path

    from datasets import Dataset

    from adapter_workbench.experiments.answers.http_server.selection import Selection
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.fusion.routing.rejection import Rejection
    from adapter_workbench.fusion.routing.routers import RouterSettings
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.answering.text_likelihood import TextLikelihood
    from adapter_workbench.workbench.backbone.answer_options import AnswerOptions
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.methods.task import Task

PROBE = "a text"


@dataclass(frozen=True)
class Routing:
    """A router, and where it keeps and finds what it knows."""

    name: str  # of the router
    settings: RouterSettings  # its own
    workspace: Workspace  # what it learned of adapters is kept there
    task_folders: Sequence[Path]  # of a person's own tasks, whose training examples it may read
    listener: Listener  # hears what it reads
    rejection: Rejection | None = None  # when a text is of none of the tasks; None: every text gets an answer

    def states(self, adapters: Sequence[StoredAdapter], backbone: Backbone) -> dict[bool, RoutingState]:
        """Return, for single texts (False) and for pairs (True), the router that knows the adapters for such texts.

        Raises:
            InputError: it can choose among none of them, needs data that are not there, or is for evaluations only.
        """

        def task_of(adapter: StoredAdapter) -> Task:
            return training_task(adapter, self.task_folders)

        states, libraries = {}, ROUTERS.get(self.name).libraries
        for pair in (False, True):
            fit = [adapter for adapter in adapters if suits(adapter.manifest, pair, libraries)]
            if not fit:
                continue
            require_routable(self.name, fit, backbone)
            if reads_tasks(self.name, self.rejection):
                fit = [*on_data_here(fit, self.task_folders)]
            workspace = self.workspace
            state = known_state(workspace, self.name, self.settings, fit, backbone, task_of, self.listener)
            state = replace(state, reader=state.reader.opened_once())
            validation_of = partial(validation, self.task_folders)
            states[pair] = with_floors(workspace, state, self.rejection, validation_of, self.listener)
            adapters_for_texts(
                states[pair], rows_of([(PROBE, PROBE) if pair else PROBE])
            )  # a router that cannot choose fails now
        if not states:
            require_routable(self.name, adapters, backbone)
        return states


def _always() -> bool:
    return True


@dataclass(frozen=True)
class Job:
    """Texts of one request, with what answers them."""

    current: Current  # what was served when they came
    rows: Dataset  # the texts (`predictor.rows_of`)
    adapter: str | None  # the id of the adapter that answers; None where a router chooses for each text
    options: AnswerOptions = DEFAULTS  # of all texts, where answers are generated
    is_awaited: Callable[[], bool] = _always  # whether anybody still waits for the answers
    # where not answers are asked for, but how likely the texts are: how many of the likeliest tokens are told at
    # each place
    most: int | None = None
    is_counted: bool = True  # whether the metrics count the texts; not, where they were counted before

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.rows)


@dataclass(frozen=True)
class Routed:
    """How a router chose for each text."""

    nearest: Sequence[str]  # the id of the adapter with the highest score, believed or not
    scores: Sequence[float]  # the score


@dataclass(frozen=True)
class Reply:
    """Answers to texts that came together."""

    answers: Sequence[Answer]  # one for each text; none where a job asks how likely the texts are
    # for each text the id of the adapter that answered; None where the router rejects the text, which has no
    # answer then
    adapters: Sequence[str | None]
    routed: Routed | None = None  # how a router chose; None where none did
    likelihoods: Sequence[TextLikelihood | None] = ()  # of each text, where a job asks for them


@dataclass(frozen=True)
class Current:
    """Adapters and routers that are open."""

    opened: AdapterSet  # the adapters
    by_task: Mapping[str, str]  # task → id of the adapter that answers for it
    routers: Mapping[bool, RoutingState]  # for single texts (False) and for pairs (True)
    beside: Backbone  # the backbone as the next adapters are tried with it

    @classmethod
    def of(
        cls,
        selection: Selection,
        routing: Routing | None,
        before: Current | None = None,
        bank_bytes: int | None = None,
    ) -> Current:
        """Open what was selected; what is open in ``before`` and has not changed is taken from there.

        At the start one adapter of each group is tried. Later each new one is: others answer meanwhile, and go on.

        Each bank of adapters holds ``bank_bytes`` in memory, or all.

        What is new is tried with a tokenizer of its own, so that this can be done beside a thread that answers. Both
        tokenizers stay: a new one for each reload would leave gaps in memory, between what stays of the adapters.
        """
        if before and before.opened.backbone.is_still(selection.backbone):
            backbone, beside = before.opened.backbone, before.beside
        else:
            backbone, beside = selection.backbone, selection.backbone.beside()
            _ = backbone.identity  # of the files as they are now: they may be others at the next reload
        trying = beside if before else backbone
        opened = AdapterSet.open(selection.adapters, trying, before.opened if before else None, bank_bytes)
        groups_before = before.opened.groups if before else ()
        identities = {adapter.identity for group in groups_before for adapter in group.adapters.values()}
        for group in opened.groups:
            if group not in groups_before:
                newcomers = [adapter for adapter in group.adapters.values() if adapter.identity not in identities]
                for tried in newcomers if before and newcomers else [*group.adapters.values()][:1]:
                    text = (PROBE, PROBE) if tried.manifest.task.pair else PROBE
                    group.answers(rows_of([text], tried.manifest.task), [tried.id])
                group.read_with(backbone)
        _ = backbone.tokenizer  # opened here, and not by the first stream for all others
        named = {*selection.by_task.values()}
        answering = [adapter for adapter in selection.adapters if adapter.id in named]
        routers = routing.states(answering, selection.backbone) if routing else {}
        return cls(replace(opened, backbone=backbone), selection.by_task, routers, beside)

    def owner(self, task: str | None, adapter: str | None) -> str | None:
        """Return the id of the adapter that answers; None where neither is named.

        Raises:
            UnknownNameError: no such task or adapter is served.
        """
        if task is not None and task not in self.by_task:
            raise UnknownNameError("task", task, self.by_task, also="Only these are served.")
        name = self.by_task[task] if task is not None else adapter
        if name is None:
            return None
        return by_id(name, [*self.opened.adapters], listed="GET /adapters lists them.")  # a client runs no commands

    def job_for(
        self, texts: Sequence[Any], task: str | None, adapter: str | None, options: AnswerOptions = DEFAULTS
    ) -> Job:
        """Return what answers ``texts`` (or pairs of texts).

        Raises:
            UnknownNameError: no such task or adapter is served.
            InputError: neither is named and there is no router, or these are not texts that it answers.
        """
        owner = self.owner(task, adapter)
        if owner is None:
            rows = rows_of(texts)
            if ("text_pair" in rows.column_names) not in self.routers:
                raise InputError("name the task or the adapter: no router is served that chooses for such texts")
            return Job(self, rows, None, options)
        return Job(self, rows_of(texts, self.opened.adapters[owner].manifest.task), owner, options)

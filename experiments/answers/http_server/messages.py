"""What requests and responses look like; the OpenAPI document is made from these classes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from adapter_workbench.experiments.answers.http_server.current import Current, Reply, Routed
    from adapter_workbench.workbench.adapters.manifest import Manifest
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter

MOST_FIELDS = 64  # of one object; more than any has


def of_whole_characters(text: str) -> str:
    """Refuse what JSON can write and no encoding can: half of a character that takes two escapes."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"half a character at position {error.start}") from None
    return text


Words = Annotated[str, AfterValidator(of_whole_characters)]


class SentObject(BaseModel):
    """An object in a request: it has no fields but its own, and where it has very many, they are not looked at."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, sent: Any) -> Any:
        if isinstance(sent, dict) and len(sent) > MOST_FIELDS:
            raise ValueError(f"{len(sent)} fields; there may be {MOST_FIELDS}")
        return sent


class Text(SentObject):
    """A text, or for a pair task two."""

    text: Words
    text_pair: Words | None = None


class Question(SentObject):
    """Texts, and what they are asked: a task, an adapter, or neither where a router chooses."""

    texts: list[Words | Text] = Field(min_length=1, fail_fast=True)
    task: str | None = None
    adapter: str | None = Field(None, description="An id, or its beginning.")
    stream: bool = Field(False, description="Send a generated answer as it comes, as server-sent events; one text.")

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if self.task is not None and self.adapter is not None:
            raise ValueError("name a task or an adapter, not both")
        return self

    @model_validator(mode="after")
    def _one_text(self) -> Self:
        if self.stream and len(self.texts) != 1:
            raise ValueError(f"a stream answers one text, not {len(self.texts)}")
        return self

    @property
    def inputs(self) -> list[str | tuple[str, str]]:
        """The texts and pairs as everything else here takes them."""
        return [text if isinstance(text, str) else _text_or_pair(text) for text in self.texts]


class Answer(BaseModel):
    """What is said about one text."""

    label: str | None = Field(
        description="In words: a label, several with commas, a number, tagged words, or generated text; null where the "
        "router found that the text is of none of the tasks."
    )
    confidence: float | None = Field(description="A probability; null where none is known.")
    value: str | float | list[str] | None = Field(description="The answer as data: a list of labels or tags, a number.")
    adapter: str | None = Field(description="Null where the text is of none of the tasks.")
    task: str | None = Field(description="Null where the text is of none of the tasks.")
    routing_score: float | None = Field(None, description="The router's score of the nearest task, where one chose.")
    nearest_task: str | None = Field(None, description="The task with the highest score, also where that is too low.")


class Answers(BaseModel):
    """What is said about each text, in their order."""

    adapter: str | None = Field(description="That answered; null where a router chose one for each text.")
    answers: list[Answer]


class Served(BaseModel):
    """An adapter that is served."""

    id: str
    task: str
    kind: str
    method: str
    pairs: bool
    labels: list[str]
    answers_for_task: bool = Field(description="Whether a request that names the task is answered by it.")


class Adapters(BaseModel):
    """All that is served."""

    backbone: str
    router: str | None
    rejected_below: dict[str, float | None] | None = Field(
        description="Task → the router's score below which a text is not believed to be of it, null where any is; null "
        "in place of all where no text is rejected."
    )
    adapters: list[Served]


class Reloaded(BaseModel):
    """What a reload changed."""

    added: list[str]
    removed: list[str]
    tasks: dict[str, str] = Field(description="Task → id of the adapter that answers for it now.")


class Welcome(BaseModel):
    """What the server is, and where to look."""

    name: str
    version: str
    backbone: str
    router: str | None
    tasks: list[str]
    paths: dict[str, str]
    example: str


class State(BaseModel):
    """How the server is."""

    status: str


def answers_of(reply: Reply, current: Current) -> Answers:
    """Return a reply as it is sent."""
    given, adapters = [], current.opened.adapters
    for index, (answer, adapter) in enumerate(zip(reply.answers, reply.adapters, strict=True)):
        routed = _routed(reply.routed, index, adapters) if reply.routed else {}
        if adapter is None:
            given.append(Answer(label=None, confidence=None, value=None, adapter=None, task=None, **routed))
            continue
        fields = {"label": answer.words, "confidence": answer.confidence, "value": answer.value}
        given.append(Answer(**fields, adapter=adapter, task=adapters[adapter].manifest.task.name, **routed))
    return Answers(adapter=None if reply.routed else reply.adapters[0], answers=given)


def _routed(routed: Routed, index: int, adapters: Mapping[str, StoredAdapter]) -> dict[str, Any]:
    nearest = adapters[routed.nearest[index]].manifest.task.name
    return {"routing_score": routed.scores[index], "nearest_task": nearest}


def adapters_of(current: Current, router: str | None) -> Adapters:
    """Return what is served as it is sent."""
    served = [_served_adapter(adapter.manifest, current) for adapter in current.opened.adapters.values()]
    below = {
        adapter.manifest.task.name: floor if math.isfinite(floor) else None
        for state in current.routers.values()
        if state.floors is not None
        for adapter, floor in zip(state.adapters, state.floors.tolist(), strict=True)
    }
    name = current.opened.backbone.name
    return Adapters(backbone=name, router=router, rejected_below=below or None, adapters=served)


def _served_adapter(manifest: Manifest, current: Current) -> Served:
    task = manifest.task
    return Served(
        id=manifest.id,
        task=task.name,
        kind=task.kind,
        method=manifest.method,
        pairs=task.pair,
        labels=list(task.labels),
        answers_for_task=current.by_task.get(task.name) == manifest.id,
    )


def _text_or_pair(text: Text) -> Any:
    return text.text if text.text_pair is None else (text.text, text.text_pair)

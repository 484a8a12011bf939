"""The models that clients of OpenAI's interface can ask: each adapter, by its id and by the task it answers for."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

from adapter_workbench.workbench.errors import UnknownNameError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from adapter_workbench.experiments.answers.http_server.current import Current
    from adapter_workbench.experiments.answers.http_server.service import Service

LISTED = "GET /v1/models lists them."


class Model(BaseModel):
    """A name under which an adapter answers."""

    id: str = Field(description="An adapter's id, or the name of the task that it answers for.")
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "adapter-workbench"
    root: str = Field(description="The adapter's id.")
    parent: str = Field(description="The backbone.")


class Models(BaseModel):
    """All names under which adapters answer."""

    object: Literal["list"] = "list"
    data: list[Model]


def add_models(app: FastAPI, service: Service) -> None:
    """List the models that can be asked, and tell of one."""

    @app.get("/v1/models")
    async def models() -> Models:
        """Tell which models can be asked: each adapter by its id, and by its task where it answers for that."""
        current = service.current
        return Models(data=[_model(current, name, adapter) for name, adapter in _names(current).items()])

    @app.get("/v1/models/{model:path}")  # a path: a name with a slash is unknown, as any other
    async def model(model: str) -> Model:
        """Tell of one of the models; the beginning of an adapter's id will do."""
        current = service.current
        owner = model_owner(current, model)
        return _model(current, model if model in current.by_task else owner, owner)


def model_owner(current: Current, name: str) -> str:
    """Return the id of the adapter that answers as the model of this name.

    Raises:
        UnknownNameError: there is no such model.
        InputError: several adapters' ids begin so.
    """
    task = name if name in current.by_task else None
    try:
        return str(current.owner(task, None if task else name))
    except UnknownNameError:
        raise UnknownNameError("model", name, _names(current), also=LISTED) from None


def _names(current: Current) -> dict[str, str]:
    """Return name → id of the adapter."""
    return {name: name for name in current.opened.adapters} | dict(current.by_task)


def _model(current: Current, name: str, adapter: str) -> Model:
    created = _seconds(current.opened.adapters[adapter].manifest.since)
    return Model(id=name, created=created, root=adapter, parent=current.opened.backbone.name)


def _seconds(moment: str) -> int:
    """Return a moment in seconds since 1970; 0 where none is known."""
    try:
        return int(datetime.fromisoformat(moment).timestamp())
    except ValueError:
        return 0

"""The OpenAPI document: what each path answers, its refusals and their form included."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from adapter_workbench.experiments.answers.http_server.admission import OPEN
from adapter_workbench.experiments.answers.http_server.bodies import BODIES
from adapter_workbench.experiments.answers.http_server.completions import CONTINUES
from adapter_workbench.experiments.answers.http_server.errors import JSON
from adapter_workbench.experiments.answers.http_server.messages import State
from adapter_workbench.experiments.answers.http_server.refusals import OPENAI

if TYPE_CHECKING:
    from fastapi import FastAPI

    from adapter_workbench.experiments.answers.http_server.current import Current
    from adapter_workbench.experiments.answers.http_server.service import Service


class Refused(BaseModel):
    """Why nothing was done."""

    detail: str


class OpenAIError(BaseModel):
    """What is wrong, as OpenAI's interface says it."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIRefused(BaseModel):
    """Why nothing was done, as OpenAI's interface says it."""

    error: OpenAIError = Field(description="What is wrong.")


REFERENCE = "#/components/schemas/{model}"
WRONG = HTTPStatus.UNPROCESSABLE_ENTITY
ALWAYS = {
    HTTPStatus.BAD_REQUEST: "It is not HTTP/1.1, has two lengths, or calls the server by another name.",
    HTTPStatus.UNAUTHORIZED: "The key is missing or wrong.",
    HTTPStatus.REQUEST_TIMEOUT: "The request was not there as a whole in time.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The request is too large.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The work failed; the server's log says why.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The server is stopping, or has no connection or memory left.",
}
OF_A_BODY = {
    HTTPStatus.NOT_FOUND: "No such task or adapter is served.",
    WRONG: "Something else is wrong with the request.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many texts are waiting; Retry-After says when to try again.",
    HTTPStatus.GATEWAY_TIMEOUT: "There was no answer in time.",
}
OF_PATHS = {
    "/reload": {
        HTTPStatus.FORBIDDEN: "A web page of another origin asks.",
        HTTPStatus.CONFLICT: "What was found cannot be served, or another reload is running; nothing was changed.",
    },
    "/v1/models/{model}": {
        HTTPStatus.NOT_FOUND: "There is no such model.",
        WRONG: "Several models' names begin so.",
    },
}
KEY = "key"

Examples = dict[str, dict[str, dict[str, Any]]]
"""Path → what is asked for → a body that asks for it."""


def describe(app: FastAPI, service: Service, wants_key: bool) -> None:
    """Let the application's OpenAPI document say all that its paths answer, with examples of what is served now.

    All paths have to be there; ``wants_key`` says whether requests have to bring a key.
    """
    documents: dict[str, dict[str, Any]] = {}

    def openapi() -> dict[str, Any]:
        examples = _examples(service.current)
        name = json.dumps(examples)
        if name not in documents:
            documents.clear()  # a reload may have replaced what the examples ask
            documents[name] = _document(app, wants_key, examples)
        return documents[name]

    app.openapi = openapi  # type: ignore[method-assign]  # as fastapi's own pages do it


def _document(app: FastAPI, wants_key: bool, examples: Examples) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, routes=app.routes)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path in examples:
                named = {name: {"value": body} for name, body in examples[path].items()}
                operation["requestBody"]["content"][JSON]["examples"] = named
            operation["responses"] = _responses(path, operation["responses"], wants_key)
            if wants_key and path not in OPEN:
                operation["security"] = [{KEY: []}]
    _, described = models_json_schema(
        [(model, "serialization") for model in (Refused, OpenAIRefused, State)], ref_template=REFERENCE
    )
    known = document["components"]["schemas"]
    unused = ("HTTPValidationError", "ValidationError")  # the form that fastapi gives to what is wrong
    schemas = {name: schema for name, schema in known.items() if name not in unused} | described["$defs"]
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    if wants_key:
        document["components"]["securitySchemes"] = {KEY: {"type": "http", "scheme": "bearer"}}
    return document


def _examples(current: Current) -> Examples:
    """Return requests that are answered, by path and what they ask for."""
    examples: Examples = {}
    adapters, text = current.opened.adapters, "a text"
    single = sorted(task for task, owner in current.by_task.items() if not adapters[owner].manifest.task.pair)
    if single:
        chat = {"model": single[0], "messages": [{"role": "user", "content": text}]}
        examples["/predict"] = {text: {"texts": [text], "task": single[0]}}
        examples["/v1/chat/completions"] = {"a chat": chat}
    if continuing := [task for task in single if adapters[current.by_task[task]].manifest.task.kind == CONTINUES]:
        asked = {"model": continuing[0], "prompt": text}
        weighed = {**asked, "max_tokens": 1, "echo": True, "logprobs": 1}
        examples["/v1/completions"] = {text: asked, "how likely it is": weighed}
    return examples


def _responses(path: str, own: dict[str, Any], wants_key: bool) -> dict[str, Any]:
    """Return what a path answers: its own responses, and each refusal in the form that it has there."""
    refusals = {**ALWAYS, **(OF_A_BODY if path in BODIES else {}), **OF_PATHS.get(path, {})}
    if not wants_key or path in OPEN:
        refusals.pop(HTTPStatus.UNAUTHORIZED)
    is_openai = path.startswith(OPENAI)
    if is_openai and WRONG in refusals:
        refusals[HTTPStatus.BAD_REQUEST] = f"{refusals[HTTPStatus.BAD_REQUEST]} Or: {refusals.pop(WRONG)}"
    schema = {"$ref": REFERENCE.format(model="OpenAIRefused" if is_openai else "Refused")}
    responses = {str(HTTPStatus.OK.value): own[str(HTTPStatus.OK.value)]}
    for code, why in sorted(refusals.items()):
        is_state = path in OPEN and code == HTTPStatus.SERVICE_UNAVAILABLE
        either = {"anyOf": [{"$ref": REFERENCE.format(model="State")}, schema]} if is_state else schema
        responses[str(code.value)] = {"description": why, "content": {JSON: {"schema": either}}}
    return responses

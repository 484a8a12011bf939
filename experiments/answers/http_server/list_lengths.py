"""Lists in a request that are too long: refused by their length, before a second is spent on their entries."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import HTTPException, Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from adapter_workbench.experiments.answers.http_server.limits import Limits


def lists_within(limits: Limits) -> Callable[[Request], Awaitable[None]]:
    """Return a dependency of a path, which fastapi calls after it has parsed a body and before it checks the body.

    It raises HTTPException (413) where one of the body's lists has more than ``limits.texts`` entries.
    """

    async def require(request: Request) -> None:
        content: Any = None
        with suppress(ValueError, RecursionError):  # what is no JSON is refused elsewhere
            content = await request.json()  # parsed once
        _require(content, "texts", "one request may have {} texts", limits)
        _require(content, "messages", "one chat may have {} messages", limits)
        messages = _listed(content, "messages")
        for message in messages:
            _require(message, "content", "one message may have {} parts", limits)
        _require_prompts(_listed(content, "prompt"), limits)

    return require


def _require(sent: Any, name: str, bound: str, limits: Limits) -> None:
    if (length := len(_listed(sent, name))) > limits.texts:
        message = f"{bound.format(limits.texts)}, and this one has {length}"
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)


def _require_prompts(prompt: list[Any], limits: Limits) -> None:
    """Refuse too many prompts, and one of very many tokens."""
    if prompt and isinstance(prompt[0], str | list) and len(prompt) > limits.texts:
        message = f"one request may have {limits.texts} prompts, and this one has {len(prompt)}"
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
    longest = max([len(prompt), *(len(tokens) for tokens in prompt[: limits.texts] if isinstance(tokens, list))])
    if longest > limits.characters:
        message = f"one prompt may have {limits.characters:,} tokens, and the longest here has {longest:,}"
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)


def _listed(sent: Any, name: str) -> list[Any]:
    """Return the list that an object has under a name; an empty one where it has none there."""
    listed = sent.get(name) if isinstance(sent, dict) else None
    return listed if isinstance(listed, list) else []

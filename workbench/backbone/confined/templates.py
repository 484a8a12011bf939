"""Chat templates rendered as transformers renders them; runs in the child process."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, NoReturn

from jinja2 import Environment, Template, TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment

LONGEST_TEMPLATE = 1_000_000  # characters
ADDED, TIMES = 100_000, 10  # a rendering has at most so many times the turns' characters, and so many more

Turns = list[dict[str, str]]


def render(template: str, chats: list[Turns], options: dict[str, Any]) -> list[str]:
    """Return the text of each chat.

    Args:
        template: of Jinja.
        chats: each a list of turns with ``role`` and ``content``.
        options: further names that the template may use, special tokens among them.

    Raises:
        ValueError: the template is too long, or makes a text that is.
        Exception: whatever the template raises.
    """
    if len(template) > LONGEST_TEMPLATE:
        raise ValueError(f"it has more than {LONGEST_TEMPLATE:,} characters")
    compiled = _compile(template)
    return [
        _require_bounds(compiled.render(messages=turns, tools=None, documents=None, **options), turns)
        for turns in chats
    ]


def _require_bounds(text: str, turns: Turns) -> str:
    given = sum(len(turn["content"]) for turn in turns)
    if len(text) > TIMES * given + ADDED:
        raise ValueError(f"it turns {given:,} characters into {len(text):,}")
    return text


class _Generation(Extension):
    """``{% generation %}`` marks what a model is trained on; here it changes nothing."""

    tags = {"generation"}  # noqa: RUF012 (Jinja's name and type)

    def parse(self, parser: Parser) -> nodes.Node:
        """Return the block's content, in a scope of its own."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_content"), [], [], body).set_lineno(line)

    def _content(self, caller: Macro) -> str:
        return str(caller())


def _fail(message: str) -> NoReturn:
    raise TemplateError(message)


def _to_json(value: Any, **options: Any) -> str:
    """Return JSON as transformers' filter writes it: nothing is escaped for HTML."""
    return json.dumps(value, **{"ensure_ascii": False, **options})


@lru_cache(maxsize=4)
def _compile(template: str) -> Template:
    environment: Environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _fail
    return environment.from_string(template)

"""The child's side: it reads a question a line, answers it within its bounds, and ends with its input.

Chat templates are rendered as transformers renders them. Patterns of Python's are tried on what they will be used on: a
slow one ends the process.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
from collections.abc import Callable
from functools import lru_cache
from itertools import product
from typing import Any, NoReturn

from jinja2 import Environment, Template, TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment

from adapter_workbench.workbench.backbone.confined.tokenizer_trial import measure, try_tokenizer
from adapter_workbench.workbench.errors import reason

MEMORY = 2 << 30  # bytes
FORMS = (  # in which peft uses what a config gives, as a whole and as a part
    "{}",
    r"(.*\.)?({})$",
    r"(^|.*\.){}($|\..*)",
    r"(?:^|.*?\.){}\.(?P<idx>\d+)\.",
)
LONGEST_TEMPLATE = 1_000_000  # characters
ADDED, TIMES = 100_000, 10  # a rendering has at most so many times the turns' characters, and so many more
Turns = list[dict[str, str]]


def main() -> None:
    """Answer until the input ends; at the end of a question's processor time, the system ends the process."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    for limit, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0)):
        resource.setrlimit(limit, (most, most))
    for line in sys.stdin.buffer:
        replies.write(_reply(**json.loads(line)) + b"\n")
        replies.flush()


def compare(patterns: list[str], names: list[str]) -> None:
    """Look for each pattern in each name, in all ways in which peft looks for it.

    Raises:
        ValueError: one is not a regular expression.
    """
    for pattern in patterns:
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
    for pattern, form in product(patterns, FORMS):
        try:
            expression = re.compile(form.format(pattern))
        except re.error:  # it is one on its own, and not as a part
            continue
        for name in names:
            expression.match(name)
            expression.fullmatch(name)
            expression.search(name)


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


def _reply(question: str, seconds: float, content: dict[str, Any]) -> bytes:
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        reply = json.dumps({"answer": ANSWERS[question](**content)})
    except MemoryError:
        reply = json.dumps({"refused": f"it needs more than {MEMORY >> 30} GiB of memory"})
    except BaseException as error:  # a panic of Rust's is no Exception
        reply = json.dumps({"refused": reason(error)})
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return reply.encode()


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


ANSWERS: dict[str, Callable[..., Any]] = {
    "render": render,
    "compare": compare,
    "try tokenizer": try_tokenizer,
    "measure": measure,
}

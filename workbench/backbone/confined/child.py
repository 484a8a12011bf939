"""The child's side: it reads a question a line, answers it within its bounds, and ends with its input."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

from adapter_workbench.workbench.backbone.confined.patterns import compare
from adapter_workbench.workbench.backbone.confined.templates import render
from adapter_workbench.workbench.backbone.confined.tokenizer_trial import measure, try_tokenizer
from adapter_workbench.workbench.errors import reason

ANSWERS: dict[str, Callable[..., Any]] = {
    "render": render,
    "compare": compare,
    "try tokenizer": try_tokenizer,
    "measure": measure,
}
MEMORY = 2 << 30  # bytes


def main() -> None:
    """Answer until the input ends; at the end of a question's processor time, the system ends the process."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    for limit, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0)):
        resource.setrlimit(limit, (most, most))
    for line in sys.stdin.buffer:
        replies.write(_reply(**json.loads(line)) + b"\n")
        replies.flush()


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

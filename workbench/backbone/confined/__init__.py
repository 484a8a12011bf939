"""Strangers' programs (chat templates, patterns, tokenizers), run in a process whose time and memory are bounded.

Such a program may be wrong, or made to run for ever, and neither Python's nor Rust's engines can be stopped from
within. So it runs in a child process: a plain Python with a few modules of this package, which the system ends after a
given time of the processor. The child is started when it is first needed, in about 0.05 seconds, and kept; a question
takes about 0.1 milliseconds. It imports nothing from the current folder.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

from adapter_workbench.workbench.errors import WorkError

CHILD = (
    "import sys; sys.path += sys.argv[1:]; from adapter_workbench.workbench.backbone.confined.child import main; main()"
)
PACKAGES = ("adapter_workbench", "jinja2", "markupsafe", "tokenizers")  # what the child imports besides Python's own
ALONE = {"TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1", "RUST_BACKTRACE": "0"}
FROM_OUTSIDE = {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP}  # then it is started once more


class NoAnswerError(Exception):
    """The process gave no answer: a bound was broken, or the question raised an error."""


def ask(question: str, seconds: float, **content: Any) -> Any:
    """Return the child's answer, a value as JSON has them.

    Args:
        question: a key of :data:`adapter_workbench.workbench.backbone.confined.child.ANSWERS`.
        seconds: of processor time that the answer may take.
        content: arguments of the function that answers, values as JSON has them.

    Raises:
        NoAnswerError: the time is over, the memory is not enough, the function raised something, or the process ended.
        WorkError: the process cannot be started.
    """
    request = json.dumps({"question": question, "seconds": seconds, "content": content}).encode() + b"\n"
    reply = json.loads(_child(os.getpid()).reply(request, seconds))
    if "refused" in reply:
        raise NoAnswerError(reply["refused"])
    return reply["answer"]


@cache
def _child(parent: int) -> _Child:
    """Return the child of the process ``parent``: a process that was forked has one of its own."""
    child = _Child()
    atexit.register(child.end)
    return child


class _Child:
    def __init__(self) -> None:
        self._lock = Lock()  # one question at a time
        self._process: subprocess.Popen[bytes] | None = None

    def reply(self, request: bytes, seconds: float) -> bytes:
        with self._lock:
            for _ in range(2):
                line, code = self._exchange(request)
                if line or code not in FROM_OUTSIDE:
                    break
        if line:
            return line
        if code == -signal.SIGPROF:
            raise NoAnswerError(f"it takes more than {seconds:.1f} seconds of processor time")
        if code < 0:
            raise NoAnswerError(f"it kills the process ({signal.Signals(-code).name})")
        raise WorkError(f"the process for chat templates and tokenizers ended with exit code {code}")

    def end(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process:
            process.kill()
            with suppress(OSError), process:  # closes what leads to it, and waits
                pass

    def _exchange(self, request: bytes) -> tuple[bytes, int]:
        """Return the reply and 0; no reply and the exit code where the process ends, negative if by a signal."""
        self._process = process = self._process or _start()
        assert process.stdin
        assert process.stdout
        try:
            with suppress(BrokenPipeError):
                process.stdin.write(request)
                process.stdin.flush()
            line = process.stdout.readline()
            code = 0 if line else process.wait()
        except BaseException:  # interrupted: what it answers later would be taken for the next question's answer
            self.end()
            raise
        if not line:
            self.end()
        return line, code


def _start() -> subprocess.Popen[bytes]:
    """Start a Python that neither reads settings of Python's nor looks into the current folder."""
    specs = [find_spec(package) for package in PACKAGES]
    folders = {str(Path(spec.origin).parents[1]): None for spec in specs if spec and spec.origin}  # in this order
    command = [sys.executable, "-I", "-S", "-c", CHILD, *folders]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **ALONE},
        start_new_session=True,  # so that Ctrl-C ends a question in order
    )

"""Hostile values and damaged files for the fuzz test, and what every command promises of whatever it is given."""

from __future__ import annotations

import contextlib
import copy
import datetime
import io
import math
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

CANARY = "canary"
MODULES = ("evil", "pip", "mlflow_plugin", "megatron")  # beside the files; each leaves the canary behind when imported
CODES = {0, 1, 2, 130}
MOST_LINES = 10

TEXTS = [
    *("", " ", "0", "-1", "nan", "1e999", "true", "null", "x" * 20_000, "\x00", "\ud800", "é\u202e", "\x1b[31mred"),
    *("[bold]x[/bold]", "[/]", "<script>alert(1)</script>", "../../outside", "/dev/zero", "/dev/null", "~", "."),
    *("evil", "evil:run", "os:system", "owner/repo", "evil.Config", "${HOME}", "%s%n", "a,b", "=1+1", "minilm:nf4"),
    *("lora", "lora+lora", "isolated", "head", "full", "animals", "config.4.0.0.json", "weights.bin"),
]
VALUES = [
    *(None, True, False, 0, 1, -1, 2, 3, 10**12, 10**30, -(2**63), 0.5, 1e308, math.nan, math.inf, -math.inf),
    *([], {}, [[]], [None], [1, 1], {"a": {"b": {"c": []}}}, {"auto_map": {"AutoModel": "evil.M"}}, [[[[[[[[0]]]]]]]]),
    *({"trust_remote_code": True}, {"function": "evil:run"}, {1: 2}, datetime.date(2026, 1, 1), ["x"] * 300),
]
KEYS = [
    *("auto_map", "trust_remote_code", "configuration_files", "python", "method", "strategy", "seeds", "budget"),
    *(
        "learning_rate",
        "rank",
        "model_type",
        "architectures",
        "megatron_core",
        "quantization_config",
        "labels",
        "files",
    ),
    *("", "a.b", "\x1b", "x" * 300, "__class__"),
]


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit code, and what it printed."""

    code: int
    out: str
    err: str


def command(*arguments: str) -> Outcome:
    """Run ``workbench …`` in this process; an exception that is no exit of the command line's is not caught."""
    from experiments.cli import main

    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["workbench", *arguments]),
        mock.patch.object(sys, "stdin", io.StringIO("")),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        try:
            main()
            code = 0
        except SystemExit as leaving:
            code = int(leaving.code or 0)
    return Outcome(code, out.getvalue(), err.getvalue())


def content(folder: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of every file and folder below ``folder``, but for caches of Python's."""
    entries = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        if "__pycache__" not in path.parts and ".lock" not in path.name and "claims" not in path.parts:
            entries[str(path)] = (status.st_size if path.is_file() else 0, status.st_mtime_ns if path.is_file() else 0)
    return entries


def require_promises(folder: Path, *arguments: str) -> Outcome:
    """Run a command in ``folder`` and make sure that it keeps what every command promises.

    An exit code that is documented, at most ten lines where it is not 0, no traceback, no control characters on the
    screen, no foreign code run, and nothing changed where the input was wrong.
    """
    before = content(folder)
    outcome = command(*arguments)
    shown = f"{arguments!r} → {outcome.code}\n{outcome.err[-2000:]}"
    assert outcome.code in CODES, shown
    assert "Traceback" not in outcome.err, shown
    assert not (folder / CANARY).exists(), f"foreign code was run: {shown}"
    if outcome.code:
        assert outcome.err.strip(), f"nothing was said: {shown}"
        assert len(outcome.err.strip().splitlines()) <= MOST_LINES, shown
        assert max(map(len, outcome.err.splitlines())) < 5000, shown
    assert "\x1b" not in outcome.err, shown
    if outcome.code == 2:
        assert content(folder) == before, f"something was changed: {shown}"
    return outcome


def write_canaries(folder: Path) -> None:
    """Write modules that leave a file behind when they are imported."""
    for name in MODULES:
        code = f"from pathlib import Path\nPath({str(folder / CANARY)!r}).touch()\ndef run(**_): return []\n"
        (folder / f"{name}.py").write_text(code, encoding="utf-8")


@contextlib.contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Let modules of ``folder`` be found, as where a person works in it; the process stands there."""
    before = Path.cwd()
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        os.chdir(before)


def places(document: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every entry of nested mappings and lists."""
    entries = document.items() if isinstance(document, dict) else enumerate(document)
    paths = []
    for key, value in entries:
        paths.append((*above, key))
        if isinstance(value, dict | list):
            paths += places(value, (*above, key))
    return paths


def text(random: Random) -> str:
    """Return a hostile text, or a few characters of anywhere."""
    if random.random() < 0.7:
        return random.choice(TEXTS)
    return "".join(chr(random.choice([random.randrange(0x20, 0x7F), random.randrange(0xD800)])) for _ in range(6))


def value(random: Random) -> Any:
    """Return a value of any type that YAML or JSON can hold."""
    if random.random() < 0.6:
        return copy.deepcopy(random.choice(VALUES))
    return random.choice([text, lambda random: random.randrange(-10, 300), lambda random: random.uniform(-2, 2)])(
        random
    )


def changed(random: Random, document: Any) -> Any:
    """Return a copy of a document with one or two entries replaced, removed, or added."""
    result = copy.deepcopy(document)
    for _ in range(random.choice([1, 1, 2])):
        paths = places(result)
        if not paths:
            break
        path = random.choice(paths)
        holder = result
        for key in path[:-1]:
            holder = holder[key]
        act = random.random()
        if act < 0.7:
            holder[path[-1]] = value(random)
        elif act < 0.85 and isinstance(holder, dict):
            holder[random.choice(KEYS)] = value(random)
        else:
            del holder[path[-1]]
    return result


def damaged(random: Random, whole: bytes) -> bytes:
    """Return bytes that are cut short, have one changed, hold others, or are others."""
    act, position = random.randrange(4), random.randrange(len(whole) + 1)
    if act == 0:
        return whole[:position]
    if act == 1:
        return whole[:position] + bytes(255 ^ byte for byte in whole[position : position + 1]) + whole[position + 1 :]
    more = random.randbytes(random.randrange(12))
    return whole[:position] + more + whole[position:] if act == 2 else more

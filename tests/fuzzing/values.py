"""Hostile values: texts, numbers and structures that a file may hold, and documents and bytes that were changed."""

from __future__ import annotations

import copy
import datetime
import math
from random import Random
from typing import Any

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


def shell_word(random: Random) -> str:
    """Return a word as a shell may pass it on."""
    word = text(random) if random.random() < 0.6 else str(value(random))
    return word.encode(errors="replace").decode().replace("\x00", "")

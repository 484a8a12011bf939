"""Regular expressions in peft's configs, which peft matches with the name of every module.

They come from whoever made an adapter, or stand in a recipe (``targets``). Python's engine can take for ever for one
that looks harmless, so they are first tried on the same names in a process of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from adapter_workbench.workbench.backbone.confined import NoAnswerError, ask
from adapter_workbench.workbench.errors import InputError

ENDINGS = ("_modules", "_pattern", "_to_save", "_parameters")  # of the keys whose values, or keys of values, are tried
PLAIN = re.compile(r"(?:[\w.-]|\\\W)*+")  # a name, escaped or not: nothing in it can be matched in two ways
SECONDS = 3.0  # of processor time for all patterns of a config
HINT = "Name the modules (a list of names), or use an expression that repeats nothing inside a repetition."


def require_bounded_patterns(config: Mapping[str, Any], names: Iterable[str], where: str | None) -> None:
    """Try the regular expressions of a config of peft's on the modules that it will be used on.

    Args:
        config: peft's, as a mapping.
        names: of the model's modules.
        where: the file or key, for a message.

    Raises:
        InputError: one of them is not a regular expression, or takes for ever.
    """
    patterns = {
        pattern: key
        for key, value in config.items()
        if key.endswith(ENDINGS)
        for pattern in _texts(value)
        if not PLAIN.fullmatch(pattern)
    }
    if not patterns:
        return
    try:
        ask("compare", SECONDS, patterns=[*patterns], names=[*names])
    except NoAnswerError as error:
        key, pattern = next((key, pattern) for pattern, key in patterns.items())
        message = f"{key}: {pattern!r} cannot be matched with the names of modules: {error}"
        raise InputError(message, where=where, hint=HINT) from None


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts of a value: itself, its entries, or its keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple | set):
        yield from (entry for entry in value if isinstance(entry, str))

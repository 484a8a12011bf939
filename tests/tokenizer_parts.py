"""Tokenizers that multiply what they are given, as somebody may send them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SPECIAL = {"SpecialToken": {"id": "[CLS]", "type_id": 0}}
FIRST, SECOND = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


def replace(pattern: str, content: str) -> dict[str, Any]:
    """A part that puts one text in another's place."""
    return {"type": "Replace", "pattern": {"String": pattern}, "content": content}


def split(pattern: str) -> dict[str, Any]:
    """A part that cuts where a regular expression is found."""
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def normalizers(*parts: dict[str, Any]) -> dict[str, Any]:
    """A normaliser of several."""
    return {"normalizer": {"type": "Sequence", "normalizers": [*parts]}}


def template(*single: dict[str, Any], pair: tuple[dict[str, Any], ...] = (FIRST, SECOND)) -> dict[str, Any]:
    """What is put around a text, and around two."""
    special = {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}}
    return {"type": "TemplateProcessing", "single": [*single], "pair": [*pair], "special_tokens": special}


def doubling(times: int, what: str = "a") -> list[dict[str, Any]]:
    """Parts that make two of a character, each of what the one before has made."""
    return [replace(what, what * 2)] * times


RARE, MARK = "\N{LATIN LETTER BILABIAL CLICK}", "xyzzy"
HIDDEN = normalizers(*(replace(chr(0x4E00 + number), "x") for number in range(60)), *doubling(40, RARE))
"""Parts that make 2⁴⁰ of one character, behind so many others that a trial does not get to it."""
GIVING_UP = rf"{MARK}(.*)*(.*)*(.*)*c"  # on a text that no trial guesses
GIVES_UP = f"{MARK} c {'a' * 300}"


def change_tokenizer(folder: Path, **parts: Any) -> Path:
    """Write parts into the ``tokenizer.json`` of a folder, and return the folder."""
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | parts), encoding="utf-8")
    return folder

"""Characters in labels that nobody sees, or that change the order in which others are shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

from adapter_workbench.workbench.errors.printable import HIDDEN

BLANK = {  # shown as nothing too, and of other categories: joiners and fillers, blank Braille, variation selectors
    *"\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0",
    *map(chr, range(0x180B, 0x1810)),
    *map(chr, range(0xFE00, 0xFE10)),
    *map(chr, range(0xE0100, 0xE01F0)),
}
FORMING = {"\u200c", "\u200d", *map(chr, range(0xFE00, 0xFE10))}  # form the character before: of many scripts, of emoji
ALIKE = str.maketrans("аеорсхуіјѕһԁԛԝο", "aeopcxyijshdqwo")  # small Cyrillic and Greek letters → the Latin ones


def without_hidden(text: str) -> str:
    """Return a text without the characters that are not seen."""
    return "".join(character for character in text if not _is_hidden(character))


def look(label: str) -> str:
    """Return what two labels share that look alike: the characters that are seen, in the simplest form of each.

    Case and white space do not count. Of letters of other alphabets, only small ones that look Latin are taken so.
    """
    seen = without_hidden(unicodedata.normalize("NFKC", without_hidden(label)))
    return " ".join(seen.split()).casefold().translate(ALIKE)


def hidden_in(labels: Iterable[str]) -> dict[str, list[str]]:
    """Return label → the hidden characters in it, as ``U+200B ZERO WIDTH SPACE``; labels without any are left out.

    A joiner or a variation selector after a character beyond ASCII belongs to it, and is not listed.
    """
    hidden = {
        label: [
            _title(character)
            for before, character in zip(f" {label}", label, strict=False)
            if _hides(before, character)
        ]
        for label in labels
    }
    return {label: [*dict.fromkeys(titles)] for label, titles in hidden.items() if titles}


def sentence(hidden: Mapping[str, list[str]]) -> str:
    """Return which labels have hidden characters, both escaped; as :func:`hidden_in` returns them."""
    listed = "; ".join(f"{label!a}: {', '.join(titles)}" for label, titles in hidden.items())
    return f"labels have characters in them that are not seen ({listed})"


def _is_hidden(character: str) -> bool:
    return character in BLANK or (unicodedata.category(character) in HIDDEN and not character.isspace())


def _hides(before: str, character: str) -> bool:
    return _is_hidden(character) and not (character in FORMING and not before.isascii())


def _title(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()

"""Which non-ASCII letters a language uses, and at which positions letters and signs are plausible."""

from __future__ import annotations

import unicodedata
from functools import cache

LETTERS = tuple(  # in lower case
    frozenset(letters)
    for letters in (
        "äöüß",  # German
        "àâæçèéêëîïôœùûüÿ",  # French
        "áéíñóúü",  # Spanish
        "àáâãçéêíóôõúü",  # Portuguese
        "àèéìíîòóùú",  # Italian
        "àçèéíïòóúü",  # Catalan
        "éëèïöüáóí",  # Dutch
        "åäöéü",  # Swedish, Finnish
        "æøåéòôê",  # Danish, Norwegian
        "áæðéíóöúýþ",  # Icelandic
        "õäöüšž",  # Estonian
        "ąćęłńóśźż",  # Polish
        "áčďéěíňóřšťúůýž",  # Czech
        "áäčďéíĺľňóôŕšťúýž",  # Slovak
        "čćđšž",  # Slovene, Croatian, Bosnian
        "áéíóöőúüű",  # Hungarian
        "ăâîşţșț",  # Romanian
        "âçğıîöşûü",  # Turkish
        "ąčęėįšųūž",  # Lithuanian
        "āčēģīķļņōŗšūž",  # Latvian
        "абвгдежзийклмнопрстуфхцчшщъыьэюяё",  # Russian, Bulgarian
        "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",  # Ukrainian
        "абвгдеёжзійклмнопрстуўфхцчшыьэюя",  # Belarusian
        "абвгдђежзијклљмнњопрстћуфхцчџшѓќѕ",  # Serbian, Macedonian
        "αάβγδεέζηήθιίϊΐκλμνξοόπρσςτυύϋΰφχψωώ",  # Greek
        "אבגדהוזחטיךכלםמןנסעףפץצקרשת",  # Hebrew
    )
)
COMPARED = (
    "LATIN",
    "CYRILLIC",
    "GREEK",
    "HEBREW",
)  # their languages stand above; another script is one language
EAST_ASIAN = {"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "FULLWIDTH", "HALFWIDTH", "IDEOGRAPHIC", "KATAKANA-HIRAGANA"}
ALONE = frozenset("àáâäåæèéêíîóôöøúüýőį")  # Latin letters that are a word
BETWEEN = frozenset("’‘·\xad‐‑–—…")  # signs that may stand between two letters
AFTER = BETWEEN | frozenset("“”„»«›‹‚™®©°²³€£¢•†‡‰\xa0")  # and those that may follow one
CAPITALS = 0.9  # words in capitals are rarer than others


def is_letter(character: str) -> bool:
    """Return whether a character (or none) is a letter of a word, or a mark over one."""
    if not character or character in "ªºµ":  # signs, whatever Unicode calls them
        return False
    return character.isalpha() or unicodedata.category(character).startswith("M")


@cache
def script(character: str) -> str:
    """Return the first word of a character's name, which is its script; East Asian ones go together."""
    name = unicodedata.name(character, "NONE").split()[0].split("-")[0]
    return "EAST ASIAN" if name in EAST_ASIAN else name


def likelihood(character: str, before: str, after: str) -> float:
    """Return how likely (0 to 1) a non-ASCII character is between two others (or none)."""
    if is_letter(character):
        return _in_word(character, before, after)
    if unicodedata.category(character) in ("Cc", "Cn", "Co"):
        return 0.0
    if not is_letter(before) or script(before) == "EAST ASIAN":
        return 1.0
    return float(character in (BETWEEN if is_letter(after) else AFTER))


def _in_word(letter: str, before: str, after: str) -> float:
    around = [neighbour for neighbour in (before, after) if is_letter(neighbour)]
    own = script(letter)
    if own == "EAST ASIAN":
        return float(not any(neighbour.isascii() for neighbour in around))
    if before.isdecimal() or after.isdecimal() or any(script(neighbour) != own for neighbour in around):
        return 0.0
    if not around:
        return float(own != "LATIN" or letter.lower() in ALONE)
    if any(first.islower() and second.isupper() for first, second in ((before, letter), (letter, after))):
        return 0.0
    return CAPITALS if before.isupper() and letter.isupper() else 1.0

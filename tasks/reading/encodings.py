"""Which encoding the bytes of a text are in: the likeliest is the one in which they make words of one language."""

from __future__ import annotations

import codecs
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache

MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"}
MARKS |= {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}  # after utf-32, whose mark begins alike
SAMPLE = 1 << 17  # bytes of lines that are not ASCII
USUAL = "cp1252"  # taken unless another one explains clearly more of the characters that are not ASCII:
CLEARLY = 0.02  # a share of them that is larger by so much,
CONVINCING = 0.8  # if it explains so many;
FAR = 0.33  # else, as in a text that was decoded wrongly once before, by so much
FREQUENT = ("cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1257", "iso8859_2", "koi8_r")
RARE = 0.1  # by how much any other has to be better
SIMPLER = 1e-4  # by how much each letter fewer that a language has makes it likelier
# others that people still write; charset-normalizer also suggests code pages of mainframes and of old printers
OTHERS = {"cp1256", "cp1258", "cp874", "tis_620", "cp850", "cp866", "mac_roman", "mac_cyrillic", "koi8_u", "iso8859_5"}
OTHERS |= {
    "iso8859_7",
    "iso8859_8",
    "iso8859_13",
    "iso8859_16",
    "gb2312",
    "gbk",
    "gb18030",
    "big5",
    "big5hkscs",
    "cp950",
}
OTHERS |= {"euc_kr", "cp949", "johab", "shift_jis", "cp932", "euc_jp"}
LAST = "latin-1"  # decodes whatever there is
LETTERS = tuple(  # the non-ASCII letters of a language, in lower case
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


def encoding_of(content: bytes, is_complete: bool = True) -> str:
    """Return the likeliest encoding of a text, or of its beginning, if it is not ``is_complete``.

    Bytes that are valid UTF-8 are UTF-8. Of other encodings that are in use, charset-normalizer names candidates, and
    the code pages of Europe are always among them. Each is judged by the characters beyond ASCII that it gives: letters
    count where they stand in words and one language has them, signs where they stand beside words. Windows' western
    code page is taken unless another one is clearly better.
    """
    if mark := next((mark for mark in MARKS if content.startswith(mark)), None):
        return MARKS[mark]
    if is_utf_8(content, is_complete):
        return "utf-8"
    sample = _sample(content)
    shares: dict[str, float] = {}
    for encoding in dict.fromkeys((USUAL, *FREQUENT, *_suggestions(sample), LAST)):
        if _decode(content, encoding, is_complete) is not None and (text := _decode(sample, encoding)) is not None:
            shares[encoding] = explained_share(text) - RARE * (encoding in OTHERS)
    best = max(shares, key=lambda encoding: shares[encoding])
    margin = CLEARLY if shares[best] >= CONVINCING else FAR
    return USUAL if USUAL in shares and shares[USUAL] >= shares[best] - margin else best


def is_utf_8(content: bytes, is_complete: bool = True) -> bool:
    """Return whether a text is UTF-8; if it is not ``is_complete``, its last character may be cut."""
    return _decode(content, "utf-8", is_complete) is not None


def explained_share(text: str) -> float:
    """Return the share of non-ASCII characters that are plausible at their position, in one language; else 0."""
    contexts = Counter(
        (character, before, after)
        for before, character, after in zip(f"\n{text}", text, f"{text[1:]}\n", strict=False)  # the first is longer
        if not character.isascii()
    )
    letters: Counter[str] = Counter()
    signs = 0.0
    for (character, before, after), count in contexts.items():
        likely = count * likelihood(character, before, after)
        if is_letter(character):
            its_script = script(character)
            letters[character.lower() if its_script in COMPARED else its_script] += likely  # type: ignore[assignment]
        else:
            signs += likely
    other_scripts = ({name} for name in letters if len(name) > 1)
    total = max(1, contexts.total())
    in_language = max(
        sum(letters[letter] for letter in language) / total - SIMPLER * len(language)
        for language in (*LETTERS, *other_scripts)
    )
    return in_language + signs / total


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


def _sample(content: bytes) -> bytes:
    """Return lines with something beyond ASCII, evenly spaced; of UTF-16, whose lines end otherwise, the beginning."""
    if b"\0" in content:
        return content[:SAMPLE]
    lines = [line for line in content.splitlines(keepends=True) if not line.isascii()]
    return b"".join(lines[:: 1 + sum(map(len, lines)) // SAMPLE])[: 2 * SAMPLE]


def _suggestions(sample: bytes) -> Iterator[str]:
    import charset_normalizer

    for match in charset_normalizer.from_bytes(sample):
        yield from (name for name in (match.encoding, *match.could_be_from_charset) if name in OTHERS)


def _decode(content: bytes, encoding: str, is_complete: bool = False) -> str | None:
    """Return the text; None where that is not the encoding. Unless ``is_complete``, its last character may be cut."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(content, final=is_complete)
    except (UnicodeDecodeError, LookupError):
        return None


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

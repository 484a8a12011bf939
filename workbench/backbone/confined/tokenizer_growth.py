"""How much longer each part of a ``tokenizer.json`` can make a text, as far as the file itself tells."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

INNER = {  # a part of tokenizer.json → the key under which a Sequence there has its own parts
    "normalizer": "normalizers",
    "pre_tokenizer": "pretokenizers",
    "post_processor": "processors",
    "decoder": "decoders",
}
FORMS = {"NFC": 3, "NFD": 4, "NFKC": 18, "NFKD": 18}  # Unicode's own factors, UAX 15, in characters
ALIKE = ("BertPreTokenizer", "Whitespace", "WhitespaceSplit", "Split", "Punctuation", "Digits", "CharDelimiterSplit")
FIXED = {  # of ByteLevel the bytes and a space, of Metaspace the character and its sign
    **dict.fromkeys((*ALIKE, "UnicodeScripts", "FixedLength", "Nmt", "Strip", "StripAccents"), 1),
    **FORMS,
    "Lowercase": 2,
    "BertNormalizer": 4,
    "Metaspace": 2,
    "ByteLevel": 5,
}
TOGETHER = {*FORMS, "Lowercase", "StripAccents"}
WRITTEN = ("content", "prepend", "replacement")  # keys of what a part writes
DECODING = {"CTC", "Fuse", "ByteFallback", "WordPiece", "BPEDecoder"}
CONTRACTIONS = "'s|'t|'re|'ve|'m|'ll|'d"
ANY_CASE = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
KNOWN = {  # of published tokenizers: no text makes one of these give up, and none matches an empty text
    rf"{CONTRACTIONS}| ?\p{{L}}+| ?\p{{N}}+| ?[^\s\p{{L}}\p{{N}}]+|\s+(?!\S)|\s+",  # GPT-2
    rf"{ANY_CASE}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{REST}",  # GPT-4, Llama 3
    rf"{ANY_CASE}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{REST}",  # Qwen 2 and 3
    rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{ANY_CASE}?|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{ANY_CASE}?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",  # GPT-4o, Llama 4
    rf"<\|startoftext\|>|<\|endoftext\|>|{CONTRACTIONS}|[\p{{L}}]+|[\p{{N}}]|[^\s\p{{L}}\p{{N}}]+",  # CLIP
    r" ?[^(\s|[.,!?…。，、।۔،])]+",  # BLOOM
    r"\p{N}{1,3}",  # DeepSeek
    r"[一-龥぀-ゟ゠-ヿ]+",  # DeepSeek
    r" {2,}",  # T5, XLM-R and others of sentencepiece
    r"\s+",
    r"\s",
    r"\d",
}
REPEATING = "*+{?"  # without one of these, an expression has nothing that it could try in many ways


@dataclass(frozen=True)
class Growth:
    """At most how many characters (or tokens) come out: ``times`` those that go in, and ``more``."""

    times: float = 1
    more: float = 0

    def then(self, other: Growth) -> Growth:
        """Return the growth of this part and another one behind it."""
        return Growth(self.times * other.times, self.more * other.times + other.more)


def parts_of(content: Mapping[str, Any], section: str) -> Iterator[dict[str, Any]]:
    """Yield the parts of a section of ``tokenizer.json`` in their order, those of Sequences one by one.

    Raises:
        ValueError: one of them is no mapping.
    """
    waiting = [content[section]] if content.get(section) is not None else []
    while waiting:
        part = waiting.pop()
        if not isinstance(part, dict):
            raise ValueError(f"{section}: {str(part)[:40]!r} is no part of a tokenizer")
        inner = part.get(INNER[section]) if part.get("type") == "Sequence" else None
        if isinstance(inner, list):
            waiting += reversed(inner)
        else:
            yield part


def growth_of(part: dict[str, Any]) -> Growth:
    """Return how much longer a part makes a text at most; endless where its type is not known."""
    kind = part.get("type")
    if kind == "Replace":
        return _of_replace(part)
    if kind == "Prepend":
        return Growth(1, len(str(part.get("prepend", ""))))
    if kind == "Precompiled":
        return Growth(_longest_mapped(str(part.get("precompiled_charsmap") or "")))
    if kind in DECODING:
        return Growth(1, 1)
    return Growth(FIXED.get(str(kind), float("inf")), 1)


def growth_of_all(content: Mapping[str, Any], section: str) -> Growth:
    """Return the growth of a section's parts, one behind the other; Unicode's forms that stand together grow once."""
    growth, forms = Growth(), 1.0
    for part in parts_of(content, section):
        own = growth_of(part)
        if part.get("type") in TOGETHER:
            forms = max(forms, own.times)
        else:
            growth, forms = growth.then(Growth(forms)).then(own), 1.0
    return growth.then(Growth(forms))


def special_growth(content: Mapping[str, Any], side: str) -> Growth:
    """Return what the post-processor makes of a text (``single``) or of two (``pair``), in tokens."""
    growth = Growth()
    for part in parts_of(content, "post_processor"):
        if part.get("type") == "TemplateProcessing":
            growth = growth.then(_of_template(part, side))
        elif part.get("type") in ("BertProcessing", "RobertaProcessing"):
            growth = growth.then(Growth(1, 4))
    return growth


def has_strange_patterns(content: Mapping[str, Any]) -> bool:
    """Return whether a regular expression is in it that published tokenizers do not have."""
    return not all(map(is_known, patterns(content)))


def patterns(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the regular expressions in the parts of a ``tokenizer.json``."""
    for section in INNER:
        for part in parts_of(content, section):
            pattern = part.get("pattern")
            if isinstance(pattern, dict) and isinstance(pattern.get("Regex"), str):
                yield pattern["Regex"]


def letters(content: Mapping[str, Any]) -> str:
    """Return the characters that its parts look for or write, each once."""
    texts: list[Any] = []
    for section in INNER:
        for part in parts_of(content, section):
            pattern = part.get("pattern")
            texts += pattern.values() if isinstance(pattern, dict) else [pattern]
            texts += [part.get(key) for key in WRITTEN]
    return "".join(dict.fromkeys("".join(text for text in texts if isinstance(text, str))))


def is_known(pattern: str) -> bool:
    """Return whether no text can make the expression give up."""
    return pattern in KNOWN or not any(sign in pattern for sign in REPEATING)


def _of_replace(part: dict[str, Any]) -> Growth:
    content, pattern = len(str(part.get("content", ""))), part.get("pattern")
    if isinstance(pattern, str):  # as decoders of old files have it
        pattern = {"String": pattern}
    if not isinstance(pattern, dict):
        return Growth(1 + content, content)
    if text := str(pattern.get("String") or ""):
        return Growth(max(1.0, content / len(text)))
    if is_known(str(pattern.get("Regex") or "")) and pattern.get("Regex"):
        return Growth(max(1, content))
    return Growth(1 + content, content)  # it may match an empty text before each character, and at the end


def _longest_mapped(charsmap: str) -> int:
    """Return the length of the longest text that a map of sentencepiece puts in a character's place.

    It has four bytes that say how long its trie is, the trie, and behind it the texts, each of which ends with a zero.
    """
    try:
        content = base64.b64decode(charsmap, validate=True)
    except (binascii.Error, ValueError):
        return 1  # it is refused when it is opened
    start = 4 + int.from_bytes(content[:4], "little")
    return max([1, *(len(text.decode("utf-8", "replace")) for text in content[start:].split(b"\0"))])


def _of_template(part: dict[str, Any], side: str) -> Growth:
    template, special = part.get(side) or [], part.get("special_tokens") or {}
    if not isinstance(template, list) or not isinstance(special, dict):
        return Growth()  # it is refused when it is opened
    lengths = {name: _written(token) for name, token in special.items()}
    uses = [next(iter(piece.items()), ("", None)) for piece in template if isinstance(piece, dict)]
    names = [(kind, about.get("id") if isinstance(about, dict) else None) for kind, about in uses]
    texts = [name for kind, name in names if kind == "Sequence"]
    times = max((texts.count(name) for name in set(map(str, texts))), default=0)
    return Growth(times, sum(lengths.get(str(name), 0) for kind, name in names if kind == "SpecialToken"))


def _written(token: Any) -> float:
    """Return how many tokens a special token stands for, and one more for each hundred characters of their texts."""
    if not isinstance(token, dict):
        return 1
    ids, texts = token.get("ids"), token.get("tokens")
    return len(ids if isinstance(ids, list) else []) + len(json.dumps(texts)) // 100

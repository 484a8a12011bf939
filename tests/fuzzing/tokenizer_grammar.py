"""Parts of a tokenizer.json, of every kind that there is, in sequences inside one another, hostile ones among them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from random import Random
from typing import Any

from tests.fuzzing.values import text, value
from tests.tokenizer_parts import BYTES, FIRST, GIVING_UP, RARE, SECOND, SPECIAL, template

PATTERNS = (
    r"(a+)+$",
    r"(\w+\s?)+!",
    r"(.*?,){11}P",
    r"(?:a|a?)+$",
    r"(x+x+)+y",
    r"\s+$",
    r"(",
    r"[",
    r"*",
    r"",
    r"\p{L}+",
    r"\p{Nope}",
    r"(?<=a+)b",
    r"(?!)",
    r"(?:(?:a{1000}){1000}){1000}",
    r"\1",
    r"(a)\1{99999}",
    r"(?=(\d{3})+(?!\d))",
    r"\G",
    r"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?R)",
    r"[^\s]|.",
    r".",
    "(" * 300 + ")" * 300,
    "(.*)*(.*)*(.*)*c",
    GIVING_UP,
    r"(c+)+X?$",
    r"(?:\S|\s)*?e",
    r"((((((a?)*)*)*)*)*)*b",
    r"(?<n>a\g<n>?b)",
    r"\X",
    r"(?~abc)",
)
PADDING = {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0}
PADDING |= {"pad_type_id": 0, "pad_token": "[PAD]"}
TRUNCATION = {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0}
ADDED = {"id": 3, "content": "[SEP]", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
ADDED |= {"special": True}
BEHAVIOURS = ("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous")
SECTIONS = {  # of a tokenizer.json → the key of a sequence's parts
    "normalizer": "normalizers",
    "pre_tokenizer": "pretokenizers",
    "post_processor": "processors",
    "decoder": "decoders",
}
SMALL = 500  # characters of a part that may be there hundreds of times
Part = dict[str, Any]


def parts(random: Random) -> dict[str, Any]:
    """Return each section of a tokenizer.json."""
    pick = random.choice
    strategy = pick(["BatchLongest", {"Fixed": pick([8, 10**6, 10**12])}])
    padding = {"strategy": strategy, "pad_to_multiple_of": pick([None, 0, 8, 10**9]), "pad_id": pick([0, 99, 10**9])}
    return {
        **{section: _section(random, section, 3) for section in SECTIONS},
        "padding": PADDING | padding,
        "truncation": TRUNCATION | {"max_length": pick([0, 1, 8, 10**12]), "stride": pick([0, 8, 10**9])},
        "added_tokens": _added(random),
        "model": pick(_models(random)),
    }


def _section(random: Random, section: str, depth: int) -> Part | None:
    """Return a part, or a sequence of several; now and then the same part many times."""
    act = random.random()
    if act < 0.03:
        return None
    if depth and act < 0.45:
        several = [_section(random, section, depth - 1) for _ in range(random.choice([1, 1, 2, 3, 5]))]
        return {"type": "Sequence", SECTIONS[section]: several}
    part = random.choice(PARTS[section])(random)
    if depth and act < 0.6:
        times = [1, 2, 12, 40] if len(str(part)) > SMALL else [1, 2, 12, 40, 1500]
        return {"type": "Sequence", SECTIONS[section]: [part] * random.choice(times)}
    return part


def _pattern(random: Random) -> dict[str, str]:
    if random.random() < 0.6:
        return {"Regex": random.choice(PATTERNS)}
    return {"String": random.choice(["a", "c", "", " ", RARE, "the", text(random)])}


def _replace(random: Random) -> Part:
    pattern = _pattern(random)
    what = pattern.get("String", "a")
    content = random.choice(["", " ", what * 2, what * 3, f"{what}b{what}", "a" * 250, "a" * 1000, text(random)])
    return {"type": "Replace", "pattern": pattern, "content": content}


def _map(random: Random) -> str:
    """Return a map of sentencepiece's normaliser: bytes that are none, or a trie of nothing and long texts."""
    size = random.choice([0, 3, 4, 64, 1024])
    lengths = [b"", bytes(4), (size // 2).to_bytes(4, "little"), b"\xff\xff\xff\xff"]
    return base64.b64encode(random.choice(lengths) + random.randbytes(size) + b"x" * size + b"\0").decode()


def _template(random: Random) -> Part:
    if random.random() < 0.15:
        return {"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}}
    around = [SPECIAL] * random.choice([0, 1, 2, 300, 9000])
    pair = random.choice([(FIRST, SECOND), (FIRST,) * 50, (SECOND, FIRST), (FIRST,), ()])
    return template(*around, *[FIRST] * random.choice([0, 1, 1, 1, 2, 50]), pair=pair)


def _classic(random: Random, kind: str) -> Part:
    ends = {"sep": ["[SEP]", random.choice([3, 3, 0, 10**9])], "cls": ["[CLS]", random.choice([2, 2, -1])]}
    more = {"trim_offsets": True, "add_prefix_space": False} if kind == "RobertaProcessing" else {}
    return {"type": kind, **ends, **more}


def _flags(kind: str, *names: str, **more: Callable[[Random], Any]) -> Callable[[Random], Part]:
    """Return what makes a part with these flags on or off, and with more of other types."""

    def made(random: Random) -> Part:
        flags = {name: random.choice([True, False]) for name in names}
        return {"type": kind, **flags, **{name: draw(random) for name, draw in more.items()}}

    return made


def _of(*choices: Any) -> Callable[[Random], Any]:
    return lambda random: random.choice(choices)


SIGN = _of("▁", "_", "", "ab", "\0", " ")
SCHEME = _of("always", "never", "first", "nope")
METASPACE = _flags("Metaspace", "split", replacement=SIGN, prepend_scheme=SCHEME)
BYTE_LEVEL = _flags("ByteLevel", "add_prefix_space", "trim_offsets", "use_regex")
PARTS: dict[str, tuple[Callable[[Random], Part], ...]] = {
    "normalizer": (
        _replace,
        _replace,
        _flags("BertNormalizer", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase"),
        _flags("Strip", "strip_left", "strip_right"),
        *(_flags(kind) for kind in ("StripAccents", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Nmt", "ByteLevel")),
        _flags("Prepend", prepend=_of("▁", "", "x" * 200, "x" * 2000)),
        _flags("Precompiled", precompiled_charsmap=_map),
    ),
    "pre_tokenizer": (
        _flags("Split", "invert", pattern=_pattern, behavior=_of(*BEHAVIOURS)),
        _flags("Split", "invert", pattern=_pattern, behavior=_of(*BEHAVIOURS)),
        BYTE_LEVEL,
        lambda random: dict(BYTES),
        METASPACE,
        *(_flags(kind) for kind in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit", "UnicodeScripts")),
        _flags("CharDelimiterSplit", delimiter=_of("a", " ", "ab", "")),
        _flags("Punctuation", behavior=_of(*BEHAVIOURS)),
        _flags("Digits", "individual_digits"),
        _flags("FixedLength", length=_of(0, 1, 5, 10**12)),
    ),
    "post_processor": (
        _template,
        _template,
        BYTE_LEVEL,
        lambda random: _classic(random, "BertProcessing"),
        lambda random: _classic(random, "RobertaProcessing"),
    ),
    "decoder": (
        _replace,
        _replace,
        BYTE_LEVEL,
        METASPACE,
        _flags("WordPiece", "cleanup", prefix=_of("##", "", "a" * 500)),
        _flags("BPEDecoder", suffix=_of("</w>", "", "a")),
        _flags("CTC", "cleanup", pad_token=_of("[PAD]", ""), word_delimiter_token=_of("|", "")),
        _flags("Strip", content=_of(" ", "a", "ab"), start=_of(0, 1, 10**9), stop=_of(0, 1, 10**9)),
        *(_flags(kind) for kind in ("Fuse", "ByteFallback")),
    ),
}


def _added(random: Random) -> list[Part]:
    """Return added tokens: odd ids and contents, many of them, or the same one twice."""
    pick = random.choice

    def one(number: int) -> Part:
        flags = {name: pick([True, False]) for name in ("single_word", "lstrip", "rstrip", "normalized", "special")}
        content = pick([text(random), "cat", "a", "", " ", "[CLS]", f"<{number}>", "a" * 3000, ".*", "\0"])
        return ADDED | flags | {"id": pick([0, 3, 25, 26, 99, 10**9, -1, number]), "content": content}

    return [one(number) for number in range(pick([1, 2, 3, 30, 600]))] * pick([1, 1, 2])


def _models(random: Random) -> list[Part]:
    """Return a vocabulary of each kind, with something wrong in it."""
    pick = random.choice
    merges = pick([["a b"], ["a c"], [["a", "b"]], ["ab"], [["a", "b"]] * 500, [["", "a"]], []])
    pieces = {"type": "WordPiece", "vocab": {"a": 0, "##a": 1}, "unk_token": "a", "continuing_subword_prefix": "##"}
    pairs = {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": merges}
    affixes = {"continuing_subword_prefix": pick([None, "##", ""]), "end_of_word_suffix": pick([None, "</w>", ""])}
    flags = {name: pick([True, False]) for name in ("fuse_unk", "byte_fallback", "ignore_merges")}
    letters = {chr(0x61 + number): number for number in range(pick([2, 26]))}
    scores: list[list[Any]] = [[word, pick([-1.0, 0.0, -1e308, 1e308, 0])] for word in [*letters, "ab", "aaa", ""]]
    return [
        {"type": "WordLevel", "vocab": {"the": 0, "cat": 10 ** random.randrange(10)}, "unk_token": "the"},
        {"type": "WordLevel", "vocab": {"the": 0}, "unk_token": pick(["the", "no", ""])},
        {
            "type": "WordLevel",
            "vocab": {pick(["x" * 5000, "", "\0", text(random)]): 0, "[UNK]": 1},
            "unk_token": "[UNK]",
        },
        pieces | {"max_input_chars_per_word": pick([0, 100, 10**12])},
        pieces | {"continuing_subword_prefix": pick(["", "a", "#" * 900]), "max_input_chars_per_word": 1000},
        pairs,
        pairs | affixes | flags | {"dropout": pick([None, 0.0, 0.5, 1.0, 7, -1]), "unk_token": pick([None, "a", "zz"])},
        {"type": "BPE", "vocab": letters, "merges": [], **flags},
        {"type": "Unigram", "vocab": [["a", -1.0], ["b", value(random)]], "unk_id": pick([0, 5, None])},
        {"type": "Unigram", "vocab": scores, "unk_id": pick([0, 1, None]), "byte_fallback": pick([True, False])},
    ]

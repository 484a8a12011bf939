"""tokenizers: what stands in tokenizer.json, regular expressions among it, and texts put through it."""

from __future__ import annotations

import base64
import json
from random import Random
from typing import Any

from datasets import Dataset

from tests.fuzzing.promises import tried
from tests.fuzzing.sites import Site
from tests.fuzzing.values import changed, damaged, text, value
from tests.tokenizer_parts import BYTES, FIRST, SPECIAL, normalizers, replace, template
from workbench.backbone.names import open_backbone
from workbench.backbone.tokenizing import texts_of
from workbench.errors import WorkbenchError
from workbench.methods.kinds import KINDS

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
)
PADDING = {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0}
PADDING |= {"pad_type_id": 0, "pad_token": "[PAD]"}
TRUNCATION = {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0}
ADDED = {"id": 3, "content": "[SEP]", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
ADDED |= {"special": True}
TEXTS = ["the cat", "", "  \n", "a" * 300 + "!", "1,2,3,4,5,6,7,8,9,10,11,12", "語é\u202e\x00", "[CLS] [SEP] [PAD]"]


def case(site: Site, random: Random) -> bool:
    """Open a tokenizer that was changed and put texts through it, as kinds of tasks do."""
    folder = site.copy(random.choice(["bert", "llama"]))
    file = folder / "tokenizer.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    act = random.random()
    if act < 0.6:
        name, part = random.choice([*_parts(random).items()])
        document[name] = changed(random, part) if random.random() < 0.4 and isinstance(part, dict | list) else part
    elif act < 0.9:
        document = changed(random, document)
    content = json.dumps(document, default=str, skipkeys=True).encode()
    file.write_bytes(content if act < 0.9 else damaged(random, content))
    return not isinstance(tried(lambda: _used(str(folder)), folder), WorkbenchError)


def _used(folder: str) -> None:
    backbone = open_backbone(folder)
    rows = Dataset.from_dict({"id": TEXTS, "text": TEXTS, "text_pair": TEXTS})
    kind = KINDS.get("classification")
    places = backbone.config.vocab_size
    for row in kind.questions(rows, backbone.tokenizer, 16):
        assert all(0 <= token < places for token in row["input_ids"]), "a token that the model lacks"
    kind.lengths(rows.remove_columns("text_pair"), backbone.tokenizer)
    tagged = KINDS.get("token-classification")
    tagged.questions(rows, backbone.tokenizer, 16)
    texts_of(backbone.tokenizer, [[0, 1, 2, 10]])


def _parts(random: Random) -> dict[str, Any]:
    """Return parts of a tokenizer.json, each with something hostile in it."""
    pick = random.choice
    pattern = {"Regex": pick(PATTERNS)}
    split = {"type": "Split", "pattern": pattern, "behavior": pick(["Isolated", "Removed"]), "invert": False}
    replaced = {"type": "Replace", "pattern": pattern, "content": pick(["", " ", "a" * 1000, text(random)])}
    charsmap = base64.b64encode(random.randbytes(pick([0, 3, 4, 64]))).decode()
    token = {"id": pick([0, 3, 99, 10**9, -1]), "content": pick([text(random), "cat", "", " "])}
    empty = {"type": "TemplateProcessing", "single": [], "pair": [], "special_tokens": {}}
    strategy = pick(["BatchLongest", {"Fixed": pick([8, 10**6, 10**12])}])
    padding = {"strategy": strategy, "pad_to_multiple_of": pick([None, 0, 8, 10**9]), "pad_id": pick([0, 99, 10**9])}
    several = _several(random)
    return {
        "pre_tokenizer": pick([split, split, {"type": "Sequence", "pretokenizers": [split, split]}, None, several[0]]),
        "normalizer": pick([replaced, replaced, {"type": "Precompiled", "precompiled_charsmap": charsmap}, several[1]]),
        "decoder": pick(
            [replaced, {"type": "ByteLevel"}, {"type": "WordPiece", "prefix": "##", "cleanup": True}, several[2]]
        ),
        "post_processor": pick([empty, {"type": "ByteLevel"}, {"type": "RobertaProcessing"}, None, several[3]]),
        "padding": PADDING | padding,
        "truncation": TRUNCATION | {"max_length": pick([0, 1, 8, 10**12]), "stride": pick([0, 8, 10**9])},
        "added_tokens": [ADDED | token] * pick([1, 2]),
        "model": pick(_models(random)),
    }


def _several(random: Random) -> list[dict[str, Any]]:
    """Return a pre-tokenizer, a normaliser, a decoder and a post-processor, of parts that may multiply each other."""
    pick = random.choice
    what = pick(["a", "c", "\u0298", "", "the"])
    parts = [replace(what, what * pick([0, 1, 2, 3]) + pick(["", "a", "aa"]))] * pick([1, 3, 12, 40])
    more = pick([[], [{"type": "Prepend", "prepend": "x" * 200}] * 9, [{"type": "NFKD"}] * 9])
    cut = pick([BYTES, {"type": "Metaspace", "replacement": "_"}])
    around = template(*[SPECIAL] * pick([0, 2, 300, 100_000]), *[FIRST] * pick([0, 1, 2, 50]))
    return [
        {"type": "Sequence", "pretokenizers": [cut] * pick([2, 40])},
        normalizers(*parts, *more)["normalizer"],
        {"type": "Sequence", "decoders": parts},
        pick([around, {"type": "Sequence", "processors": [around] * pick([1, 9])}]),
    ]


def _models(random: Random) -> list[dict[str, Any]]:
    """Return a vocabulary of each kind, with something wrong in it."""
    pick = random.choice
    merges = pick([["a b"], ["a c"], [["a", "b"]], ["ab"]])
    pieces = {"type": "WordPiece", "vocab": {"a": 0, "##a": 1}, "unk_token": "a", "continuing_subword_prefix": "##"}
    return [
        {"type": "WordLevel", "vocab": {"the": 0, "cat": 10 ** random.randrange(10)}, "unk_token": "the"},
        {"type": "WordLevel", "vocab": {"the": 0}, "unk_token": pick(["the", "no", ""])},
        pieces | {"max_input_chars_per_word": pick([0, 100, 10**12])},
        {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": merges},
        {"type": "Unigram", "vocab": [["a", -1.0], ["b", value(random)]], "unk_id": pick([0, 5, None])},
    ]

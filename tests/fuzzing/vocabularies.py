"""vocabularies: tokenizers without a tokenizer.json: files of words, merges, sentencepiece, which are converted."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from adapter_workbench.workbench.errors import WorkbenchError
from tests.fuzzing.promises import tried
from tests.fuzzing.sites import Site
from tests.fuzzing.tokenizers import PLAIN, STRANGE, put_through
from tests.fuzzing.values import changed, damaged, text, value
from tests.tiny_models import WORDS

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ODD = (
    "",
    " ",
    "\t",
    "x" * 5000,
    "\0",
    "\x1b[31m",
    "##",
    "##" * 600,
    "▁",
    "é\u202e",
    "<0x41>",
    "<0xZZ>",
    "[UNK]",
    "\ufeff",
)
REMOVED = ("tokenizer.json", "special_tokens_map.json", "added_tokens.json")


def case(site: Site, random: Random) -> bool:
    """Write a vocabulary as an older program does, open the tokenizer that is made of it, and put texts through it."""
    folder = site.copy("wide")
    for name in REMOVED:
        (folder / name).unlink(missing_ok=True)
    named, file, write = random.choice(FORMS)
    write(random, folder / file)
    settings: dict[str, Any] = {"tokenizer_class": named, "pad_token": "[PAD]", "unk_token": "[UNK]"}
    if random.random() < 0.15:
        settings = changed(random, settings | {"do_lower_case": True, "model_max_length": 16, "legacy": False})
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, default=str, skipkeys=True), encoding="utf-8")
    if random.random() < 0.15:
        added = {word: random.choice([0, 30, 10**9, -1, "3"]) for word in random.sample(ODD, 3)}
        (folder / "added_tokens.json").write_text(json.dumps(added), encoding="utf-8")
    if random.random() < 0.1:
        written = folder / file
        written.write_bytes(damaged(random, written.read_bytes()))
    texts = [*PLAIN, random.choice(STRANGE)]
    return not isinstance(tried(lambda: put_through(str(folder), texts), folder), WorkbenchError)


def _words(random: Random) -> list[str]:
    """Return words of a vocabulary, with odd ones among them, some twice."""
    words = [*SPECIALS, "<unk>", "<s>", "</s>", "<pad>", *WORDS]
    for _ in range(random.choice([0, 0, 1, 3])):
        odd = random.choice(ODD) if random.random() < 0.7 else text(random)
        words.insert(random.randrange(len(words)), odd.encode(errors="replace").decode())
    return words if random.random() < 0.9 else words[:1]


def _lines(random: Random, file: Path) -> None:
    file.write_text("\n".join(_words(random)) + random.choice(["\n", ""]), encoding="utf-8")


def _merges(random: Random, file: Path) -> None:
    """Write bytes as GPT-2 has them, and which of them are merged; ``file`` is the one of ids."""
    from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode

    letters = [*bytes_to_unicode().values(), "th", "the", "Ġthe", *_words(random)]
    ids: dict[str, Any] = {word: number for number, word in enumerate(dict.fromkeys(letters))}
    if random.random() < 0.3:
        ids[random.choice([*ids])] = random.choice([value(random), 10**9, -1, 0])
    file.write_text(json.dumps(ids, default=str), encoding="utf-8")
    merges = ["t h", "th e", "Ġ the"]
    if random.random() < 0.5:
        merges.insert(random.randrange(3), random.choice(["a", "zz zz", "a b c", "", " ", "x" * 5000 + " y", "t h"]))
    head = random.choice(["#version: 0.2\n", ""])
    file.with_name("merges.txt").write_text(head + "\n".join(merges) + "\n", encoding="utf-8")


def _pieces(random: Random, file: Path) -> None:
    """Write a model as sentencepiece does, in the format of its sentencepiece_model.proto."""
    kinds = {"<unk>": 2, "<s>": 3, "</s>": 3, "[PAD]": 4}
    starts = [*kinds, *(f"<0x{byte:02X}>" for byte in range(256 if random.random() < 0.5 else 0))]
    words = [*starts, *(f"▁{word}" for word in _words(random)), *"abcdefghijklmnopqrstuvwxyz", "▁"]
    pieces = b""
    for number, word in enumerate(words):
        score = random.choice([-1.0, float("nan"), 1e38, 0.0]) if random.random() < 0.03 else -float(number)
        kind = kinds.get(word, 6 if word.startswith("<0x") else 5 if random.random() < 0.02 else 1)
        pieces += _field(1, _field(1, word) + _field(2, score) + _field(3, kind))
    odd = random.random() < 0.2
    trainer = {3: random.choice([1, 2, 3, 4] if odd else [1, 2]), 35: int(len(starts) > len(kinds))}
    trainer |= {40: random.choice([0, 7, 10**6]), 24: 1} if odd else {40: 0}
    normalizer = {3: int(random.random() < 0.8), 4: int(random.random() < 0.8), 5: 1}
    charsmap = b""
    if random.random() < 0.4:
        size = random.choice([3, 4, 64, 1024])
        start = random.choice([bytes(4), (size // 2).to_bytes(4, "little"), b"\xff" * 4])
        charsmap = _field(2, start + random.randbytes(size) + b"x" * size + b"\0")
    parts = (b"".join(_field(number, given) for number, given in part.items()) for part in (trainer, normalizer))
    settings, rules = parts
    file.write_bytes(pieces + _field(2, settings) + _field(3, charsmap + rules))


def _field(number: int, given: str | bytes | float) -> bytes:
    """Return a field of a protocol buffer: an integer, a float, or bytes."""
    if isinstance(given, float):
        return _varint(number << 3 | 5) + struct.pack("<f", given)
    if isinstance(given, int):
        return _varint(number << 3) + _varint(given)
    content = given.encode(errors="replace") if isinstance(given, str) else given
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    content = bytearray()
    while number > 0x7F:
        content.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*content, number])


def _ranks(random: Random, file: Path) -> None:
    """Write a vocabulary as tiktoken does, under the name of one of sentencepiece."""
    import base64

    lines = [f"{base64.b64encode(bytes([byte])).decode()} {byte}" for byte in range(256)]
    lines += [f"{base64.b64encode(word.encode()).decode()} {256 + number}" for number, word in enumerate(WORDS)]
    if random.random() < 0.5:
        lines[random.randrange(len(lines))] = random.choice(
            ["", "QQ== -1", "QQ==", "!!! 3", f"QQ== {10**12}", "QQ== x"]
        )
    file.write_text("\n".join(lines), encoding="utf-8")


FORMS: list[tuple[str, str, Callable[[Random, Path], None]]] = [
    ("BertTokenizer", "vocab.txt", _lines),
    ("BertTokenizerFast", "vocab.txt", _lines),
    ("DistilBertTokenizer", "vocab.txt", _lines),
    ("ElectraTokenizer", "vocab.txt", _lines),
    ("MPNetTokenizer", "vocab.txt", _lines),
    ("BertJapaneseTokenizer", "vocab.txt", _lines),
    ("CTRLTokenizer", "vocab.json", _merges),
    ("GPT2Tokenizer", "vocab.json", _merges),
    ("GPT2TokenizerFast", "vocab.json", _merges),
    ("RobertaTokenizer", "vocab.json", _merges),
    ("CLIPTokenizer", "vocab.json", _merges),
    ("Qwen2Tokenizer", "vocab.json", _merges),
    ("LlamaTokenizer", "tokenizer.model", _pieces),
    ("LlamaTokenizerFast", "tokenizer.model", _pieces),
    ("GemmaTokenizer", "tokenizer.model", _pieces),
    ("T5Tokenizer", "spiece.model", _pieces),
    ("T5TokenizerFast", "spiece.model", _pieces),
    ("AlbertTokenizer", "spiece.model", _pieces),
    ("XLNetTokenizer", "spiece.model", _pieces),
    ("XLMRobertaTokenizer", "sentencepiece.bpe.model", _pieces),
    ("DebertaV2Tokenizer", "spm.model", _pieces),
    ("PreTrainedTokenizerFast", "tokenizer.model", _ranks),
    ("LlamaTokenizerFast", "tokenizer.model", _ranks),
    ("NopeTokenizer", "vocab.txt", _lines),
]

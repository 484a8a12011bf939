"""A foreign tokenizer, tried part by part on texts that grow: none may make much more of a text than was given.

Runs in the child process, which ends with a tokenizer that takes too long or too much memory. Parts are tried one by
one and first on short texts, so that forty of them that double a text are found after the sixth, in no time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.backbone.confined.tokenizer_growth import (
    INNER,
    Growth,
    growth_of,
    growth_of_all,
    has_strange_patterns,
    letters,
    parts_of,
    patterns,
    special_growth,
)
from adapter_workbench.workbench.errors import reason

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TIMES, ADDED = 20, 1000  # a text may become so many times its characters, and so many more; NFKC makes 18 of one
USUAL_CUT = 10  # characters that the bytes of one become, each with a sign before it
ENDLESS = 1e9  # times; JSON has no infinity
MOST_OWN = 300  # characters that one part may make of one
MOST_SPECIAL = 16  # tokens that may be put around a text, and around each window of a long one
MOST_REPEATED = 2  # times that a text may stand between them
LONGEST_WORD = 4000  # characters: a token keeps its word, so that one letter could stand for a megabyte
LONGEST_READ = 1000  # characters of a word that WordPiece cuts; its time grows with their cube
MOST_PARTS = 1000
SHORT, REPEATED, LONG = 8, 2000, 20_000  # times that a character stands in a text
USUAL = "a1 _\n.,-'é語"
MOST_TRIED = 40  # characters
MINIMAL = {"type": "WordLevel", "vocab": {"?": 0}, "unk_token": "?"}
KEPT = ("normalizer", "pre_tokenizer", "post_processor")  # what :func:`measure` needs of a tokenizer


def try_tokenizer(texts: list[str], path: str = "", content: str = "") -> dict[str, Any]:
    """Try a ``tokenizer.json`` on long runs of characters, and on some texts; return what bounds the texts to come.

    Args:
        texts: that it has to read.
        path: of the file.
        content: of the file, where there is none.

    Returns:
        ``times`` and ``more``: how much longer it makes a text at most.
        ``is_strange``: whether it has regular expressions that may give up.
        ``parts``: what :func:`measure` reads.

    Raises:
        ValueError: it makes too much of a text.
        Exception: what the tokenizer raises.
    """
    content = content or Path(path).read_text(encoding="utf-8")
    described = json.loads(content, object_pairs_hook=_unequivocal)
    if not isinstance(described, dict):
        raise ValueError("it is no tokenizer")
    _require_modest(described)
    parts = json.dumps({section: described.get(section) for section in KEPT})
    characters = [*dict.fromkeys([*USUAL, *letters(described)])][:MOST_TRIED]
    runs = [*(character * times for times in (SHORT, REPEATED) for character in characters)]
    around = [f"{first}{'a' * REPEATED}{last}" for first in characters for last in ("!", first)]
    decoder = json.dumps({"decoder": described.get("decoder")})
    for text in [*texts, *(f"{run}!" for run in runs), *(around if any(patterns(described)) else [])]:
        _measured(parts, text)
        _decoded(decoder, text)
    _try_whole(content, [*texts, *(f"{character * REPEATED}!" for character in USUAL), "a" * LONG])
    strange = has_strange_patterns(described)
    growth = _until_words(described)
    return {"times": min(growth.times, ENDLESS), "more": growth.more, "is_strange": strange, "parts": parts}


def measure(parts: str, texts: list[str]) -> None:
    """Put texts through all of a tokenizer but its vocabulary, one part after another.

    Raises:
        ValueError: a text becomes too long.
        Exception: what the tokenizer raises.
    """
    for text in texts:
        _measured(parts, text)


def _until_words(described: Mapping[str, Any]) -> Growth:
    """Return how much longer a text becomes until it is cut into words, without the bytes of one byte-level cut.

    A model makes at most four tokens of a character, and what is put around them has been bounded.
    """
    growth, cut = growth_of_all(described, "normalizer"), growth_of_all(described, "pre_tokenizer")
    return growth if cut.times <= USUAL_CUT else growth.then(cut)


def _require_modest(described: Mapping[str, Any]) -> None:
    """Raise ValueError where a part does too much to any text that it is made for."""
    for section in INNER:
        for number, part in enumerate(parts_of(described, section), 1):
            _require_modest_part(_named(section, number, part), number, growth_of(part))
    for side in ("single", "pair"):
        special = special_growth(described, side)
        if special.more > MOST_SPECIAL:
            raise ValueError(f"post_processor puts {special.more:,.0f} special tokens around a text")
        if special.times > MOST_REPEATED:
            raise ValueError(f"post_processor repeats a text {special.times:,.0f} times")
        if special.times < 1 and side == "single":
            raise ValueError("post_processor leaves the text out")
    if TIMES < (times := growth_of_all(described, "decoder").times) < float("inf"):
        raise ValueError(f"decoder makes {times:,.0f} characters of one")
    _require_modest_model(described.get("model"))


def _require_modest_part(name: str, number: int, own: Growth) -> None:
    if number > MOST_PARTS:
        raise ValueError(f"{name} is one of more than {MOST_PARTS:,} parts")
    if MOST_OWN < (most := max(own.times, own.more)) < float("inf"):
        raise ValueError(f"{name} makes {most:,.0f} characters of one")


def _require_modest_model(model: Any) -> None:
    if (longest := max(map(len, _words(model)), default=0)) > LONGEST_WORD:
        raise ValueError(f"its vocabulary has a word of {longest:,} characters")
    read = model.get("max_input_chars_per_word") if isinstance(model, dict) else None
    if isinstance(read, int) and read > LONGEST_READ:
        raise ValueError(f"it looks for the parts of words of {read:,} characters; that takes for ever")


def _words(model: Any) -> Iterator[str]:
    """Yield the words of a vocabulary, and what else its tokens are made of."""
    if not isinstance(model, dict):
        return
    vocabulary = model.get("vocab") or ()
    words = vocabulary if isinstance(vocabulary, dict) else (entry[0] for entry in vocabulary if entry)
    others = (model.get(key) for key in ("unk_token", "continuing_subword_prefix", "end_of_word_suffix"))
    yield from (word for word in chain(words, others) if isinstance(word, str))


def _measured(parts: str, text: str) -> None:
    from tokenizers import PreTokenizedString

    most, changed = TIMES * len(text) + ADDED, text
    for name, part in _opened(parts, "normalizer"):
        with _naming(name, text):
            changed = part.normalizer.normalize_str(changed)
        _require(len(changed), most, text, name, "characters")
    pieces = PreTokenizedString(changed)
    for name, part in _opened(parts, "pre_tokenizer"):
        with _naming(name, text):
            part.pre_tokenizer.pre_tokenize(pieces)
        splits = pieces.get_splits(offset_referential="original", offset_type="byte")
        _require(sum(len(split[0]) for split in splits), most, text, name, "characters")


def _decoded(parts: str, text: str) -> None:
    most, changed = TIMES * len(text) + ADDED, text
    for name, part in _opened(parts, "decoder"):
        with _naming(name, text):
            changed = part.decoder.decode([changed])
        _require(len(changed), most, text, name, "characters")


def _try_whole(content: str, texts: Sequence[str]) -> None:
    """Let all of the tokenizer read the texts, with special tokens and in pairs, and write them."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(content)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    pairs = ((texts[0] if texts else "a", "a 1"), *((text, None) for text in texts))
    for text, pair in pairs:
        tokens = len(tokenizer.encode(text, pair).ids)
        _require(tokens, TIMES * len(text) + ADDED, text, "it", "tokens")
        if tokenizer.decoder is not None:
            tokenizer.decoder.decode([text, text])


def _require(length: int, most: int, text: str, name: str, unit: str) -> None:
    if length > most:
        raise ValueError(f"{name} makes {length:,} {unit} of a text of {len(text):,}")


@lru_cache(maxsize=8)
def _opened(parts: str, section: str) -> list[tuple[str, Tokenizer]]:
    """Return tokenizers that have one part each of a section, with the part's name in a message."""
    from tokenizers import Tokenizer

    empty: dict[str, Any] = {"version": "1.0", "added_tokens": [], "truncation": None, "padding": None}
    empty |= {"model": MINIMAL, **dict.fromkeys(INNER)}
    opened = []
    for number, part in enumerate(parts_of(json.loads(parts), section), 1):
        name = _named(section, number, part)
        with _naming(name):
            opened.append((name, Tokenizer.from_str(json.dumps({**empty, section: part}))))
    return opened


@contextmanager
def _naming(name: str, text: str | None = None) -> Iterator[None]:
    """Name the part that fails, or panics, and how long its text was."""
    try:
        yield
    except MemoryError:
        raise
    except BaseException as error:  # a panic of Rust's is no Exception
        does = "cannot be opened" if text is None else f"fails on a text of {len(text):,} characters"
        raise ValueError(f"{name} {does}: {reason(error)}") from None


def _named(section: str, number: int, part: Mapping[str, Any]) -> str:
    return f"{section} {number} ({part.get('type')})"


def _unequivocal(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a mapping; raises ValueError where a part has a key twice: Rust might read the one, Python the other."""
    read = dict(pairs)
    if len(read) < len(pairs) and ("type" in read or "model" in read):
        raise ValueError("a part of it has a key twice")
    return read

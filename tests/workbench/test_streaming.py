"""Tokens become text as they come: each part once, and nothing that a further token changes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.tokenizing import texts_of
from adapter_workbench.workbench.measures.streaming import Words, before_stop


class Bytes:
    """A tokenizer whose tokens are bytes; 0 is the end token."""

    def decode(self, tokens: Any, skip_special_tokens: bool) -> str:
        assert skip_special_tokens
        return bytes(token for token in tokens if token).decode(errors="replace")


def parts(text: bytes) -> list[str]:
    pieces: list[str] = []
    words = Words(Bytes(), pieces.append)  # type: ignore[arg-type]
    for length in range(len(text) + 1):
        words(list(text[:length]))
    return pieces


def test_characters_of_several_tokens_and_spaces_around_wait() -> None:
    assert parts(" né o ".encode()) == ["n", "é", " o"]
    assert parts(b"a\0") == ["a"], "the end token is no text"


def test_a_space_before_a_sign_stays_where_it_was_written(llama: Path, tmp_path: Path) -> None:
    """transformers would remove it where a tokenizer's settings ask for that: from text that was passed on already."""
    folder = shutil.copytree(llama, tmp_path / "llama")
    vocabulary, settings = folder / "tokenizer.json", folder / "tokenizer_config.json"
    text = vocabulary.read_text(encoding="utf-8")
    assert '"peach"' in text
    vocabulary.write_text(text.replace('"peach"', '"\'"'), encoding="utf-8")
    asked = json.loads(settings.read_bytes()) | {"clean_up_tokenization_spaces": True}
    settings.write_text(json.dumps(asked), encoding="utf-8")
    tokenizer = open_backbone(str(folder)).tokenizer
    tokens, pieces = tokenizer("cat ' dog")["input_ids"], list[str]()
    words = Words(tokenizer, pieces.append)
    for length in range(1, len(tokens) + 1):
        words(tokens[:length])
    assert "".join(pieces) == "cat ' dog"
    assert texts_of(tokenizer, [tokens], skip_special_tokens=True) == ["cat ' dog"]


def test_an_answer_that_begins_again_is_not_told_again() -> None:
    pieces: list[str] = []
    words = Words(Bytes(), pieces.append)  # type: ignore[arg-type]
    for text in (b"a", b"ab", b"a", b"ab", b"abc", b"x"):
        words(list(text))
    assert pieces == ["a", "b", "c"], "nor is another one"


def test_a_stop_text_is_never_passed_on_nor_what_may_be_its_beginning() -> None:
    pieces: list[str] = []
    words = Words(Bytes(), pieces.append, stop=("END", "--"))  # type: ignore[arg-type]
    for length in range(1, len("a-bENcEND-d") + 1):
        words(list(b"a-bENcEND-d"[:length]))
    assert pieces == ["a", "-b", "ENc"], "what only begins like a stop text comes as soon as that is known"
    assert before_stop("a--bEND", ("END", "--")) == "a"
    assert before_stop("a", ("END",)) == "a"


def test_a_long_stop_text_costs_no_more_than_the_answer() -> None:
    pieces: list[str] = []
    words = Words(Bytes(), pieces.append, stop=("ab" * 10_000_000,))  # type: ignore[arg-type]
    for length in range(1, 41):
        words(list(b"cabababc" * 5)[:length])
    assert "".join(pieces) == "cabababc" * 5


def test_who_no_longer_listens_wants_no_more() -> None:
    words = Words(Bytes(), str)  # type: ignore[arg-type]
    assert words(list(b"a"))
    words.wanted = False
    assert not words(list(b"ab"))

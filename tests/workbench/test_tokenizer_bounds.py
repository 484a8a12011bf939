"""A foreign tokenizer that makes far more of a text than was given is refused, and so is a text on which one does."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.workbench.backbone import tokenizer_bounds
from adapter_workbench.workbench.backbone.confined import NoAnswerError, ask
from adapter_workbench.workbench.backbone.confined.tokenizer_growth import KNOWN, growth_of, growth_of_all
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.tokenizing import tokenise
from adapter_workbench.workbench.errors import InputError
from tests.messages import lacks, naming
from tests.patience import PATIENCE
from tests.tokenizer_parts import (
    BYTES,
    FIRST,
    GIVES_UP,
    GIVING_UP,
    HIDDEN,
    RARE,
    SECOND,
    SPECIAL,
    change_tokenizer,
    doubling,
    normalizers,
    replace,
    split,
    template,
)

LONG_WORD = "U" * 5000
CHARSMAP = base64.b64encode(bytes(4) + b"x" * 1000 + b"\0").decode()  # no trie, and one text
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "forty that double": (normalizers(*doubling(40)), "normalizer 8 (Replace) makes 2,049 characters of a text of 9"),
    "twelve": (normalizers(*doubling(12)), "normalizer 8 (Replace) makes 2,049 characters of a text of 9"),
    "five": (normalizers(*doubling(5)), "normalizer 5 (Replace) makes 64,001 characters of a text of 2,001"),
    "one inside another": (
        normalizers(normalizers(*doubling(6))["normalizer"], normalizers(*doubling(6))["normalizer"]),
        "normalizer 8 (Replace) makes 2,049 characters of a text of 9",
    ),
    "a character that few texts have": (normalizers(*doubling(40, RARE)), "normalizer 8 (Replace) makes 2,049"),
    "a key of another part": (
        {"normalizer": {"type": "Sequence", "pretokenizers": [], "normalizers": doubling(40)}},
        "normalizer 8 (Replace) makes 2,049 characters of a text of 9",
    ),
    "one that writes much": ({"normalizer": replace("a", "a" * 1000)}, "normalizer 1 (Replace) makes 1,000 characters"),
    "a map that writes much": (
        {"normalizer": {"type": "Precompiled", "precompiled_charsmap": CHARSMAP}},
        "normalizer 1 (Precompiled) makes 1,000 characters of one",
    ),
    "before each text": (normalizers(*[{"type": "Prepend", "prepend": "x" * 200}] * 200), "normalizer 6 (Prepend)"),
    "bytes of bytes": (
        {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [BYTES] * 40}},
        "(ByteLevel) makes 2,0",
    ),
    "many special tokens": (
        {"post_processor": template(*[SPECIAL] * 100_000, FIRST)},
        "post_processor puts 100,000 special tokens around a text",
    ),
    "many around each window of a long text": (
        {"post_processor": template(*[SPECIAL] * 17, FIRST)},
        "post_processor puts 17 special tokens around a text",
    ),
    "no text": ({"post_processor": template(SPECIAL)}, "post_processor leaves the text out"),
    "a text many times": ({"post_processor": template(*[FIRST] * 100)}, "post_processor repeats a text 100 times"),
    "of two texts": (
        {"post_processor": template(FIRST, pair=(*[FIRST] * 50, SECOND))},
        "post_processor repeats a text 50 times",
    ),
    "twice, forty times": (
        {"post_processor": {"type": "Sequence", "processors": [template(FIRST, FIRST)] * 40}},
        "post_processor repeats a text 1,099,511,627,776 times",
    ),
    "what is written": (
        {"decoder": {"type": "Sequence", "decoders": doubling(40)}},
        "decoder makes 1,099,511,627,776 characters of one",
    ),
    "a long word": (
        {"model": {"type": "WordLevel", "vocab": {LONG_WORD: 0}, "unk_token": LONG_WORD}, "added_tokens": []},
        "its vocabulary has a word of 5,000 characters",
    ),
    "words without end": (
        {"model": {"type": "WordPiece", "vocab": {"a": 0}, "unk_token": "a", "max_input_chars_per_word": 10**12}},
        "words of 1,000,000,000,000 characters",
    ),
    "many parts": (normalizers(*[replace("q", "z")] * 20_000), "normalizer 1001 (Replace) is one of more than 1,000"),
    "an expression that gives up": ({"pre_tokenizer": split("(.*)*(.*)*(.*)*c")}, "retry-limit-in-match over"),
}
PUBLISHED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # normaliser and pre-tokenizer
    "BERT": ({"type": "BertNormalizer"}, {"type": "BertPreTokenizer"}),
    "GPT-2": ({}, BYTES),
    "Llama 2": ({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, replace(" ", "▁")]}, {}),
    "Qwen 2": ({"type": "NFC"}, {"type": "Sequence", "pretokenizers": [split(r"\p{N}"), BYTES]}),
    "XLM-R": (
        {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {**replace("", "▁"), "pattern": {"Regex": " {2,}"}}]},
        {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Metaspace"}]},
    ),
}


@pytest.fixture
def copy(bert: Path, tmp_path: Path) -> Path:
    return shutil.copytree(bert, tmp_path / "bert")


@pytest.mark.parametrize("case", REFUSED)
def test_a_tokenizer_that_multiplies_is_refused(case: str, copy: Path) -> None:
    parts, said = REFUSED[case]
    change_tokenizer(copy, **parts)
    with pytest.raises(NoAnswerError) as caught:  # in the process that is confined: nothing is to happen in this one
        ask("try tokenizer", PATIENCE, texts=[], path=str(copy / "tokenizer.json"))
    assert lacks(str(caught.value), said) == []


def test_a_folder_with_one_is_refused_by_one_message(copy: Path) -> None:
    change_tokenizer(copy, **normalizers(*doubling(12)))  # of a few words, they would make little enough
    with pytest.raises(InputError, match=naming("(Replace) makes 2,0", "take another one")) as caught:
        _ = open_backbone(str(copy)).tokenizer
    assert caught.value.where == str(copy / "tokenizer.json")
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(("number", "is_refused"), [(30, False), (10**9, True)])
def test_numbers_without_a_word_are_not_printed(
    number: int, is_refused: bool, copy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where a vocabulary is converted, Rust would print each of them: of one number, gigabytes."""
    (copy / "tokenizer.json").unlink()
    words = {word: place for place, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"aeiouth"])}
    (copy / "vocab.json").write_text(json.dumps({**words, "th": number - 5}))
    (copy / "merges.txt").write_text("#version: 0.2\nt h\n")
    settings = {"tokenizer_class": "GPT2TokenizerFast", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    settings |= {"bos_token": "[CLS]", "eos_token": "[SEP]"}
    (copy / "tokenizer_config.json").write_text(json.dumps(settings))
    (copy / "special_tokens_map.json").unlink(missing_ok=True)  # transformers 5 writes none
    if is_refused:
        with pytest.raises(InputError, match=naming("its words have numbers up to 999999995")):
            _ = open_backbone(str(copy)).tokenizer
    else:
        assert tokenise(open_backbone(str(copy)).tokenizer, ["the"])["input_ids"]
    assert capfd.readouterr().out == ""


def test_a_part_that_has_a_key_twice_is_refused(copy: Path) -> None:
    file = copy / "tokenizer.json"
    described = json.loads(file.read_text()) | normalizers(*doubling(40))
    file.write_text(json.dumps(described).replace('"normalizers"', '"normalizers": [], "normalizers"'))
    with pytest.raises(NoAnswerError, match="a key twice"):
        ask("try tokenizer", 5.0, texts=[], path=str(file))


def test_four_that_double_make_less_than_unicode_does_and_are_taken(copy: Path) -> None:
    opened = open_backbone(str(change_tokenizer(copy, **normalizers(*doubling(4))))).tokenizer
    assert tokenise(opened, ["the cat"])["input_ids"]


def test_a_text_of_which_a_tokenizer_makes_far_more_is_refused_and_others_are_read(copy: Path) -> None:
    opened = open_backbone(str(change_tokenizer(copy, **HIDDEN))).tokenizer
    usual = open_backbone(str(copy)).tokenizer(["the cat"])["input_ids"]
    assert tokenise(opened, ["the cat"])["input_ids"] == usual
    for texts in ([RARE * 4], ["the cat", f"the {RARE}"], f"a {RARE}"):
        with pytest.raises(InputError, match=naming("the tokenizer cannot read a text", "Replace")) as caught:
            tokenise(opened, texts)
        assert caught.value.where == str(copy)
    with pytest.raises(InputError, match="Replace"):
        tokenise(opened, ["the cat"], [f"the {RARE}"])


def test_an_expression_that_gives_up_on_a_text_is_one_message(copy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    opened = open_backbone(str(change_tokenizer(copy, pre_tokenizer=split(GIVING_UP)))).tokenizer
    assert tokenise(opened, ["the cat"])["input_ids"]
    with pytest.raises(InputError, match=naming("pre_tokenizer 1 (Split) fails on a text", "retry-limit")) as caught:
        tokenise(opened, ["the cat", GIVES_UP])
    assert len(str(caught.value).splitlines()) == 2
    assert "panicked" not in capfd.readouterr().err


def test_a_tokenizer_that_is_made_of_other_files_is_tried_too(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def noted(question: str, seconds: float, **content: Any) -> Any:
        asked.append({"question": question, **content})
        return ask(question, seconds, **content)

    monkeypatch.setattr(tokenizer_bounds, "ask", noted)
    words = json.loads((copy / "tokenizer.json").read_text())["model"]["vocab"]
    (copy / "tokenizer.json").unlink()
    (copy / "vocab.txt").write_text("\n".join(words))
    settings = copy / "tokenizer_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"tokenizer_class": "BertTokenizerFast"}))
    assert tokenise(open_backbone(str(copy)).tokenizer, ["the cat"])["input_ids"]
    (trial,) = asked
    assert json.loads(trial["content"])["model"]["type"] == "WordPiece"


def test_texts_of_an_ordinary_tokenizer_are_not_measured(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_backbone(str(copy)).tokenizer
    monkeypatch.setattr(tokenizer_bounds, "ask", lambda *_, **__: pytest.fail("texts were measured"))
    assert tokenise(opened, ["the cat " * 100_000], verbose=False)["input_ids"]


@pytest.mark.parametrize("model", PUBLISHED)
def test_what_published_tokenizers_are_made_of_has_a_bound(model: str) -> None:
    normalizer, pre_tokenizer = PUBLISHED[model]
    described = {"normalizer": normalizer or None, "pre_tokenizer": pre_tokenizer or None}
    assert growth_of_all(described, "normalizer").times <= 20
    assert growth_of_all(described, "pre_tokenizer").times <= 10


@pytest.mark.parametrize(
    ("part", "character"),
    [
        ({"type": "NFKC"}, "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}"),
        ({"type": "NFD"}, "\N{GREEK SMALL LETTER ALPHA WITH PSILI AND OXIA AND YPOGEGRAMMENI}"),
        ({"type": "Lowercase"}, "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}"),
        ({"type": "BertNormalizer", "lowercase": True, "strip_accents": None}, "語"),
        (replace("ab", "xyz"), "ab"),
        ({"type": "Replace", "pattern": {"Regex": "(?=a)"}, "content": "xy"}, "a"),
        ({"type": "Prepend", "prepend": "xyz"}, "a"),
        ({"type": "ByteLevel"}, "👍"),
    ],
)
def test_a_part_makes_no_more_than_its_bound(part: dict[str, Any], character: str) -> None:
    """The characters are those of which Unicode's tables make most (UAX 15, table 3; SpecialCasing.txt)."""
    from tokenizers import Tokenizer, models

    content = json.loads(Tokenizer(models.BPE()).to_str())
    if part["type"] == "BertNormalizer":
        part = {**part, "clean_text": True, "handle_chinese_chars": True}
    opened = Tokenizer.from_str(json.dumps(content | {"normalizer": part}))
    growth = growth_of(part)
    for text in (character, character * 10):
        assert len(opened.normalizer.normalize_str(text)) <= growth.times * len(text) + growth.more


@pytest.mark.parametrize("pattern", sorted(KNOWN))
def test_the_expressions_of_published_tokenizers_never_give_up(pattern: str, copy: Path) -> None:
    change_tokenizer(copy, pre_tokenizer={"type": "Sequence", "pretokenizers": [split(pattern)]})
    content = json.loads((copy / "tokenizer.json").read_text())
    runs = [f"{one * 3000}{other * 3000}" for one in " a1\n.語'" for other in " a1\n.語'"]
    ask("measure", 20.0, parts=json.dumps(content), texts=runs)
    for match in ("", "x"):  # none matches an empty text: nothing is written where there is nothing
        part = {"type": "Replace", "pattern": {"Regex": pattern}, "content": match}
        assert growth_of(part).times == 1

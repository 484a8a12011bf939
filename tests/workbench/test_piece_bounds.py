"""Vocabularies of sentencepiece and tiktoken are bounded before transformers converts them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.tokenizer_bounds import LARGEST, require_bounded_pieces
from adapter_workbench.workbench.errors import InputError
from tests.neighbours.environments import environment


def varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def model(*pieces: str) -> bytes:
    """Return what sentencepiece writes: a piece, its score and its type; then how it was trained."""
    score = varint(2 << 3 | 5) + b"\0\0\0\0"
    written = [field(1, field(1, piece.encode()) + score + varint(3 << 3) + varint(1)) for piece in pieces]
    return b"".join(written) + field(2, varint(3 << 3) + varint(2))


HARMFUL = {
    "a long piece": (model("a", "b" * 50_000), "pieces as long as 50,000 bytes"),
    "many long pieces": (model(*["b" * 4000] * 200), "pieces as long as 4,000 bytes"),
    "a long line": (b"YQ== 0\n" + b"Y" * 50_000 + b" 1\n", "pieces as long as 50,002 bytes"),
    "something else": (b"\xff" * 100, "neither sentencepiece's nor tiktoken's"),
    "a field without an end": (field(1, b"abc")[:-1], "neither sentencepiece's nor tiktoken's"),
    "a group": (b"\x0b\x0c", "neither sentencepiece's nor tiktoken's"),
    "a large file": (b"\0" * (LARGEST + 1), "may be"),
}


@pytest.mark.parametrize("case", HARMFUL)
def test_harmful_vocabularies_are_refused_before_they_are_converted(
    case: str, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, message = HARMFUL[case]
    folder = shutil.copytree(bert, tmp_path / "copy")
    (folder / "tokenizer.json").unlink()
    (folder / "spiece.model").write_bytes(content)
    converted: list[object] = []
    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", lambda *given, **_: converted.append(given))
    with pytest.raises(InputError, match=message):
        _ = open_backbone(str(folder)).tokenizer
    assert not converted


def test_usual_vocabularies_pass(tmp_path: Path) -> None:
    (tmp_path / "spiece.model").write_bytes(model(*(f"▁piece{number}" for number in range(50_000))))
    (tmp_path / "other.tiktoken").write_text("\n".join(f"YWJj{number} {number}" for number in range(50_000)))
    require_bounded_pieces(tmp_path)


TRAIN = """
import sys
from pathlib import Path
import sentencepiece

text = Path(sys.argv[1]) / "text.txt"
text.write_text("\\n".join(f"the cat {number} often a dog" for number in range(500)))
for kind in ("bpe", "unigram"):
    options = dict(vocab_size=60, model_type=kind, hard_vocab_limit=False)
    sentencepiece.SentencePieceTrainer.train(input=str(text), model_prefix=str(text.parent / kind), **options)
"""


@pytest.mark.neighbour
def test_what_sentencepiece_writes_passes(tmp_path: Path) -> None:
    environment("sentencepiece", "sentencepiece").run(TRAIN, tmp_path)
    assert len([*tmp_path.glob("*.model")]) == 2
    require_bounded_pieces(tmp_path)

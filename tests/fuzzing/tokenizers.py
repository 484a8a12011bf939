"""tokenizers: what stands in tokenizer.json, parts of every kind in one another, and texts put through it."""

from __future__ import annotations

import json
from random import Random

from datasets import Dataset

from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.tokenizing import texts_of, tokenise
from adapter_workbench.workbench.errors import WorkbenchError
from adapter_workbench.workbench.methods.kinds import KINDS
from tests.fuzzing import tokenizer_grammar as grammar
from tests.fuzzing.promises import tried
from tests.fuzzing.sites import Site
from tests.fuzzing.values import changed, damaged
from tests.tokenizer_parts import GIVES_UP, RARE

PLAIN = ["the cat", "", "  \n", "a" * 300 + "!", "1,2,3,4,5,6,7,8,9,10,11,12", "語é\u202e\x00", "[CLS] [SEP] [PAD]"]
STRANGE = [
    GIVES_UP,
    RARE * 30,
    "\u0344\ufdfa" * 200,
    "e" + "\u0301" * 3000,
    "👩🏽\u200d🚀" * 50,
    "a" * 20_000,
    "the cat " * 2000,
    "\ufffe\x00\x1b[31m\u2028\x85\x0b" * 20,
    " " * 5000,
    "c" * 3000 + "X",
]
MOST_TIMES, MOST_MORE = 80, 4000  # tokens of a text: at most 20 times its characters, each of four bytes


def case(site: Site, random: Random) -> bool:
    """Open a tokenizer that was changed and put texts through it, as kinds of tasks do."""
    folder = site.copy(random.choice(["bert", "llama"]))
    file = folder / "tokenizer.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    act = random.random()
    if act < 0.75:
        for _ in range(random.choice([1, 1, 1, 2, 6])):
            name, part = random.choice([*grammar.parts(random).items()])
            is_odd = random.random() < 0.25 and isinstance(part, dict | list)
            document[name] = changed(random, part) if is_odd else part
    elif act < 0.95:
        document = changed(random, document)
    content = json.dumps(document, default=str, skipkeys=True).encode()
    file.write_bytes(content if act < 0.95 else damaged(random, content))
    texts = [*PLAIN, *random.sample(STRANGE, 2)]
    return not isinstance(tried(lambda: put_through(str(folder), texts), folder), WorkbenchError)


def put_through(folder: str, texts: list[str]) -> None:
    """Put texts through the tokenizer of a folder as kinds of tasks do; what comes out has to be bounded."""
    backbone = open_backbone(folder)
    rows = Dataset.from_dict({"id": texts, "text": texts, "text_pair": texts})
    kind = KINDS.get("classification")
    places = backbone.config.vocab_size
    for row in kind.questions(rows, backbone.tokenizer, 16):
        assert all(0 <= token < places for token in row["input_ids"]), "a token that the model lacks"
    kind.lengths(rows.remove_columns("text_pair"), backbone.tokenizer)
    tagged = KINDS.get("token-classification")
    tagged.questions(rows, backbone.tokenizer, 16)
    for text, tokens in zip(texts, tokenise(backbone.tokenizer, texts)["input_ids"], strict=True):
        assert len(tokens) <= MOST_TIMES * len(text) + MOST_MORE, f"{len(tokens)} tokens of {len(text)} characters"
    (written,) = texts_of(backbone.tokenizer, [[*range(places)] * 20])
    assert len(written) <= 1_000_000, f"{len(written)} characters of {places * 20} tokens"

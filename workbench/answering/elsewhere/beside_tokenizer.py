"""The tokenizer in an adapter's folder: the adapter was trained on its tokens, so it has to be the backbone's."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from adapter_workbench.workbench.answering.elsewhere.base_model import other_words
from adapter_workbench.workbench.backbone.config import read_mapping
from adapter_workbench.workbench.backbone.tokenizer_bounds import SPECIMENS, require_bounded
from adapter_workbench.workbench.backbone.tokenizer_files import FILE
from adapter_workbench.workbench.errors import InputError, blaming, opening
from adapter_workbench.workbench.files.digest import digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tokenizers import Tokenizer

    from adapter_workbench.workbench.backbone.pretrained import Backbone

VOCABULARY, LINES, ADDED = "vocab.json", "vocab.txt", "added_tokens.json"  # of tokenizers that are written in Python
PIECES = ("*.model", "*.spm")  # of sentencepiece
ADDED_HINT = (
    "They were added before it was trained. Name the model that has them with --backbone, or let this one be written "
    "with them, to a folder of your choice: --backbone-to FOLDER"
)
HINT = (
    "Name the model that has this tokenizer with --backbone. If it was not trained with it, import a copy of the "
    "folder without the tokenizer's files; a repository of the hub is downloaded into a folder for that."
)


def require_same_words(folder: Path, backbone: Backbone) -> None:
    """Make sure that the tokenizer in an adapter's folder, if there is one, has a backbone's words and numbers.

    One that is whole (``tokenizer.json``) also has to make the same tokens of a few texts: the words may be the same
    where capitals or accents are not. Its files are read as data: no class of transformers opens them.

    Raises:
        InputError: it has others, the first of which is named, or its files cannot be read.
    """
    for pattern in PIECES:
        for path in folder.glob(pattern):
            own = backbone.folder / path.name
            if own.is_file() and digest(own) != digest(path):
                raise InputError("its tokenizer is another one: it has other pieces", where=str(path), hint=HINT)
    whole = _open_tokenizer(folder) if (folder / FILE).is_file() else None
    ours = backbone.tokenizer.get_vocab()
    theirs = whole.get_vocab(with_added_tokens=True) if whole else _words(folder)
    if not whole:  # some words are known to the classes alone
        ours = {word: number for word, number in ours.items() if word in theirs}
    added = sorted(theirs.keys() - ours.keys(), key=theirs.__getitem__)
    if added and all(theirs.get(word) == number for word, number in ours.items()):
        more = f" and {len(added) - 3:,} more" if len(added) > 3 else ""
        message = f"its tokenizer has tokens that {backbone.name} does not have: {', '.join(added[:3])}{more}"
        raise InputError(message, where=str(folder), hint=ADDED_HINT)
    if difference := other_words(theirs, ours):
        raise InputError(difference, where=str(folder), hint=HINT)
    if whole:
        require_bounded(folder)
        _require_same_tokens(whole, backbone, str(folder / FILE))


def require_added_words(folder: Path, backbone: Backbone) -> bool:
    """Make sure that the tokenizer in an adapter's folder is a backbone's with more words, or the same.

    Returns:
        whether there is a tokenizer.

    Raises:
        InputError: it is another one, or its files cannot be read.
    """
    if not (folder / FILE).is_file():
        if _words(folder):
            hint = "Save it as tokenizer.json: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
            raise InputError("its tokenizer is not in one file", where=str(folder), hint=hint)
        return False
    whole = _open_tokenizer(folder)
    theirs, ours = whole.get_vocab(with_added_tokens=True), backbone.tokenizer.get_vocab()
    if difference := other_words({word: theirs.get(word, -1) for word in ours}, ours):
        raise InputError(difference, where=str(folder), hint=HINT)
    require_bounded(folder)
    _require_same_tokens(whole, backbone, str(folder / FILE))
    return True


def _require_same_tokens(theirs: Tokenizer, backbone: Backbone, where: str) -> None:
    """Make sure that a tokenizer makes the backbone's tokens of the specimens, without what begins and ends a text."""
    for text in SPECIMENS:
        with blaming("the tokenizer beside the adapter cannot read a text", where, HINT):
            tokens = theirs.encode(text, add_special_tokens=False).tokens
        with blaming("the backbone's tokenizer cannot read a text", str(backbone.folder), HINT):
            ours = backbone.tokenizer.tokenize(text)
        if tokens != ours:
            differ = next(at for at, pair in enumerate(zip_longest(tokens, ours)) if pair[0] != pair[1])
            message = (
                f"its tokenizer makes {tokens[differ:][:3]} of {text!r} where the backbone's makes {ours[differ:][:3]}"
            )
            raise InputError(message, where=where, hint=HINT)


def _open_tokenizer(folder: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    with opening("the tokenizer beside the adapter", str(folder / FILE), HINT):
        tokenizer = Tokenizer.from_file(str(folder / FILE))
        tokenizer.no_truncation()
        tokenizer.no_padding()
    return tokenizer


def _words(folder: Path) -> Mapping[str, int]:
    """Return the words and numbers of a tokenizer that is written in Python; none where there is no tokenizer."""
    numbered: dict[str, int] = {}
    if (folder / LINES).is_file():
        with opening("the tokenizer beside the adapter", str(folder / LINES), HINT):
            lines = (folder / LINES).read_text(encoding="utf-8").removesuffix("\n").split("\n")
        numbered = {word: number for number, word in enumerate(lines)}
    return {**numbered, **_words_in(folder / VOCABULARY), **_words_in(folder / ADDED)}


def _words_in(path: Path) -> dict[str, int]:
    """Return the words of a JSON file; none where there is no such file."""
    content = read_mapping(path, "vocabulary", HINT) if path.is_file() else {}
    if word := next((word for word, number in content.items() if not isinstance(number, int)), None):
        raise InputError(f"no readable vocabulary: {word!r} has no number", where=str(path), hint=HINT)
    return content

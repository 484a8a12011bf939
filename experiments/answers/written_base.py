"""Import of an adapter that brings words of its own: its base model is written with them, and the adapter without."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from adapter_workbench.workbench.answering.elsewhere.forms import read_folder
from adapter_workbench.workbench.answering.elsewhere.forms.peft import SentByPeft
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files.atomic import make_folder, written_whole
from adapter_workbench.workbench.files.scratch import scratch_folder

if TYPE_CHECKING:
    from adapter_workbench.experiments.answers.import_options import Source
    from adapter_workbench.experiments.answers.known_here import KnownHere
    from adapter_workbench.workbench.answering.elsewhere.form import SentFolder
    from adapter_workbench.workbench.backbone.pretrained import Backbone


@contextmanager
def adapter_on_written_base(
    sent: SentFolder, base: Backbone, kind: str, source: Source, here: KnownHere
) -> Iterator[tuple[Path, str]]:
    """Yield the folder of an adapter without its words, and the folder of the base model that has them.

    Args:
        sent: the adapter's folder.
        base: the base model that it was trained from, before words were added.
        kind: of task.
        source: what was said; it names the folder that is written. One that exists already has to have the same words.
        here: what is known here.

    Raises:
        InputError: it is no adapter of peft, the base model is in fewer bits, or the two do not go together.
        UnwritableError: nothing can be written there.
    """
    where, target = source.at("backbone_to"), Path(str(source.options.backbone_to)).expanduser()
    if not isinstance(sent, SentByPeft):
        hint = "Leave it out: only an adapter of peft brings words to a base model."
        raise InputError(f"this folder is of {sent.program}", where=where, hint=hint)
    if base.quantization:
        raise InputError(f"{base.name} is in fewer bits, and is not written", where=where, hint="Name it without them.")
    if target.exists() and not target.is_dir():
        raise InputError(f"{target} is no folder", where=where)
    from adapter_workbench.workbench.answering.elsewhere.added_words import part
    from adapter_workbench.workbench.answering.elsewhere.words_written import (
        require_its_words,
        require_same_answers,
        write_adapter,
        write_base,
    )
    from adapter_workbench.workbench.machine.quiet import without_advice

    own_kind = kind if sent.kinds else None
    outputs = (sent.outputs(base, kind) if own_kind else None) or 1
    with without_advice("peft"), scratch_folder() as scratch:
        parted = part(sent, base, own_kind, outputs)
        write_adapter(parted, sent, scratch)
        there = target.is_dir()
        if there:
            require_its_words(parted, here.backbone(str(target), where), own_kind)
        else:
            with make_folder(target.parent), written_whole(target) as folder:
                write_base(parted, sent, base, own_kind, folder)
        try:
            written = here.backbone(str(target.resolve()), where)
            require_same_answers(parted, read_folder(scratch), written, own_kind, outputs)
            yield scratch, written.name
        except BaseException:
            if not there:
                shutil.rmtree(target, ignore_errors=True)
            raise
        if not there:
            here.listener.say(f"{base.name} was written to {target} with its words; the adapter belongs to that one.")

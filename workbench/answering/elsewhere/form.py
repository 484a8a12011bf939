"""What a form of folder is, and what is found in one (:mod:`adapter_workbench.workbench.answering.elsewhere.forms`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor, nn

    from adapter_workbench.workbench.adapters.manifest import LinkedFiles
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone, Pooling


CLOSE = 1e-6  # of the largest logit: float32 gives seven digits, and some classes multiply in another order


class Form(Protocol):
    """How one program writes what it has trained."""

    def fits(self, folder: Path) -> bool:
        """Return whether a folder looks as this program writes it, by the names of its files."""

    def read(self, folder: Path) -> SentFolder:
        """Return what the files of a folder say; nothing is loaded, and nothing runs.

        Raises:
            InputError: something is missing, cannot be read, or is of a type that there is not here.
            UnsafeConfigError: a file would lead a library to code or to another place.
        """

    def write_back(
        self, stored: StoredAdapter, backbone: Callable[[], Backbone], folder: Path, front_matter: str
    ) -> None:
        """Write an adapter that came in this form as it came, for its own program, with a card.

        Args:
            stored: the adapter; its manifest names this program.
            backbone: opens the one that it belongs to.
            folder: where to.
            front_matter: of the card.

        Raises:
            InputError: it is no longer what came in, or this program has no folder for what became of it.
        """


class SentFolder(Protocol):
    """What lies in a folder."""

    @property
    def folder(self) -> Path:
        """Where it lies."""

    @property
    def program(self) -> str:
        """Which program wrote it."""

    @property
    def method(self) -> str:
        """What its method is called here."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of task that it can answer, the likeliest first; empty where no head is stored."""

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The labels in the order of the logits, as the files name them; None where they do not."""

    @property
    def base(self) -> str | None:
        """What its sender calls the base model; a name for people, which is never opened."""

    @property
    def kept_files(self) -> Sequence[str]:
        """Names of the files that are kept beside the adapter (:mod:`.original`)."""

    @property
    def read_files(self) -> Sequence[str]:
        """Paths in the folder of the files that its answers depend on, as far as they are there."""

    def outputs(self, backbone: Backbone, kind: str) -> int | None:
        """Return how many logits the stored head has; None where no head is stored.

        Asked only for one of ``kinds``.

        Raises:
            InputError: transformers has no class for this kind of task on the architecture of ``backbone``.
        """

    def open_sender(self, backbone: Backbone, kind: str | None, outputs: int) -> Sender:
        """Return the sender's own program on ``backbone``.

        Args:
            backbone: the base model.
            kind: of task; None where no head is stored.
            outputs: how many logits there are.

        Raises:
            InputError: the files do not fit the backbone; the first part that does not is named.
        """


@runtime_checkable
class OtherHead(Protocol):
    """A folder whose head may be for a problem that is not a kind of task here."""

    @property
    def other_head(self) -> str | None:
        """What it is for, in the program's words; None without such a head."""


@dataclass(frozen=True)
class Sender:
    """The sender's own program, and what is taken over from it."""

    # the model of transformers, peft or adapters, in evaluation mode; its output has ``logits``, or
    # ``last_hidden_state`` where no head is stored
    program: nn.Module
    settings: Mapping[str, Any]  # of the method, as far as they are known
    config: Mapping[str, Any] | None  # the library's configuration for the body alone; None where the library has none
    write: Callable[[Path], None]  # writes the body's weights into a folder, in the form that the library loads here
    # the layers between the body and the logits, by name, in the order of the computation as far as it is known; a
    # pooler of the body's own is among them
    head: Mapping[str, nn.Module] = field(default_factory=dict)
    # what is needed to write a whole model again as it came; of an adapter its files are kept
    original: Mapping[str, Any] = field(default_factory=dict)
    # how the sender makes one vector of the token states, where no head is stored and the folder says it; None: as
    # the backbone does
    pooling: Pooling | None = None
    linked: LinkedFiles | None = None  # the files of a whole model that stay where they are; None where all are written
    virtual: int = 0  # how many tokens of its own it reads before each text; their logits do not count
    rounding: float = CLOSE  # how far apart the logits may be, as a share of the largest

    def logits(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return what the sender's program computes of a batch: (batch, labels) or (batch, tokens, labels)."""
        logits: Tensor = self._output(batch).logits
        return self._of_text(logits, batch) if logits.dim() > 2 else logits

    def states(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the token states (batch, tokens, hidden_size) that the sender's program computes without a head."""
        return self._of_text(self._output(batch).last_hidden_state, batch)

    def _output(self, batch: Mapping[str, Tensor]) -> Any:
        from adapter_workbench.workbench.backbone.network import completed  # torch comes with it

        program: Any = self.program
        return program(**completed(program.config, dict(batch)))

    def _of_text(self, positions: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the entries without virtual tokens: (batch, virtual + tokens, …) → (batch, tokens, …)."""
        return positions[:, -batch["input_ids"].shape[1] :] if self.virtual else positions

"""arrow-tokens: in each module every token is answered by the LoRAs that respond to it most; nothing is trained.

With ``general`` the last sources are general ones: the mean of their factors is taken off the factors of the others
before (GenKnowSub, https://aclanthology.org/2025.acl-short.54). It is peft's Arrow, whose vectors are 15 steps of a
power iteration. Unlike the router ``arrow``, which chooses one adapter with its head for a whole text, this is one
model under one head.

What differs: the paper's LoRAs are those of a library of hundreds of tasks. The authors' program
(github.com/microsoft/mttl) by default adds up the weighted A and the weighted B of all LoRAs, and then multiplies the
two sums, so that the B of one LoRA meets the A of another. Here, as in peft, the weighted updates are added. By default
all LoRAs answer a token there; ``top_k`` is 3 here, as in peft.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from adapter_workbench.fusion.target.composition import Composed, Composition, CompositionSettings
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.libraries.arrow import LIBRARY
from adapter_workbench.workbench.methods.methods.arrow_tokens import METHOD, configure
from adapter_workbench.workbench.methods.methods.arrow_tokens import Settings as RoutingSettings
from adapter_workbench.workbench.settings.bounds import Factor, Size

if TYPE_CHECKING:
    from adapter_workbench.fusion.target.composition import Request


class Settings(CompositionSettings):
    """``top_k`` LoRAs answer a token, all where there are fewer."""

    top_k: Size = 3
    temperature: Factor = 1.0
    general: int = Field(0, ge=0, le=1000, description="how many of the sources, the last ones, are general")


def require_two_to_choose_from(sources: int, settings: Settings) -> None:
    """Make sure that two sources are left that are not general; raises InputError."""
    remaining = max(0, sources - settings.general)
    if remaining < 2:
        message = f"of {sources} sources {settings.general} are general, which leaves {remaining} to choose from"
        raise InputError(message, where="general", hint="At least two LoRAs have to remain.")


def compose(request: Request, settings: Settings) -> Composed:
    """Return the sources side by side.

    Raises:
        InputError: fewer than two sources answer, or they differ in the modules that they adapt, or in their ranks;
            or, where some are general, in their scales.
    """
    folders = [source.folder for source in request.sources]
    require_two_to_choose_from(len(folders), settings)
    answering = len(folders) - settings.general
    first, *others = [{module: pair.rank for module, pair in update.items()} for update in request.updates]
    for source, ranks in zip(request.sources[1:], others, strict=True):
        if ranks != first:
            message = f"{source.id} has other modules or ranks than {request.sources[0].id}"
            raise InputError(message, hint="peft routes between LoRAs of one shape: train them with the same settings.")
    own = RoutingSettings(top_k=settings.top_k, temperature=settings.temperature)
    routing = replace(
        configure(own, request.backbone.config), sources=tuple(folders[:answering]), general=tuple(folders[answering:])
    )
    body = LIBRARY.attach(request.backbone.load(), routing)
    return Composed(body, "arrow-tokens", own)


COMPOSITION = Composition(
    title="Arrow",
    paper=METHOD.paper,
    settings=Settings,
    compose=compose,
    require_number=require_two_to_choose_from,
)

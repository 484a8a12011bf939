"""Fine-tuning methods, one file each: a card that names the paper, and the few lines that configure the library."""

from workbench.contracts import Method
from workbench.errors import InputError
from workbench.registry import Modules

METHODS: Modules[Method] = Modules("method", __name__, "METHOD")


def trained_methods() -> list[str]:
    """Return the names of the methods that train from nothing, sorted; the others are made of adapters."""
    return [name for name in METHODS.names() if not METHODS.get(name).composed]


def trained_method(name: str, where: str | None = None) -> Method:
    """Return a method that trains from nothing.

    Raises:
        UnknownNameError: no method has this name.
        InputError: the method is made of other adapters.
    """
    card = METHODS.get(name, where)
    if card.composed:
        hint = f"Use `workbench fuse TARGET --from ID,ID,… --method {name}`."
        raise InputError(f"{name} is made of other adapters, it cannot be trained from nothing", where=where, hint=hint)
    return card

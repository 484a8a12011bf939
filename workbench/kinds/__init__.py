"""Kinds of task, one file each: columns, head, collator, decoding, metric."""

from workbench.contracts import Kind
from workbench.registry import Modules

KINDS: Modules[Kind] = Modules("kind", __name__, "KIND")

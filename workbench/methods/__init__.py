"""Fine-tuning methods, one file each: a card that names the paper, and the few lines that configure the library."""

from workbench.contracts import Method
from workbench.registry import Modules

METHODS: Modules[Method] = Modules("method", __name__, "METHOD")

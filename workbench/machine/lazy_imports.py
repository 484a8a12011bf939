"""What takes long to import and is hardly ever used, put off until something uses it.

peft imports bitsandbytes, which sets up a compiler. transformers imports parts of scikit-learn and SciPy for a few
functions that are called nowhere here, and torch's compiler for attention that nobody asked for and for masks of padded
texts of language models. Together they take half of the time until a model can be opened. Each gets a stand-in:
whatever is asked of it comes from the package itself, which is imported then. So where a stand-in is asked for more
than was expected, a start is slower, and nothing else changes.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from adapter_workbench.workbench.machine.late_marks import marked_later

PUT_OFF: Mapping[str, tuple[str, ...]] = {  # module → what is imported from it by name, and only called
    "bitsandbytes": (),
    "sklearn.metrics": ("roc_curve", "f1_score", "matthews_corrcoef"),
    "scipy.optimize": ("linear_sum_assignment",),
    "scipy.stats": ("pearsonr", "spearmanr"),
    "torch._dynamo._trace_wrapped_higher_order_op": ("TransformGetItemToIndex",),
    "transformers.integrations.flex_attention": ("flex_attention_forward", "make_flex_block_causal_mask"),
}
BY_NAME = {"__path__", "__version__", "__all__"}  # these are asked for where the module itself is meant


class StandIn(ModuleType):
    """A module of which nothing is imported until an attribute is asked for."""

    def __init__(self, name: str, functions: tuple[str, ...]) -> None:
        """Stand in for the module ``name``; its ``functions`` are put off once more, until they are called."""
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)  # so that whoever asks whether the module is there finds it
        self.__dict__.update({function: _later(name, function) for function in functions})

    def __getattr__(self, attribute: str) -> Any:
        """Return an attribute of the module itself.

        What Python looks up in every module that is loaded (``inspect`` wants the files of all) is not there.
        """
        part_of_a_package = "." in self.__name__ and attribute == "__path__"  # asked by `from sklearn.metrics import …`
        if part_of_a_package or (attribute.startswith("__") and attribute not in BY_NAME):
            raise AttributeError(attribute)
        return getattr(_itself(self.__name__), attribute)


@cache
def import_models() -> None:
    """Import torch, transformers' models and peft, without what nearly nobody needs of them.

    Whoever imports them before, or otherwise, gets the same and waits longer.
    """
    with without_collection(), marked_later("torch", "_dynamo", "allow_in_graph"), put_off(PUT_OFF):
        for module in ("peft", "transformers.data.data_collator", "transformers.generation.utils"):
            import_module(module)


@contextmanager
def put_off(modules: Mapping[str, tuple[str, ...]]) -> Iterator[None]:
    """Let stand-ins be imported in place of ``modules`` while the block runs, where they are installed and not loaded.

    Args:
        modules: name → functions of it that are only ever called.
    """
    absent = [name for name in modules if name not in sys.modules and find_spec(name.partition(".")[0])]
    stand_ins = {name: StandIn(name, modules[name]) for name in absent}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]


@contextmanager
def without_collection() -> Iterator[None]:
    """Collect no garbage while modules are imported: they stay, and looking through them takes a fifth of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _itself(name: str) -> ModuleType:
    if isinstance(sys.modules.get(name), StandIn):
        del sys.modules[name]
    return import_module(name)


def _later(module: str, name: str) -> Callable[..., Any]:
    def later(*arguments: Any, **options: Any) -> Any:
        return getattr(_itself(module), name)(*arguments, **options)

    return later

"""What the packages use of other libraries' private parts: each part has its reason here, or is not used.

A private part is a name with an underscore, or a module that the library's reference calls internal or leaves out. It
may change with any release, so the list is what to look at when a library is raised. Keys of somebody else's JSON
(``_name_or_path`` of a config) are data.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

from tests.modules import PACKAGE, ROOT, house

INTERNAL = (  # transformers' reference has a chapter "Internal helpers"; of the others there is no page
    "transformers.pytorch_utils",
    "transformers.models.auto",
    "mlflow.utils",
    "mlflow.store",
    "mlflow.system_metrics.metrics",
    "peft.import_utils",
    "peft.utils.other",
    "ray.cluster_utils",
    "lm_eval.utils",
    "lm_eval.models.utils",
    "datasets.naming",
    "uvicorn.protocols",
)
BY_NAME = ("getattr", "setattr", "hasattr", "delattr")
ALLOWED = {
    "transformers.models.auto": "Tables of model types that read texts; Auto classes import a model to tell it.",
    "mlflow.system_metrics.metrics": "How processors and GPUs are asked, under the names that the UI shows.",
    "peft.import_utils": "Whether bitsandbytes is there: answered for a while without importing it, then put back.",
    "peft.utils.other": "Which pattern of an adapter's config means a module, decided as peft does.",
    "lm_eval.utils": "Windows of a long text and paths of tasks, as the harness itself cuts and reads them.",
    "lm_eval.models.utils": "Stop sequences and arguments of a generation, as the harness reads them.",
    "datasets.naming": "The folder in which a fetched data set lies, to tell without a network whether it is there.",
    "uvicorn.protocols": "Bounds on what a slow client holds: uvicorn has no settings for them, and takes a class.",
    "transformers.pytorch_utils": "GPT-2's linear layer is Conv1D, with a transposed matrix; nothing else exports it.",
    "_no_split_modules": "Which layers a model is dealt out by. accelerate reads it too; transformers has no getter.",
    "_checkpoint_conversion_mapping": "Tells that transformers renames a checkpoint's tensors; it has no getter.",
    "_n_gpu": "A process would else give every GPU that it sees a batch a step. transformers' own examples set it.",
    "_save": "Trainer has no other hook for what a checkpoint holds: here only what is trained, as safetensors.",
    "_load_from_checkpoint": "As _save, for reading.",
    "_save_optimizer_and_scheduler": "As _save: of a fit that several processes share, each writes its part.",
    "_load_optimizer_and_scheduler": "As _save_optimizer_and_scheduler, for reading.",
    "_get_train_sampler": "Trainer has no other hook for the order of rows: here class-balanced draws.",
    "_temp_dir": "Ray's option for where its sockets lie: RAY_TMPDIR is for all of a person's clusters, this for one.",
    "_node_ip_address": "Ray's option to listen on the loopback address alone; there is no other.",
    "_generator_backpressure_num_objects": "Ray's option for how far a stream may run ahead; there is no other.",
}


def is_private(name: str) -> bool:
    """Return whether a name has one underscore before it, and none behind: Jupyter's ``_repr_html_`` is public."""
    return name.startswith("_") and not name.startswith("__") and not name.endswith("_")


def is_foreign(module: str) -> bool:
    """Return whether a module is of another library; Python's own counts too."""
    return bool(module) and module.partition(".")[0] not in (PACKAGE, "bench", "__future__")


def nodes_of(source: str) -> tuple[ast.AST, ...]:
    """Return everything that a module consists of."""
    return tuple(ast.walk(ast.parse(source)))


@cache
def modules() -> dict[Path, tuple[ast.AST, ...]]:
    """Return what each of the packages' modules consists of."""
    paths = [*house(), *sorted((ROOT / "bench").rglob("*.py"))]
    return {path: nodes_of(path.read_text(encoding="utf-8")) for path in paths}


@cache
def own_names() -> frozenset[str]:
    """Return the private names that the packages define themselves."""
    names: set[str] = set()
    for node in (node for nodes in modules().values() for node in nodes):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                names.add(name)
    return frozenset(name for name in names if is_private(name))


def imports(node: ast.AST) -> Iterator[str]:
    """Yield the private parts that an import statement names."""
    match node:
        case ast.Import(names=names):
            modules = {name.name: name.name for name in names}
        case ast.ImportFrom(module=str(module), level=0, names=names):
            modules = {f"{module}.{name.name}": module for name in names}
        case _:
            return
    for path, module in modules.items():
        if is_foreign(module):
            yield from (internal for internal in INTERNAL if f"{path}.".startswith(f"{internal}."))
            yield from filter(is_private, path.split("."))


def uses(node: ast.AST) -> Iterator[str]:
    """Yield the private names that an expression reads, sets or gives as an option, as far as they are not our own."""
    match node:
        case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=name):
            yield name
        case ast.Attribute(attr=name) if name not in own_names():
            yield name
        case ast.Call(func=ast.Name(id=function), args=[_, ast.Constant(value=str(name)), *_]) if function in BY_NAME:
            yield name
        case ast.keyword(arg=str(name)) if name not in own_names():
            yield name
        case ast.Dict(keys=keys):
            yield from (key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str))
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            yield name


def overrides(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Yield private methods of classes that extend a library's, which nothing of ours calls: the library does."""
    foreign = {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and is_foreign(node.module or "")
        for alias in node.names
    }
    called = {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Call) and is_super(node.value))
    } | {node.value for node in nodes if isinstance(node, ast.Constant)}
    for node in nodes:
        if isinstance(node, ast.ClassDef) and foreign & {ast.unparse(base).partition(".")[0] for base in node.bases}:
            methods = [part for part in node.body if isinstance(part, ast.FunctionDef) and not part.decorator_list]
            yield from (method.name for method in methods if method.name not in called)


def is_super(call: ast.Call) -> bool:
    """Return whether a call is that of ``super``."""
    return isinstance(call.func, ast.Name) and call.func.id == "super"


def private_parts(nodes: Sequence[ast.AST]) -> dict[str, int]:
    """Return the private parts that a module uses, and a line of each."""
    parts: dict[str, int] = {}
    for node in nodes:
        parts |= {name: getattr(node, "lineno", 0) for name in imports(node)}
        parts |= {name: getattr(node, "lineno", 0) for name in uses(node) if is_private(name)}
    return parts | {name: 0 for name in overrides(nodes) if is_private(name)}


def test_private_parts_of_libraries_have_a_reason_or_are_not_used() -> None:
    used = [(path, name, line) for path, nodes in modules().items() for name, line in private_parts(nodes).items()]
    unlisted = [f"{path.relative_to(ROOT)}:{line}: {name}" for path, name, line in used if name not in ALLOWED]
    assert not unlisted, "use a public way, or add the part to ALLOWED with the reason"
    assert {name for _, name, _ in used} == {*ALLOWED}, "a reason for what is no longer used"


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("from torch.utils._pytree import tree_map", "_pytree"),
        ("import mlflow._things", "_things"),
        ("from mlflow.utils import environment", "mlflow.utils"),
        ("import torch\ntorch.nn._theirs", "_theirs"),
        ("getattr(model, '_theirs', None)", "_theirs"),
        ("setattr(model, '_theirs', None)", "_theirs"),
        ("options['_theirs'] = 1", "_theirs"),
        ("call(**{'_theirs': 1})", "_theirs"),
        ("call(_theirs=1)", "_theirs"),
        ("from transformers import Trainer\nclass Own(Trainer):\n  def _save(self): ...", "_save"),
        ("from transformers import Trainer\nclass Own(Trainer):\n  def save(self): super()._save()", "_save"),
    ],
)
def test_a_use_of_a_private_part_is_found(source: str, part: str) -> None:
    assert [*private_parts(nodes_of(source))] == [part]

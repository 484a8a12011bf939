"""An adapter as an MLflow model: the stored folder and a reference to its backbone.

The folder holds weights, head, labels and manifest, in safetensors and JSON; nothing is pickled, and the backbone is
not copied. MLflow's own ``pyfunc`` flavour opens it through :mod:`.loader`, so wherever such a model is
served the workbench has to be installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from adapter_workbench.workbench.adapters.manifest import read_manifest
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter, check_files
from adapter_workbench.workbench.answering.predictor import OpenedAdapter
from adapter_workbench.workbench.backbone.model_folder import ITSELF
from adapter_workbench.workbench.backbone.names import bits_of
from adapter_workbench.workbench.machine.package_versions import PACKAGES, versions
from adapter_workbench.workbench.methods.stored_model import backbone_of

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import Model
    from mlflow.models.signature import ModelSignature

    from adapter_workbench.workbench.adapters.manifest import Manifest

LOADER = "adapter_workbench.workbench.mlflow.loader"  # its ``_load_pyfunc`` is :func:`open_logged`
EXAMPLE = "What is this text about?"


class AdapterModel:
    """What ``mlflow.pyfunc.load_model`` wraps: ``text`` (and ``text_pair``) → ``label`` and ``confidence``."""

    def __init__(self, opened: OpenedAdapter) -> None:
        self._opened = opened

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return one answer a row, as ``workbench predict`` gives it; a confidence that is not known is NaN."""
        import pandas as pd

        columns = [model_input[name].tolist() for name in _columns(self._opened.adapter.manifest)]
        texts = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
        rows = [(answer.words, answer.confidence) for answer in (self._opened.answers(texts) if texts else ())]
        frame = pd.DataFrame(rows, columns=["label", "confidence"])
        return frame.astype({"confidence": "float64"})


def save(stored: StoredAdapter, folder: Path, about: Model) -> None:
    """Write ``stored`` as an MLflow model into ``folder``; ``about`` knows the run and the model's id."""
    import pandas as pd
    from mlflow import pyfunc

    manifest = stored.manifest
    pyfunc.save_model(
        folder,
        loader_module=LOADER,
        data_path=stored.folder,
        mlflow_model=about,
        signature=_signature(manifest),
        input_example=pd.DataFrame({name: [EXAMPLE] for name in _columns(manifest)}),
        pip_requirements=_requirements(manifest),
        metadata={"adapter": manifest.id, "task": manifest.task.name, "method": manifest.method},
        model_config={"backbone": _reference(manifest.backbone.name)},
    )


def open_logged(path: str, model_config: dict[str, Any]) -> AdapterModel:
    """Open what :func:`save` wrote; MLflow calls this.

    Raises:
        IntegrityError: the files are not those of the manifest.
        InputError: the backbone is not where the model says, or not the one that the adapter belongs to.
    """
    folder = Path(path)
    stored = StoredAdapter(read_manifest(folder), folder)
    check_files(stored)
    given = model_config["backbone"]
    return AdapterModel(OpenedAdapter.open(stored, backbone_of(stored, None if given == ITSELF else given)))


def _requirements(manifest: Manifest) -> list[str]:
    """Return what pip installs where the model is served: a sender's manifest could name any package, or an option."""
    stated = manifest.versions if manifest.imported is None else {}
    known = {name: stated[name] for name in PACKAGES if name in stated and _is_version(stated[name])} or versions()
    return [f"{name}=={Version(version)}" for name, version in known.items()]


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _signature(manifest: Manifest) -> ModelSignature:
    from mlflow.models.signature import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    inputs = [ColSpec(DataType.string, name) for name in _columns(manifest)]
    outputs = [ColSpec(DataType.string, "label"), ColSpec(DataType.double, "confidence", required=False)]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def _columns(manifest: Manifest) -> tuple[str, ...]:
    return ("text", "text_pair") if manifest.task.pair else ("text",)


def _reference(backbone: str) -> str:
    """Return a backbone's name so that it means the same wherever it is opened from on this machine."""
    if backbone == ITSELF:
        return backbone
    bits = bits_of(backbone)
    plain = backbone.removesuffix(f":{bits}")
    name = str(Path(plain).resolve()) if Path(plain).is_dir() else plain
    return f"{name}:{bits}" if bits else name

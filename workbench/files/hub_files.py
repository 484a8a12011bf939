"""Model files from the Hugging Face hub, or from its cache on this machine where the hub does not answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from adapter_workbench.workbench.errors import AssetError
from adapter_workbench.workbench.errors.printable import without_credentials
from adapter_workbench.workbench.machine.availability import Availability
from adapter_workbench.workbench.machine.quiet import quiet

# chat templates are *.jinja, Marian's vocabularies *.spm; the card tells the licence
MODEL_FILES = ("*.json", "*.txt", "*.model", "*.spm", "*.jinja", "*.safetensors", "README.md")
NOT_OF_A_MODEL = ("checkpoint-*/*", "onnx/*", "openvino/*", "runs/*")  # the same weights once more, or no weights
HUB_PATIENCE = 4.0  # seconds to wait for any answer of the hub; after that, only cached files are used


def hub_file(repository: str, name: str, revision: str | None = None) -> Path:
    """Return the local copy of one file of a model repository on the hub; raises as :func:`hub_folder`."""
    from huggingface_hub import hf_hub_download

    with fetching(repository) as offline:
        return Path(hf_hub_download(repository, name, revision=revision, local_files_only=offline))


def hub_folder(repository: str, revision: str | None = None, patterns: Sequence[str] = MODEL_FILES) -> Path:
    """Return the local snapshot of a model repository on the Hugging Face hub.

    Args:
        repository: ``owner/name``.
        revision: a branch, tag or commit.
        patterns: which files are wanted; others may be there too, from an earlier call.

    Raises:
        AssetError: the repository or revision does not exist, or the hub cannot be reached and nothing is cached.
    """
    from huggingface_hub import snapshot_download

    with fetching(repository) as offline:
        folder = snapshot_download(
            repository,
            revision=revision,
            allow_patterns=[*patterns],
            ignore_patterns=[*NOT_OF_A_MODEL],
            local_files_only=offline,
        )
    return Path(folder)


def hub_available(repository: str, revision: str | None = None) -> Availability:
    """Say whether a model lies in the hub's cache, config and weights; nothing is asked of the hub."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        config = try_to_load_from_cache(repository, "config.json", revision=revision)
    except HFValidationError:
        return Availability("missing", f"{repository!r} is not an id of the Hugging Face hub")
    if isinstance(config, str) and any(Path(config).parent.glob("*.safetensors")):
        return Availability("here", f"cached from the Hugging Face hub, {repository}")
    called = f"{repository}@{revision}" if revision else repository
    return Availability("download", f"Hugging Face hub, {called}")


def hub_silence() -> str:
    """Return why the hub cannot be reached, in words; empty where it gives any answer.

    The hub's client tries each request six times, with longer and longer pauses: 40 s in which nothing else happens.
    So it is asked once, briefly, before anything is fetched.
    """
    import requests
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    try:
        requests.head(constants.ENDPOINT, timeout=HUB_PATIENCE, allow_redirects=False)
    except (requests.RequestException, OSError):
        return f"{without_credentials(constants.ENDPOINT)} does not answer"
    return ""


@contextmanager
def fetching(repository: str) -> Iterator[bool]:
    """Yield whether only cached files can be used because the hub cannot be reached; report failures in one message.

    Raises:
        AssetError: a library could not fetch it, or what is cached does not hold it.
    """
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    silence = hub_silence()
    try:
        with quiet("huggingface_hub"):
            yield bool(silence)
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        why = f"{silence}, and it is not in the cache" if silence else without_credentials(str(error).splitlines()[0])
        hint = "Check the name and the network, or give the path of a local folder."
        raise AssetError(f"cannot fetch {repository!r} from the hub: {why}", hint=hint) from None

"""Models of Hugging Face and of folders, which fastembed runs on the CPU (the extra `hub`).

Importing this module imports nothing of theirs. A model that is not on this machine is downloaded when it is first
asked for something; what Hugging Face's own variables say (`HF_HOME`, `HF_ENDPOINT`, `HF_HUB_OFFLINE`) holds.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from citewell.errors import MissingExtraError, ModelError, UsageError

T = TypeVar("T")

_SHAPING = ("config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json")
_USUAL = ("model.onnx", "onnx/model.onnx")


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model that can be opened: one of fastembed's list, or the files of a folder.

    Attributes:
        name: as fastembed lists it, or that of the folder.
        weights: the files of the weights, the one that is opened first, relative to the folder of the model.
        repository: where it is on Hugging Face; empty for a folder.
        folder: where it is on this machine; None for one of the list.
        dim: length of its vectors as far as the list says.
    """

    name: str
    weights: tuple[str, ...]
    repository: str = ""
    folder: Path | None = None
    dim: int | None = None


def prepare() -> None:
    """Imports fastembed; it tells nobody anything and logs nothing from then on.

    Raises:
        MissingExtraError: it is not installed.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import fastembed  # noqa: F401
        from loguru import logger
    except ImportError as error:
        raise MissingExtraError(
            "Models of Hugging Face need the extra hub. Install it: pip install 'citewell[hub]'"
        ) from error
    logger.disable("fastembed")


def find_model(name: str, listed: Sequence[Mapping[str, Any]], what: str) -> HubModel:
    """Returns the model that is meant; nothing is downloaded or opened.

    Args:
        name: as fastembed lists it, in any case of letters, or the absolute path of a folder.
        listed: what fastembed's `list_supported_models()` returned.
        what: what it is to be, such as "embedding model".

    Raises:
        UsageError: there is no such model or folder, or the folder holds no ONNX file that could be meant.
    """
    path = Path(name).expanduser()
    if path.is_absolute():
        return _in_folder(path, what)
    for one in listed:
        if one["model"].casefold() == name.casefold() and one["sources"]["hf"]:
            weights = (one["model_file"], *one["additional_files"])
            return HubModel(one["model"], weights, one["sources"]["hf"], dim=one.get("dim"))
    if path.is_dir():
        raise UsageError(
            f"{name!r} is a folder here. Name it by its absolute path: fastembed:{path.resolve()}"
        )
    near = _nearest(name, [one["model"] for one in listed])
    raise UsageError(
        f"fastembed has no {what} {name!r}. Nearest: {', '.join(near)}. Or give the absolute path of a folder that "
        "holds its ONNX file."
    )


def located(model: HubModel) -> Path:
    """Returns the folder of the model's files, downloading them where they are not on this machine.

    They are kept where `FASTEMBED_CACHE_PATH` says, else in the cache of Hugging Face.

    Raises:
        ModelError: they cannot be downloaded.
    """
    if model.folder is not None:
        return model.folder
    from fastembed.common.model_management import CorruptedCacheError, ModelManagement
    from huggingface_hub import constants
    from huggingface_hub.utils.tqdm import disable_progress_bars, enable_progress_bars

    cache = os.environ.get("FASTEMBED_CACHE_PATH") or constants.HF_HUB_CACHE

    def get(local_only: bool, afresh: bool = False) -> Path:
        found = ModelManagement.download_files_from_huggingface(
            model.repository, cache, list(model.weights), local_only, force_download=afresh
        )
        lacking = [file for file in model.weights if not Path(found, file).exists()]
        if lacking:
            raise FileNotFoundError(f"{lacking[0]} is not there")
        return Path(found)

    damaged = False
    try:
        return get(local_only=True)
    except (OSError, ValueError) as error:  # not there, or not as it came
        damaged = isinstance(error, CorruptedCacheError)
    try:
        show_bars = sys.stderr.isatty() and not constants.HF_HUB_DISABLE_PROGRESS_BARS
        (enable_progress_bars if show_bars else disable_progress_bars)()
        return get(local_only=False, afresh=damaged)
    except Exception as error:  # the HTTP client behind it changes with its version
        raise ModelError(
            f"Cannot download {model.name} from {constants.ENDPOINT}/{model.repository}: {told(error)}. Check the "
            "connection and HF_ENDPOINT, or name a folder that holds the model: fastembed:/FOLDER."
        ) from error


def digest(folder: Path, model: HubModel, *facts: object) -> str:
    """Returns a short hash of the files that shape what the model gives, and of other facts that do."""
    summed = hashlib.sha256(repr(facts).encode())
    parts = [
        *model.weights,
        *(file for file in _SHAPING if Path(folder, file).exists()),
    ]
    for part in parts:
        with Path(folder, part).open("rb") as file:
            summed.update(f"\0{Path(part).name}\0".encode() + hashlib.file_digest(file, "sha256").digest())
    return summed.hexdigest()[:24]


def spread(work: Callable[[str], T], texts: Sequence[str], threads: int) -> list[T]:
    """Returns `work(text)` for every text, in their order, done by several threads.

    A text at a time and a thread a text, as with the packaged model: on a CPU batches gain nothing, and what comes of
    a text must not depend on what else was in its batch.
    """
    if min(threads, len(texts)) < 2:
        return [work(text) for text in texts]
    # Longest first, so that the threads finish together.
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]), reverse=True)
    pool = ThreadPoolExecutor(min(threads, len(texts)), thread_name_prefix="citewell-hub")
    try:
        done = dict(zip(order, pool.map(work, (texts[i] for i in order)), strict=True))
    finally:
        pool.shutdown(cancel_futures=True)
    return [done[i] for i in range(len(texts))]


def told(error: Exception) -> str:
    """Returns what an exception says, in one line without a full stop."""
    return " ".join(f"{error}".split())[:300].rstrip(".") or type(error).__name__


def _in_folder(folder: Path, what: str) -> HubModel:
    if not folder.is_dir():
        raise UsageError(
            f"No folder {folder} to take the {what} from. Give the path of one that holds its ONNX file."
        )
    found = sorted(
        file.relative_to(folder).as_posix()
        for place in (folder, folder / "onnx")
        for file in place.glob("*.onnx")
    )
    usual = [file for file in _USUAL if file in found] or found
    if not usual or (len(found) > 1 and usual == found):
        holds = f"holds {', '.join(found)}" if found else "holds no ONNX file"
        raise UsageError(f"The folder {folder} {holds}. Put the {what} there as model.onnx.")
    opened = Path(folder, usual[0])
    beside = sorted(file for file in opened.parent.glob(f"{opened.name}*") if file != opened)
    weights = (usual[0], *(file.relative_to(folder).as_posix() for file in beside if file.is_file()))
    return HubModel(folder.name, weights, folder=folder)


def _nearest(name: str, known: Sequence[str]) -> list[str]:
    """Returns the three names most like this one; many people leave out whose model it is."""
    short = {model.rpartition("/")[2].casefold(): model for model in known}
    close = get_close_matches(name.rpartition("/")[2].casefold(), short, n=3, cutoff=0.0)
    return [short[one] for one in close]

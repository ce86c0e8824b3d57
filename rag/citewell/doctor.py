"""`citewell doctor`: checks the set-up and the collection, with a cure for whatever is wrong.

It changes nothing, unless it is told to make the vector index again.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path
from typing import Literal

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from citewell.chroma_server import ChromaServer
from citewell.embedding import open_embedder
from citewell.embedding.minilm import MODEL_SHA256
from citewell.errors import (
    ChromaServerError,
    CitewellError,
    CollectionBusyError,
    CollectionError,
    NoCollectionError,
    UsageError,
)
from citewell.index import Collection, Progress
from citewell.indexing import vectors_of
from citewell.library import Manifest
from citewell.llm import load_llm
from citewell.llm.reaching import reach
from citewell.reranking import open_reranker
from citewell.served import collection_of
from citewell.settings import Settings, load_settings
from citewell.terminal import clean, labelled, size
from citewell.turn import QUOTES
from citewell.vector_index import tolerated

CheckVerdict = Literal["ok", "warn", "fail"]

LOCAL = "local"
_OLDEST_PYTHON = (3, 11)
_LITTLE_SPACE = 500 * 10**6  # bytes
_ASKED_OF_INDEX = 50  # papers that the index must find, spread over all of them
_PINNED = re.compile(r"([\w.-]+)(?:\[[^]]*\])?\s*(?:>=\s*([\d.]+))?")
_MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "bold red")}
_REBUILD = "Run `citewell doctor --rebuild`."


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `cure` is empty when nothing is to be done.

    `is_setup` tells the installation from the collection.
    """

    name: str
    verdict: CheckVerdict
    detail: str
    cure: str = ""
    is_setup: bool = False

    def to_dict(self) -> dict[str, object]:
        """The check in the JSON document of `citewell doctor --json`."""
        return {"name": self.name, "verdict": self.verdict, "detail": self.detail, "cure": self.cure}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All checks, in order."""

    checks: tuple[Check, ...]

    @property
    def verdict(self) -> CheckVerdict:
        """The worst verdict."""
        verdicts = {check.verdict for check in self.checks}
        return "fail" if "fail" in verdicts else "warn" if "warn" in verdicts else "ok"

    @property
    def exit_status(self) -> int:
        """0 when nothing failed, 1 when the collection is damaged, 2 when the set-up is broken."""
        failed = [check for check in self.checks if check.verdict == "fail"]
        return 2 if any(check.is_setup for check in failed) else 1 if failed else 0

    def to_dict(self) -> dict[str, object]:
        """The JSON document that `citewell doctor --json` prints."""
        return {"verdict": self.verdict, "checks": [check.to_dict() for check in self.checks]}


def examine(
    data_dir: Path | None, rebuild: bool = False, progress: Progress | None = None, network: bool = True
) -> Diagnosis:
    """Checks everything; with `rebuild` the vector index is made again from the library before that.

    Where an endpoint is configured, and `network` allows it, it is asked for its models, which costs nothing.

    Raises:
        UsageError: a setting does not fit.
        CitewellError: the index cannot be made again.
    """
    settings = load_settings({"data_dir": data_dir})
    if rebuild:
        collection = collection_of(settings, follow=False)
        try:
            collection.rebuild(progress)
        finally:
            collection.close()
    models = [check_model(settings.embedding), check_language_model(settings)]
    if settings.reranker:
        models.append(check_reranker(settings.reranker))
    setup = [check_python(), check_packages(), *models]
    if network and settings.llm not in (QUOTES, LOCAL) and models[1].verdict == "ok":
        setup.append(check_endpoint(settings))
    return Diagnosis((*setup, check_disk(settings.data_dir), *check_collection(settings)))


# --- the set-up ----------------------------------------------------------------------------------------


def check_python(version: tuple[int, int, int] = sys.version_info[:3]) -> Check:
    """Returns whether the interpreter is new enough."""
    found = ".".join(map(str, version))
    if version >= _OLDEST_PYTHON:
        return Check("python", "ok", found, is_setup=True)
    return Check("python", "fail", found, "Install Python 3.11 or newer and run `make setup`.", is_setup=True)


def check_packages(
    needs: list[str] | None = None, installed: Callable[[str], str] = metadata.version
) -> Check:
    """Returns whether the packages that Citewell requires are there, and new enough.

    Args:
        needs: requirements such as `numpy>=2`; by default those of the installed distribution.
        installed: returns the version of a package or raises `PackageNotFoundError`.
    """
    cure = "Run `make setup`, or install citewell again."
    versions, wrong = [], []
    for name, least in map(_requirement, _core_needs() if needs is None else needs):
        try:
            version = installed(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        versions.append(f"{name} {version}")
        if _numbers(version) < _numbers(least):
            wrong.append(f"{name} {version} is older than {least}")
    if wrong:
        return Check("packages", "fail", ", ".join(wrong), cure, is_setup=True)
    return Check("packages", "ok", ", ".join(versions), is_setup=True)


def _core_needs() -> list[str]:
    try:
        return [need for need in metadata.requires("citewell") or [] if "extra ==" not in need]
    except metadata.PackageNotFoundError:
        return ["citewell"]  # reported as missing


def _requirement(need: str) -> tuple[str, str]:
    found = _PINNED.match(need)
    return (found[1], found[2] or "0") if found else (need, "0")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:4])


def check_model(spec: str) -> Check:
    """Returns whether the embedding model opens; the packaged one must also give a unit vector.

    Others are not called: that may go over the network and cost money.
    """
    name = "embedding model"
    try:
        embedder = open_embedder(spec)
        if spec != "minilm":
            return Check(name, "ok", f"{spec} opens; it was not called", is_setup=True)
        norm = float(np.linalg.norm(embedder.embed_queries(["What is a vector?"])[0]))
    except CitewellError as error:
        return Check(name, "fail", str(error), "Mend it, or choose another: CITEWELL_EMBEDDING=minilm.", True)
    if not abs(norm - 1) < 1e-3:
        detail = f"{embedder.name} gives a vector of length {norm:.3f}, not 1"
        return Check(name, "fail", detail, "Run `make setup` to install onnxruntime again.", is_setup=True)
    detail = f"{embedder.name}, {embedder.dim} dimensions, sha256 {MODEL_SHA256[:12]}… verified"
    return Check(name, "ok", detail, is_setup=True)


def check_reranker(spec: str) -> Check:
    """Returns whether there is such a reranker; it is not called, which may have to download it."""
    name = "reranker"
    try:
        reranker = open_reranker(spec)
    except CitewellError as error:
        return Check(name, "fail", str(error), "Mend it, or do without: unset CITEWELL_RERANKER.", True)
    return Check(name, "ok", f"{reranker.name} is known; it was not called", is_setup=True)


def check_language_model(settings: Settings) -> Check:
    """Returns whether the language model opens that the setting `llm` names; an endpoint is not called."""
    name = "language model"
    if settings.llm == QUOTES:
        return Check(name, "ok", "none is configured; answers are verbatim quotes", is_setup=True)
    try:
        with closing(load_llm(settings, settings.llm)) as model:
            where = getattr(model, "endpoint", "")
            detail = f"{model.name}{f' at {where}' if where else ''} opens; it was not called"
    except CitewellError as error:
        return Check(name, "fail", str(error), "Mend it, or ask for quotes: CITEWELL_LLM=quotes.", True)
    return Check(name, "ok", detail, is_setup=True)


def check_endpoint(settings: Settings) -> Check:
    """Returns whether the endpoint of the language model can be reached, takes the key and has the model."""
    name = "endpoint"
    try:
        reached = reach(settings.llm, settings)
    except CitewellError as error:
        what, _, cure = str(error).partition("). ")
        told = (f"{what})", cure) if cure else (what, "Look into the server's log.")
        return Check(name, "fail", *told, is_setup=True)
    if reached.models is None:
        return Check(
            name, "ok", f"{reached.address} answers; it does not say which models it has", is_setup=True
        )
    if settings.llm in reached.models:
        return Check(name, "ok", f"{reached.address} answers and has {settings.llm}", is_setup=True)
    near = get_close_matches(settings.llm, reached.models, n=3, cutoff=0.0)
    offer = f"It has {', '.join(near)}. " if near else ""
    detail = f"{reached.address} answers, but does not list {settings.llm!r}"
    return Check(name, "warn", detail, f"{offer}Check CITEWELL_LLM and OPENAI_BASE_URL.", is_setup=True)


def check_disk(data_dir: Path) -> Check:
    """Returns whether there is room beside the collection, whose index is copied when it changes."""
    existing = next(path for path in (data_dir.absolute(), *data_dir.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    held = (
        sum(path.stat().st_size for path in data_dir.rglob("*") if path.is_file()) if data_dir.is_dir() else 0
    )
    detail = f"{size(free)} free, {size(held)} in use by {data_dir}"
    if free < max(_LITTLE_SPACE, held):
        return Check("disk space", "warn", detail, "Free some space, or choose another --data-dir.")
    return Check("disk space", "ok", detail)


# --- the collection ------------------------------------------------------------------------------------


def check_collection(settings: Settings) -> Iterator[Check]:
    """Yields what is known of the library, the vector index, the write lock and the Chroma server."""
    if settings.chroma_url:
        yield check_server(settings)
        if not (settings.data_dir / "library.db").exists():
            cure = "The first question makes one from the server."
            yield Check("library", "warn", f"no copy at {settings.data_dir} yet", cure)
            return
    try:
        collection = collection_of(settings, follow=False)
    except NoCollectionError as error:
        yield Check("library", "warn", f"no collection at {settings.data_dir}", str(error).partition(". ")[2])
        return
    except CollectionError as error:
        yield Check(
            "library", "fail", str(error), "Restore it from a backup, or ingest into a new --data-dir."
        )
        return
    try:
        library = check_library(collection)
        yield library
        yield check_access(collection)
        if library.verdict != "fail":
            yield check_index(collection)
    finally:
        collection.close()


def check_server(settings: Settings) -> Check:
    """Returns whether the Chroma server answers, what it holds and who writes to it."""
    name = "chroma server"
    try:
        with closing(ChromaServer(settings)) as server:
            version, state, owner = server.version(), server.state(), server.holder()
    except UsageError as error:
        return Check(name, "fail", str(error), "Mend the setting.", is_setup=True)
    except CollectionError as error:
        cure = "Questions are answered from the data directory until it is back; ingest waits for it."
        return Check(name, "fail", str(error), cure)
    holds = f"{server.name} holds {state.papers:,} papers" if state else f"{server.name} holds nothing yet"
    writing = f"{owner} is writing" if owner else "nobody is writing"
    return Check(name, "ok", f"{server.url} answers, API {version}; {holds}; {writing}")


def check_library(collection: Collection) -> Check:
    """Returns whether SQLite finds the library sound."""
    damage = collection.library.check()
    if damage is not None:
        cure = "Restore library.db from a backup, or ingest the files again into a new --data-dir."
        return Check("library", "fail", f"{collection.library.path}: {damage}", cure)
    manifest = collection.library.manifest()
    if manifest.papers == 0:
        return Check("library", "warn", "sound, but holds no paper", "Run `citewell ingest FILES`.")
    return Check("library", "ok", f"sound, {manifest.papers:,} papers")


def check_access(collection: Collection) -> Check:
    """Returns whether the collection can be written to, and who is doing so."""
    try:
        collection.check_writable()
    except CollectionBusyError as error:
        return Check("writing", "ok", str(error).partition(". ")[0])
    except ChromaServerError as error:
        return Check("writing", "warn", str(error), "Questions work; to ingest, bring the server back.")
    except CollectionError as error:
        return Check("writing", "warn", str(error), "Questions work; to ingest, make the folder writable.")
    return Check("writing", "ok", "allowed, and nobody is writing")


def check_index(collection: Collection) -> Check:
    """Returns whether the vector index finds papers of the library by their own vectors."""
    manifest = collection.library.manifest()
    if manifest.papers == 0:
        return Check("vector index", "ok", "none needed yet")
    behind = collection.library.count_changed(manifest.generation_revision)
    behind += len(collection.library.removed_since(manifest.generation_revision))
    try:
        held, lost, asked = _ask_index(collection, manifest)
    except CollectionError as error:
        return Check("vector index", "fail", str(error), _REBUILD)
    if not tolerated(lost, asked):
        return Check("vector index", "fail", f"does not find {lost} of {asked} papers asked for", _REBUILD)
    if behind:
        detail = f"{behind:,} changes behind the library"
        return Check("vector index", "warn", detail, "The next question brings it up to date.")
    if held != manifest.papers:
        return Check("vector index", "fail", f"holds {held:,} of {manifest.papers:,} papers", _REBUILD)
    return Check(
        "vector index", "ok", f"holds all {held:,} papers, finds {asked - lost} of {asked} asked for"
    )


def _ask_index(collection: Collection, manifest: Manifest) -> tuple[int, int, int]:
    """Returns how many papers the index holds, how many it failed to find, and how many were asked for."""
    rows = collection.library.sample(manifest.generation_revision, _ASKED_OF_INDEX)
    asked = vectors_of(collection.library, rows, manifest)
    generation = collection.open_index(manifest)
    try:
        return generation.count(), len(generation.missed(asked)), len(asked)
    finally:
        generation.close()


# --- rendering -----------------------------------------------------------------------------------------


def show_diagnosis(diagnosis: Diagnosis) -> RenderableType:
    """Returns one line a check, with its cure below it."""
    lines: list[RenderableType] = []
    for check in diagnosis.checks:
        mark, style = _MARKS[check.verdict]
        told = Text.assemble((f"{check.name}: ", "bold"), clean(check.detail))
        if check.cure:
            told.append(f"\n→ {clean(check.cure)}", style=style)
        lines.append(labelled(mark, told, style))
    return Group(*lines)

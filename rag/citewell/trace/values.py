"""Values of Citewell as JSON, without the secrets of the environment."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from functools import singledispatch
from pathlib import PurePath
from string import Template
from typing import TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from citewell.types import Answer

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"

_SECRET_NAME = re.compile(r"(?:key|token|secret|sig|signature|password|passwd|pwd|credentials?)$", re.I)
_LEAST, _SURE = 6, 8  # characters of a secret; shorter ones, and words below the second, are none


@singledispatch
def plain(value: object) -> Json:
    """Returns a value as JSON: dataclasses and named tuples as objects, arrays as base64, NaN as "NaN".

    Raises:
        TypeError: there is no JSON for it.
    """
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"A trace cannot hold a {type(value).__name__}: {value!r}.")


@plain.register(str)
@plain.register(int)
@plain.register(type(None))
def _same(value: str | int | None) -> Json:
    return value


@plain.register
def _float(value: float) -> Json:
    if math.isfinite(value):
        return float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


@plain.register(Mapping)
def _object(value: Mapping[object, object]) -> Json:
    return {str(name): plain(item) for name, item in value.items()}


@plain.register(list)
@plain.register(tuple)
def _list(value: Sequence[object]) -> Json:
    names = getattr(value, "_fields", None)  # of a named tuple
    return [plain(item) for item in value] if names is None else _object(dict(zip(names, value, strict=True)))


@plain.register(Set)
def _set(value: Set[str]) -> Json:
    return [plain(item) for item in sorted(value)]


@plain.register(PurePath)
def _path(value: PurePath) -> Json:
    return str(value)


@plain.register(Template)
def _template(value: Template) -> Json:
    return value.template


@plain.register
def _answer(value: Answer) -> Json:
    return plain(value.to_dict())


@plain.register
def _model(value: BaseModel) -> Json:
    return plain(value.model_dump())


@plain.register(np.generic)
def _scalar(value: np.generic) -> Json:
    return plain(value.item())


@plain.register(np.ndarray)
def _array(value: NDArray[np.float32]) -> Json:
    encoded = base64.b64encode(value.astype("<f4").tobytes()).decode("ascii")
    return {"shape": list(value.shape), "float32": encoded}


def array(value: object) -> object:
    """Returns the array that `plain` made the object of; other values as they are.

    Raises:
        ValueError: the object's shape does not fit its bytes.
    """
    if not isinstance(value, Mapping):
        return value
    try:
        data = np.frombuffer(base64.b64decode(value["float32"]), "<f4")
        return data.reshape(value["shape"]).astype(np.float32)
    except (KeyError, TypeError) as error:
        raise ValueError("shape or bytes are missing") from error


def secrets_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Returns what in the environment no file may show, longest first: keys, tokens, passwords in addresses."""
    found = {secret for name, value in environ.items() for secret in _secrets(name, value.strip())}
    secrets = {secret for secret in found if len(secret) >= (_SURE if secret.isalpha() else _LEAST)}
    return tuple(sorted(secrets, key=lambda secret: (-len(secret), secret)))


def _secrets(name: str, value: str) -> Iterator[str]:
    if _SECRET_NAME.search(name):
        yield value
    if "://" not in value:
        return
    try:
        parts = urlsplit(value)
    except ValueError:
        return
    user, password = parts.username or "", parts.password or ""
    if user or password:
        credential = password or user  # a name without a password is a token
        yield from (credential, unquote(credential))
        yield base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()  # as it is sent
    yield from (given for key, given in parse_qsl(parts.query) if _SECRET_NAME.search(key))


def masked(value: Json, secrets: Sequence[str]) -> Json:
    """Returns the value with an asterisk for each character of a secret, so that offsets stay right.

    Half surrogate pairs become "?", as what is sent to a language model has them.
    """
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, "*" * len(secret))
        return value.encode(errors="replace").decode()
    if isinstance(value, list):
        return [masked(item, secrets) for item in value]
    if isinstance(value, dict):
        return {str(masked(name, secrets)): masked(item, secrets) for name, item in value.items()}
    return value

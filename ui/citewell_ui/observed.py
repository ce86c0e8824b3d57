"""What operators see of the server: the id of a request, and the metrics at /metrics."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import gradio as gr
from citewell.observing import clean_id
from citewell.observing.setup import metrics
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from citewell_ui.host import LOOPBACK, Host

REQUEST_ID = "x-request-id"
METRICS = "/metrics"
_FORWARDED = (b"forwarded", b"x-forwarded", b"x-real-ip", b"via")


def with_request_id(scope: Scope) -> tuple[Scope, str]:
    """Returns a request with an id in its headers, that of a proxy in front or a new one, and the id."""
    name = REQUEST_ID.encode()
    given = next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)
    request_id = clean_id(given)
    others = [header for header in scope["headers"] if header[0] != name]
    return {**scope, "headers": [*others, (name, request_id.encode())]}, request_id


def request_id_of(request: gr.Request | Request | None) -> str:
    """Returns the id of a request, empty where there is none."""
    return "" if request is None else str(request.headers.get(REQUEST_ID, ""))


def is_scrape_from_here(scope: Scope) -> bool:
    """Returns whether a program of this machine asks for the metrics, and no proxy does so for somebody else."""
    headers = dict(scope["headers"])
    if scope["path"] != METRICS or any(name.startswith(_FORWARDED) for name in headers):
        return False
    try:
        name = urlsplit(f"//{headers.get(b'host', b'').decode('latin-1')}").hostname
        address = ipaddress.ip_address((scope.get("client") or ("",))[0])
    except ValueError:
        return False
    return address.is_loopback and name in LOOPBACK


def show_metrics(host: Host, request: Request) -> Response:
    """Returns the metrics of this process; 404 where the settings do not ask for them."""
    if not (host.ready and host.assistant.settings.metrics):
        return Response("There are no metrics: set CITEWELL_METRICS=1.\n", 404, media_type="text/plain")
    counted = metrics()
    counted.count_papers(lambda: host.assistant.collection.library.manifest().papers)
    body, media_type = counted.render(request.headers.get("accept", ""))
    return Response(body, media_type=media_type)

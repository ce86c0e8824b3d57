"""The four services of live sources on loopback, in their real formats, with papers made up here.

    with LiveServer() as server:
        server.script("/arxiv", Answer(503))      # the next request there gets this
        settings = server.settings(tmp_path)

`server.requests` holds (path with query, headers) of every request, in order.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from citewell.live import Clock
from citewell.settings import Settings, load_settings

ATOM = "application/atom+xml; charset=utf-8"
JSON = "application/json"


@dataclass(frozen=True)
class Answer:
    """A reply in place of the proper one; `cut` promises more bytes than come, `delay` seconds pass first.

    `drip` sends the body byte by byte with that many seconds in between.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    delay: float = 0.0
    drip: float = 0.0


class FakeTime:
    """A clock that moves only when somebody sleeps; `slept` holds the pauses."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.start = datetime(2026, 3, 4, 23, 0, tzinfo=UTC)
        self.passed = 0.0

    def clock(self) -> Clock:
        return Clock(lambda: self.start + timedelta(seconds=self.passed), lambda: self.passed, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed += seconds


def arxiv_entry(given: str, number: int, summary: str | None = None, **more: str) -> str:
    """An Atom entry as arXiv writes it; what stands in `more` is raw XML."""
    abstract = (
        f"Paper {number} weighs {number} kites &amp; finds $x^2$ in them." if summary is None else summary
    )
    title = more.get("title", f"Kites of kind {number}\n  and their tails")
    return f"""  <entry>
    <id>http://arxiv.org/abs/{given}</id>
    <updated>2025-08-21T17:59:46Z</updated>
    <published>2025-08-20T17:59:46Z</published>
    <title>{title}</title>
    <summary>  {abstract}
</summary>
    <author><name>Ada Kite</name><arxiv:affiliation>Sky University</arxiv:affiliation></author>
    <author><name>Bo Tail</name></author>
    <arxiv:comment>9 pages</arxiv:comment>
    {more.get("extra", "")}
    <link href="http://arxiv.org/abs/{given}" rel="alternate" type="text/html"/>
    <arxiv:primary_category term="cs.IR" scheme="http://arxiv.org/schemas/atom"/>
    <category term="cs.IR" scheme="http://arxiv.org/schemas/atom"/>
    <category term="cs.DL" scheme="http://arxiv.org/schemas/atom"/>
  </entry>"""


def arxiv_feed(entries: list[str], total: int, start: int = 0) -> bytes:
    """A feed as arXiv writes it."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:arxiv="http://arxiv.org/schemas/atom">
  <link href="http://arxiv.org/api/query?search_query%3Dx" rel="self" type="application/atom+xml"/>
  <title type="html">ArXiv Query: search_query=x&amp;id_list=</title>
  <id>http://arxiv.org/api/made-up</id>
  <updated>2025-08-22T00:00:00-04:00</updated>
  <opensearch:totalResults xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">{total}</opensearch:totalResults>
  <opensearch:startIndex xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">{start}</opensearch:startIndex>
  <opensearch:itemsPerPage xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">{len(entries)}</opensearch:itemsPerPage>
{chr(10).join(entries)}
</feed>""".encode()


def arxiv_error(message: str) -> bytes:
    """The feed with which arXiv refuses a request."""
    return arxiv_feed(
        [
            f"""<entry><id>http://arxiv.org/api/errors#{message.replace(" ", "_")}</id><title>Error</title>
            <summary>{escape(message)}</summary><updated>2025-08-22T00:00:00-04:00</updated>
            <author><name>arXiv api core</name></author></entry>"""
        ],
        1,
    )


def work(number: int, **changed: object) -> dict[str, Any]:
    """A work as OpenAlex writes it."""
    words = f"Work {number} counts the owls and the mice of {number} barns .".split()
    return {
        "id": f"https://openalex.org/W{number}",
        "doi": f"https://doi.org/10.5555/owl.{number}",
        "title": f"Owls of barn {number}",
        "display_name": f"Owls of barn {number}",
        "publication_year": 2024,
        "authorships": [{"author": {"id": "https://openalex.org/A1", "display_name": "Olga Owl"}}],
        "abstract_inverted_index": {
            w: [i for i, v in enumerate(words) if v == w] for w in dict.fromkeys(words)
        },
        "locations": [{"landing_page_url": f"https://doi.org/10.5555/owl.{number}"}],
        "topics": [{"display_name": "Barn Ecology"}],
        **changed,
    }


def crossref(doi: str, **changed: object) -> dict[str, Any]:
    """A message of Crossref about a work."""
    message = {
        "DOI": doi,
        "title": [f"Beech forests in {doi}"],
        "abstract": "<jats:title>Abstract</jats:title><jats:p>Beeches grew 10<jats:sup>3</jats:sup> leaves &amp; "
        "more, p &lt; 0.05.</jats:p>",
        "author": [{"given": "Bea", "family": "Beech", "sequence": "first"}, {"name": "Forest Group"}],
        "issued": {"date-parts": [[2021, 5]]},
        "URL": f"https://doi.org/{doi}",
        **changed,
    }
    return {"status": "ok", "message-type": "work", "message-version": "1.0.0", "message": message}


class LiveServer:
    """Serves `arxiv` (entries of a search, newest first), `daily` (by date), `works` and `dois` (by number and DOI)."""

    def __init__(self) -> None:
        self.arxiv = [arxiv_entry(f"2508.{n:05d}v1", n) for n in range(1, 251)]
        self.daily: dict[str, object] = {}
        self.works = {n: work(n) for n in range(1, 251)}
        self.dois: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, Mapping[str, str]]] = []
        self._scripts: dict[str, deque[Answer]] = {}
        self._closing = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def environment(self) -> dict[str, str]:
        """The settings that point Citewell here, as environment variables."""
        return {
            "CITEWELL_ARXIV_URL": f"{self.url}/arxiv",
            "CITEWELL_HF_URL": f"{self.url}/daily_papers",
            "CITEWELL_OPENALEX_URL": f"{self.url}/openalex",
            "CITEWELL_CROSSREF_URL": f"{self.url}/crossref",
        }

    def settings(self, data_dir: Path, **more: object) -> Settings:
        """Settings that point Citewell here."""
        urls = {name.removeprefix("CITEWELL_").lower(): url for name, url in self.environment().items()}
        return load_settings({"data_dir": data_dir, **urls, **more}, {})

    def script(self, path: str, *answers: Answer | None) -> None:
        """Lets the next requests to a path get these answers; None stands for the proper one."""
        self._scripts.setdefault(path, deque()).extend(answers)

    def paths(self) -> list[str]:
        """The paths asked for, in order."""
        return [path for path, _ in self.requests]

    def answer(self, target: str) -> Answer:
        """What to send for a request."""
        parts = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        path = unquote(parts.path)
        service = "/" + path.split("/")[1]
        if self._scripts.get(service) and (scripted := self._scripts[service].popleft()):
            return scripted
        if service == "/arxiv":
            return Answer(200, self._arxiv(query), {"Content-Type": ATOM})
        if service == "/daily_papers":
            return _json(self.daily.get(query["date"], []))
        if path == "/openalex/works":
            return _json(self._search(query))
        if service == "/openalex":
            return self._work(path.removeprefix("/openalex/works/"))
        found = self.dois.get(path.removeprefix("/crossref/works/"))
        return _json(found) if found else Answer(404, b"Resource not found.", {"Content-Type": "text/plain"})

    def _arxiv(self, query: Mapping[str, str]) -> bytes:
        entries = self.arxiv
        if "id_list" in query:
            asked = query["id_list"].split(",")
            entries = [e for e in entries if any(f"/abs/{a}<" in e or f"/abs/{a}v" in e for a in asked)]
        start = int(query.get("start", 0))
        return arxiv_feed(entries[start : start + int(query["max_results"])], len(entries), start)

    def _search(self, query: Mapping[str, str]) -> dict[str, object]:
        start = 0 if query["cursor"] == "*" else int(query["cursor"].removeprefix("Ilsx"))
        size = int(query["per-page"])
        found = list(self.works.values())
        part = found[start : start + size]
        following = f"Ilsx{start + size}" if part else None  # OpenAlex has one more, empty page
        return {"meta": {"count": len(found), "per_page": size, "next_cursor": following}, "results": part}

    def _work(self, given: str) -> Answer:
        for found in self.works.values():
            doi = str(found["doi"]).removeprefix("https://doi.org/")
            if given in (str(found["id"]).rpartition("/")[2], f"doi:{doi}"):
                return _json(found)
        return Answer(404, b"<!doctype html>\n<title>404 Not Found</title>", {"Content-Type": "text/html"})


def _json(value: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": JSON})


def _handler(server: LiveServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802 - as http.server names it
            server.requests.append((self.path, dict(self.headers.items())))
            answer = server.answer(self.path)
            server._closing.wait(answer.delay)
            try:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body) + (1 if answer.cut else 0)))
                self.end_headers()
                if not answer.drip:
                    self.wfile.write(answer.body)
                for at in range(len(answer.body) if answer.drip else 0):
                    self.wfile.write(answer.body[at : at + 1])
                    if server._closing.wait(answer.drip):
                        return
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    return Handler

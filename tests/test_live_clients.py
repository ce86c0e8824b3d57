"""The clients that others keep for the same services read what the local server sends as Citewell does.

They do not fetch for Citewell (the reasons stand in `citewell.live.fetching`), but they know the formats: a local
server that all of them understand speaks as the real ones do.
"""

from __future__ import annotations

import arxiv
import habanero
import pyalex
import pytest
from citewell.live import crossref, openalex
from citewell.live.arxiv import read_feed
from live_server import LiveServer, arxiv_entry, work
from live_server import crossref as crossref_reply


@pytest.fixture
def server():
    with LiveServer() as running:
        yield running


def test_the_client_of_arxiv_reads_the_same_papers(server):
    extra = "<arxiv:doi>10.5555/kite</arxiv:doi>"
    server.arxiv = [arxiv_entry(f"2508.{n:05d}v1", n, extra=extra) for n in range(1, 8)]
    client = arxiv.Client(page_size=3, delay_seconds=0, num_retries=0)
    client.query_url_format = f"{server.url}/arxiv?{{}}"
    theirs = list(client.results(arxiv.Search("all:kites", max_results=7)))
    ours = [record for start in (0, 3, 6) for record in read_feed(_page(server, start), start).records]
    assert [
        (r.get_short_id(), r.title, r.summary.strip(), [a.name for a in r.authors], r.doi, r.categories)
        for r in theirs
    ] == [(r["name"], r["title"], r["abstract"], r["authors"], r["doi"], r["categories"]) for r in ours]
    assert [str(result.published.year) for result in theirs] == [record["year"] for record in ours]


def _page(server, start):
    return server.answer(f"/arxiv?search_query=all:kites&start={start}&max_results=3").body


def test_the_client_of_openalex_rebuilds_the_same_abstract():
    index = work(3)["abstract_inverted_index"]
    assert openalex.rebuilt(index) == pyalex.invert_abstract(index)


def test_the_client_of_crossref_finds_the_same_message(server):
    doi = "10.5555/beech"
    server.dois[doi] = crossref_reply(doi)
    client = habanero.Crossref(base_url=f"{server.url}/crossref", mailto="owl@barn.example", timeout=5)
    theirs = client.works(ids=doi)["message"]
    ours = crossref._read(server.answer(f"/crossref/works/{doi}").body)
    assert (theirs["DOI"], theirs["title"][0]) == (ours["doi"], ours["title"])

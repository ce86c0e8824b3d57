"""The collection tab: what it lists, adds and tells, that all of it is escaped, and how it is wired."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from citewell import Assistant, Paper
from citewell.errors import UsageError
from citewell.types import IngestReport, Listing, Rejection
from citewell_ui import collection_html as show
from citewell_ui.collection_actions import (
    PAGE_SIZE,
    Actions,
    BrowserProgress,
    add,
    browse,
    uploads,
    with_paper,
)
from citewell_ui.collection_tab import collection_tab
from fakes import HashEmbedder, paper

HOSTILE = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>"


class Tags(HTMLParser):
    """Collects the tags of a document, and the names of their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}


def tags(html: str) -> Tags:
    parser = Tags()
    parser.feed(html)
    return parser


class Page:
    def __init__(self, assistant: Assistant) -> None:
        self.assistant = assistant


@pytest.fixture(scope="module")
def assistant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assistant]:
    with Assistant.open(tmp_path_factory.mktemp("data"), embedder=HashEmbedder()) as opened:
        opened.add([paper(number) for number in range(45)])
        yield opened


def hostile_paper() -> Paper:
    return Paper(HOSTILE, f"{HOSTILE} in an abstract.", f"id{HOSTILE}", (Listing(HOSTILE, HOSTILE),), (HOSTILE,),
                 url="javascript:alert(3)", categories=(HOSTILE,))  # fmt: skip


def report(*rejected: Rejection, entries: int = 5) -> IngestReport:
    return IngestReport(entries, 3, 2, 1, 0, 2, 3, rejected, 1.25)


@pytest.mark.parametrize(
    "html",
    [
        show.paper_list([hostile_paper()]),
        show.paper_card(hostile_paper()),
        show.scope(1, HOSTILE),
        show.trouble(HOSTILE),
        show.note(HOSTILE),
        show.heading(3, [(HOSTILE, "Aug 1", 3)]),
        show.ingest_report(report(Rejection(f"/tmp/{HOSTILE}", 3, HOSTILE))),
    ],
)
def test_nothing_from_papers_and_files_becomes_markup(html: str) -> None:
    found = tags(html)
    assert not {"img", "script", "a"} & set(found.tags)
    assert not [name for name in found.attributes if name.startswith("on")]


def test_a_list_item_carries_the_exact_id() -> None:
    found: list[str | None] = []

    class Ids(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.extend(value for name, value in attrs if name == "data-paper")

    Ids().feed(show.paper_list([hostile_paper()]))
    assert found == [hostile_paper().paper_id] * 2


def test_the_heading_names_papers_files_and_dates() -> None:
    listings = [("a.txt", "Sep 4", 2), ("a.txt", "Aug 22", 1), ("b.txt", None, 1), ("b.txt", "soon", 1)]
    assert "3 papers · 2 files · Aug 22 – Sep 4" in show.heading(3, listings)
    assert "empty" in show.heading(0, [])


@pytest.mark.parametrize(
    "count, title, said",
    [
        (1, "A title", "Asking “A title” only"),
        (1, "", "Asking 1 paper only"),
        (1_200, "", "Asking 1,200 papers only"),
    ],
)
def test_the_chip_says_what_is_asked(count: int, title: str, said: str) -> None:
    assert f">{said}<" in show.scope(count, title)


def test_there_is_no_chip_when_all_papers_are_asked() -> None:
    assert show.scope(0) == ""


def test_the_report_tells_what_was_added_merged_and_rejected() -> None:
    html = show.ingest_report(
        report(Rejection("/tmp/x/page.csv", 7, "no title"), Rejection("y.bin", None, "binary"))
    )
    assert "5 entries read in 1.2 s: 2 added, 1 updated, 2 merged as repeats, 2 rejected." in html
    assert "<td>page.csv</td><td>7</td><td>no title</td>" in html and "<td>y.bin</td><td></td>" in html


def test_a_long_list_of_rejections_is_cut_and_says_so() -> None:
    html = show.rejections([Rejection("f", line, "bad") for line in range(show.REJECTIONS_SHOWN + 40)])
    assert html.count("<tr>") == show.REJECTIONS_SHOWN + 1 and "and 40 more" in html


@pytest.mark.parametrize(
    "offset, first, count, start",
    [
        (0, "p0", PAGE_SIZE, 0),
        (20, "p20", PAGE_SIZE, 20),
        (40, "p40", 5, 40),
        (999, "p40", 5, 40),
        (-20, "p0", 20, 0),
    ],
)
def test_papers_are_browsed_page_by_page(
    assistant: Assistant, offset: int, first: str, count: int, start: int
) -> None:
    listed, at, total = browse(assistant, "  ", offset)
    assert (listed[0].paper_id, len(listed), at, total) == (first, count, start, 45)


def test_a_search_lists_the_best_first(assistant: Assistant) -> None:
    listed, at, total = browse(assistant, paper(17).title, 0)
    assert listed[0].paper_id == "p17" and at == 0 and total == 45


def test_an_empty_collection_has_no_papers_to_browse(tmp_path: Path) -> None:
    assert browse(Assistant.open(tmp_path, embedder=HashEmbedder()), "", 40) == ([], 0, 0)


def test_a_search_of_an_empty_collection_is_told_in_one_line(tmp_path: Path) -> None:
    _, found, body, *_ = Actions(Page(Assistant.open(tmp_path, embedder=HashEmbedder()))).papers("corals")
    assert found == () and 'role="alert"' in body and "is empty" in body


def test_only_a_search_offers_to_ask_what_it_found(assistant: Assistant) -> None:
    actions = Actions(Page(assistant))
    _, found, _, _, _, offer = actions.papers("glacier")
    assert len(found) == PAGE_SIZE and offer.visible
    _, found, _, back, on, offer = actions.papers(None)
    assert found == () and not offer.visible and not back.interactive and on.interactive


def test_files_are_added_with_progress_and_a_report(tmp_path: Path) -> None:
    assistant = Assistant.open(tmp_path / "data", embedder=HashEmbedder())
    path = tmp_path / "new.jsonl"
    lines = [{"title": "A made up reef", "abstract": "It lies in a sea."}, {"title": "No abstract"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    told: list[tuple[float, str]] = []
    before = assistant.collection.library.manifest().digest
    html, digest = add(assistant, [path], BrowserProgress(lambda share, desc: told.append((share, desc))))
    assert "1 added, 1 rejected" in html and "<td>new.jsonl</td><td>2</td>" in html
    assert digest == assistant.collection.library.manifest().digest != before
    assert all(0.0 <= share <= 1.0 for share, _ in told)
    assert (1.0, "Reading and embedding · 1 paper") in told


@pytest.mark.parametrize(
    "name, content, said",
    [("none.jsonl", None, "none.jsonl"), ("binary.bin", b"\x7fELF\0\0\0\0" * 9, "Nothing could be read")],
)
def test_what_cannot_be_added_is_told_in_one_line(
    assistant: Assistant, tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    html, digest = add(assistant, [path], BrowserProgress(lambda share, desc: None))
    alert = re.search(r'role="alert">([^<]*)<', html)
    assert alert and said in alert[1] and "\n" not in alert[1]
    assert digest == gr.skip()


def test_adding_nothing_says_what_to_do(assistant: Assistant) -> None:
    html, _, emptied = Actions(Page(assistant)).add_files(None)
    assert "Choose one or more files" in html and emptied is None


def test_uploads_are_limited_in_number_and_size(assistant: Assistant, tmp_path: Path) -> None:
    files = []
    for number in range(3):
        files.append(str(tmp_path / f"{number}.txt"))
        Path(files[-1]).write_bytes(b"x" * 400)
    assert uploads(files) == [Path(file) for file in files]
    with pytest.raises(UsageError, match="3 files are too many at once: add at most 2"):
        uploads(files, most_files=2)
    with pytest.raises(UsageError, match=r"1\.2 kB are too much at once: add at most 1\.0 kB"):
        uploads(files, most_bytes=1_000)


def event(**data: object) -> gr.EventData:
    return gr.EventData(None, data)


def test_ticking_a_box_adds_the_paper_once_and_clearing_it_takes_it_out(assistant: Assistant) -> None:
    actions = Actions(Page(assistant))
    chosen = actions.ticked(("p1",), event(paper="p2", chosen=True))
    assert chosen == ("p1", "p2") == actions.ticked(chosen, event(paper="p2", chosen=True))
    assert actions.ticked(chosen, event(paper="p1", chosen=False)) == ("p2",)
    assert with_paper(("p1",), "p1") == ("p1",)


@pytest.mark.parametrize("sent", [None, "p1", [1, None, ["p1"], {"p": 1}], []])
def test_a_lasso_takes_nothing_but_ids_of_the_collection(assistant: Assistant, sent: object) -> None:
    assert Actions(Page(assistant)).lassoed(event(papers=sent)) == ()


def test_a_lasso_chooses_its_papers_once(assistant: Assistant) -> None:
    sent = ["p1", "unknown", "p3", "p1", HOSTILE]
    assert Actions(Page(assistant)).lassoed(event(papers=sent)) == ("p1", "p3")


def test_a_click_opens_the_paper_and_an_unknown_one_is_told(assistant: Assistant) -> None:
    actions = Actions(Page(assistant))
    shown, card, *buttons = actions.opened(event(paper="p4"))
    assert shown == "p4" and paper(4).abstract in card and all(button.visible for button in buttons)
    shown, card, *buttons = actions.opened(event(paper="gone"))
    assert shown == "" and 'role="alert"' in card and not any(button.visible for button in buttons)


def test_the_map_is_drawn_once_for_a_collection_and_an_answer(assistant: Assistant) -> None:
    actions = Actions(Page(assistant))
    drawn, plot, _ = actions.map(None, (), ())
    assert '"p44"' in plot.value["plot"]
    assert actions.map(drawn, (), ("p1",)) == (gr.skip(),) * 3
    assert actions.map(drawn, ("p1",), ())[0] != drawn


def endpoints(assistant: Assistant, folders: bool) -> tuple[list[Any], list[Any]]:
    with gr.Blocks(analytics_enabled=False) as blocks, gr.Tab("Collection") as tab:
        view = collection_tab(Page(assistant), folders=folders)
        view.on_open(tab.select)
    return list(blocks.fns.values()), list(blocks.blocks.values())


# Without a running event loop, Gradio makes loops of its own and leaves them open.
async def test_all_events_of_the_tab_are_private(assistant: Assistant) -> None:
    functions, _ = endpoints(assistant, folders=True)
    assert len(functions) > 15
    assert {function.api_visibility for function in functions} == {"private"}


async def test_a_path_can_only_be_added_where_that_is_allowed(assistant: Assistant) -> None:
    names = {folders: {f.name for f in endpoints(assistant, folders)[0]} for folders in (False, True)}
    assert "add_path" in names[True] and "add_path" not in names[False]

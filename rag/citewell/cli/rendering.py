"""What the commands of `maintenance` show: pure functions from their results to text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from citewell.terminal import clean, counted, labelled, size

if TYPE_CHECKING:
    from citewell.maintenance import Removal, Vacuumed
    from citewell.transfer import Exported, Imported
    from citewell.types import Paper

_SHOWN = 10  # papers named before they are removed


def export_line(exported: Exported) -> Text:
    """Returns what an export wrote, in a line."""
    papers = counted(exported.papers, "paper")
    return Text(
        clean(
            f"Wrote {papers} to {exported.file}: {size(exported.bytes)}, collection {exported.collection[:8]}, "
            f"in {exported.seconds:.1f} s."
        )
    )


def import_line(imported: Imported, data_dir: Path) -> Text:
    """Returns what an import did, in a line."""
    counts = [(imported.added, "added"), (imported.updated, "updated"), (imported.unchanged, "unchanged")]
    told = ", ".join(f"{count:,} {what}" for count, what in counts if count) or "nothing new"
    embedded = f", {imported.embedded:,} embedded" if imported.embedded else ""
    papers = counted(imported.papers, "paper")
    return Text(
        clean(
            f"Read {papers} from {imported.file}: {told}{embedded}, in {imported.seconds:.1f} s. "
            f"Collection: {data_dir}"
        )
    )


def removal_line(removal: Removal, left: int) -> Text:
    """Returns what was removed and how much is left, in a line."""
    told = f"Removed {counted(len(removal.papers), 'paper')}"
    if removal.kept:
        told += f"; took {counted(len(removal.kept), 'other')} off {removal.listing}"
    return Text(clean(f"{told}. {counted(left, 'paper')} left."))


def removal_lines(removal: Removal, paper: Callable[[str], Paper | None]) -> Iterator[str]:
    """Yields what would be removed: the first ten papers by id and title, then how many more there are."""
    for paper_id in removal.papers[:_SHOWN]:
        known = paper(paper_id)
        yield clean(f"{paper_id}  {known.title if known else ''}")
    if len(removal.papers) > _SHOWN:
        yield f"… and {len(removal.papers) - _SHOWN:,} more"
    if removal.kept:
        yield clean(
            f"{counted(len(removal.kept), 'paper')} listed elsewhere too: only taken off {removal.listing}"
        )


def vacuum_lines(vacuumed: Vacuumed) -> RenderableType:
    """Returns the sizes before and after, part by part, and what was given back."""
    width = max(map(len, vacuumed.before))
    parts = [
        labelled(f"{name:<{width}}", Text(f"{size(before)} → {size(vacuumed.after[name])}"), "dim")
        for name, before in vacuumed.before.items()
    ]
    freed = sum(vacuumed.before.values()) - sum(vacuumed.after.values())
    dropped = f" {counted(vacuumed.passages, 'text')} without a paper dropped." if vacuumed.passages else ""
    return Group(*parts, Text(f"{size(max(freed, 0))} given back in {vacuumed.seconds:.1f} s.{dropped}"))

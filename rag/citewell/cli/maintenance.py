"""The commands that copy, thin out and tidy a collection: `export`, `import`, `remove`, `vacuum`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from citewell.cli.output import notify, print_result
from citewell.cli.parsing import Command

if TYPE_CHECKING:
    from citewell.index import Collection
    from citewell.maintenance import Removal
    from citewell.settings import Settings


def _settings(options: argparse.Namespace) -> Settings:
    from citewell.settings import load_settings

    return load_settings({"data_dir": getattr(options, "data_dir", None)})


def _collection(options: argparse.Namespace) -> Collection:
    from citewell.served import collection_of

    return collection_of(_settings(options), notify=notify)


# --- one file -------------------------------------------------------------------------------------------


def _export_options(export: argparse.ArgumentParser) -> None:
    export.add_argument("file", metavar="FILE", type=Path, help="the file to write, such as papers.citewell")
    export.add_argument("--force", action="store_true", help="replace a file that is there")


def _export(options: argparse.Namespace) -> int:
    from citewell.cli import rendering
    from citewell.terminal import IngestBar
    from citewell.transfer import export

    with IngestBar() as bar:
        exported = export(_settings(options), options.file, bar, options.force)
    print_result(options, exported.to_dict(), lambda: rendering.export_line(exported))
    return 0


def _import_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="as `citewell export FILE` wrote it")
    parser.add_argument("--merge", action="store_true", help="add the papers to those of the collection")


def _import(options: argparse.Namespace) -> int:
    from citewell.cli import rendering
    from citewell.terminal import IngestBar
    from citewell.transfer import import_file

    settings = _settings(options)
    with IngestBar() as bar:
        imported = import_file(settings, options.file, bar, options.merge, notify)
    print_result(options, imported.to_dict(), lambda: rendering.import_line(imported, settings.data_dir))
    return 0


# --- less -----------------------------------------------------------------------------------------------


def _remove_options(remove: argparse.ArgumentParser) -> None:
    remove.add_argument("paper_ids", metavar="PAPER_ID", nargs="*", help="as `citewell search` prints it")
    remove.add_argument(
        "--listing",
        metavar="NAME",
        help="all papers of this page or file; those listed elsewhere too stay, without this listing",
    )
    remove.add_argument("--yes", action="store_true", help="do not ask first")


def _remove(options: argparse.Namespace) -> int:
    from contextlib import closing

    from citewell.cli import rendering
    from citewell.maintenance import plan_removal, remove

    with closing(_collection(options)) as collection:
        removal = plan_removal(collection, options.paper_ids, options.listing)
        if not options.yes and sys.stdin.isatty() and not _confirmed(collection, removal):
            notify("Nothing was removed.")
            return 1
        remove(collection, removal)
        manifest = collection.library.manifest()
    document = {**removal.to_dict(), "papers": manifest.papers, "collection": manifest.digest}
    print_result(options, document, lambda: rendering.removal_line(removal, manifest.papers))
    return 0


def _confirmed(collection: Collection, removal: Removal) -> bool:
    """Names the papers on stderr and returns whether the person says yes."""
    from citewell.cli import rendering

    for line in rendering.removal_lines(removal, collection.library.paper):
        print(line, file=sys.stderr)
    print("Remove them? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _vacuum(options: argparse.Namespace) -> int:
    from contextlib import closing

    from citewell import maintenance
    from citewell.cli import rendering

    with closing(_collection(options)) as collection:
        vacuumed = maintenance.vacuum(collection, notify)
    print_result(options, vacuumed.to_dict(), lambda: rendering.vacuum_lines(vacuumed))
    return 0


COMMANDS: dict[str, Command] = {
    "export": Command("Write the whole collection to one file.", _export, _export_options),
    "import": Command("Read a collection from the file of an export.", _import, _import_options),
    "remove": Command("Remove papers from the collection.", _remove, _remove_options),
    "vacuum": Command("Give back the disk space that the collection no longer needs.", _vacuum),
}

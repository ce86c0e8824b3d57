"""A collection as one file: `export` writes it, `import_file` reads it.

docs/operations.md tells people how to use it, `container` and `records` what stands in it.
"""

from citewell.transfer.exporting import Exported, export
from citewell.transfer.importing import Imported, import_file

__all__ = ["Exported", "Imported", "export", "import_file"]

"""A tenant in a file: exported from any ledger, imported into any, also under another name.

JSON Lines: a header with the version, a line for each row, and an end with the counts and a checksum. Values are in the
open, whatever they are kept as. ``kinds`` says what is exported of each table, ``lines`` is the file, ``exporting`` and
``importing`` are the two ways. Below: ``bulk.py``. Above: the command line.
"""

from dragoman.memory.portable.exporting import export_tenant
from dragoman.memory.portable.importing import Imported, import_tenant
from dragoman.memory.portable.lines import Header, checked

__all__ = ["Header", "Imported", "checked", "export_tenant", "import_tenant"]

"""Large values, kept beside the ledger: in a folder, or in S3, Google Cloud Storage or Azure (extra ``blobs``).

A row holds a reference in the value's place. What is written is put before the row that refers to it commits, and
outside of the transaction: a verb that would write a large value is rolled back, what it wants put is put, and it is
run again; so is one that reads what is not at hand. ``Blobs`` is what a ledger has of this, ``sweeping`` collects what
nothing refers to. Knows no run. Above: the two ledgers; ``sealing/references.py`` tells which values are large.
"""

from dragoman.memory.blobs.aside import Blobs, BlobsWanted
from dragoman.memory.blobs.opening import blob_place
from dragoman.memory.blobs.place import BlobPlace, NoBlob

__all__ = ["BlobPlace", "Blobs", "BlobsWanted", "NoBlob", "blob_place"]

"""The files that `dragoman init` writes, as they are."""

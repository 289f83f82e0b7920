-- What this ledger is called, where it is not what it was born as: one that was moved here keeps the name that its blobs are claimed with.
CREATE TABLE identity (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    name TEXT NOT NULL
) STRICT;

-- The forced queue of the settlement chain, as far as it is final there.
CREATE TABLE forced (
    queue_index INTEGER PRIMARY KEY,
    body        BLOB NOT NULL
) STRICT;

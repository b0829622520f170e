-- Signatures of checkpoints that this node saw, to compare later ones with.
CREATE TABLE checkpoints (
    id         INTEGER PRIMARY KEY,
    slot       BLOB NOT NULL, -- signer, era, batch number, batch before
    seen_at_ms INTEGER NOT NULL,
    body       BLOB NOT NULL
) STRICT;
CREATE INDEX checkpoints_slot ON checkpoints (slot);
CREATE INDEX checkpoints_age ON checkpoints (seen_at_ms);

-- Two of them that contradict each other, once for a slot.
CREATE TABLE checkpoint_evidence (
    id       INTEGER PRIMARY KEY,
    slot     BLOB NOT NULL UNIQUE,
    reported INTEGER NOT NULL,
    body     BLOB NOT NULL
) STRICT;

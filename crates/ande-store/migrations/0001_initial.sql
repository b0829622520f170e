-- Heights, rounds and the like are unsigned in the program and must fit a signed 64-bit integer.
-- Every BLOB named body, record, data, raw, value, certificate or seal ends with a 4-byte checksum
-- over its table, the row's other columns and its content.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Canonical blocks, decided or not, once each.
CREATE TABLE bodies (
    id     INTEGER PRIMARY KEY,
    hash   BLOB NOT NULL UNIQUE,
    height INTEGER NOT NULL,
    body   BLOB NOT NULL
) STRICT;

-- The chain.
CREATE TABLE blocks (
    height         INTEGER PRIMARY KEY,
    hash           BLOB NOT NULL UNIQUE,
    execution_hash BLOB NOT NULL UNIQUE,
    body_id        INTEGER NOT NULL UNIQUE REFERENCES bodies (id),
    certificate    BLOB NOT NULL
) STRICT;

-- Committed blocks that are in no final batch.
CREATE TABLE outbox (
    height          INTEGER PRIMARY KEY REFERENCES blocks (height),
    bytes           INTEGER NOT NULL,
    committed_at_ms INTEGER NOT NULL
) STRICT;

-- Proposals that are not decided.
CREATE TABLE candidates (
    height      INTEGER NOT NULL,
    round       INTEGER NOT NULL,
    body_id     INTEGER NOT NULL REFERENCES bodies (id),
    valid_round INTEGER NOT NULL, -- -1: none
    proposer    BLOB NOT NULL,
    built_here  INTEGER NOT NULL,
    seal        BLOB NOT NULL,
    PRIMARY KEY (height, round, body_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX candidates_body ON candidates (body_id);
CREATE UNIQUE INDEX candidates_built ON candidates (height, round) WHERE built_here = 1;

-- Frozen sets of epochs.
CREATE TABLE sets (
    era   INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    body  BLOB NOT NULL,
    PRIMARY KEY (era, epoch)
) STRICT, WITHOUT ROWID;
CREATE INDEX sets_epoch ON sets (epoch, era);

-- Acknowledged transactions that are in no block, many in one row.
CREATE TABLE journal (
    id    INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    body  BLOB NOT NULL
) STRICT;

CREATE TABLE batches (
    batch_index  INTEGER PRIMARY KEY,
    content_hash BLOB NOT NULL,
    start_height INTEGER NOT NULL,
    end_height   INTEGER NOT NULL,
    state        INTEGER NOT NULL,
    record       BLOB NOT NULL,
    data         BLOB NOT NULL
) STRICT;
CREATE INDEX batches_content ON batches (content_hash);
CREATE INDEX batches_start ON batches (start_height);
CREATE INDEX batches_state ON batches (state, batch_index);

-- Transactions of this node on the settlement chain, written before they are broadcast.
CREATE TABLE l1_transactions (
    id            INTEGER PRIMARY KEY,
    purpose       TEXT NOT NULL,
    sender        BLOB NOT NULL,
    nonce         INTEGER NOT NULL,
    hash          BLOB NOT NULL UNIQUE,
    state         INTEGER NOT NULL,
    mined_block   INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    raw           BLOB NOT NULL
) STRICT;
CREATE INDEX l1_transactions_sender ON l1_transactions (sender, nonce);
CREATE INDEX l1_transactions_purpose ON l1_transactions (purpose);

CREATE TABLE evidence (
    id       INTEGER PRIMARY KEY,
    slot     BLOB NOT NULL UNIQUE,
    signer   BLOB NOT NULL,
    reported INTEGER NOT NULL,
    body     BLOB NOT NULL
) STRICT;
CREATE INDEX evidence_signer ON evidence (signer);

CREATE TABLE peers (
    node_id    BLOB PRIMARY KEY NOT NULL,
    address    TEXT NOT NULL,
    updated_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

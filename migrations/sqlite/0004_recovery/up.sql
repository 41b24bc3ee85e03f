-- Connections as they were, so that a lost one can be taken up again. rooms: an array of [room, views, joined_pos].
-- lost_at is null while one is open, or was when its hub died.
CREATE TABLE recoverable_connections (
    id BLOB PRIMARY KEY NOT NULL,
    organization_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    rooms TEXT NOT NULL,
    barrier INTEGER NOT NULL,
    stale INTEGER NOT NULL,
    first_kept_at INTEGER NOT NULL,
    kept_at INTEGER NOT NULL,
    lost_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX recoverable_connections_lost ON recoverable_connections (lost_at);

-- One row: connections that were open at this time may not have been told everything in its order.
CREATE TABLE recovery_floor (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL
) STRICT;

INSERT INTO recovery_floor (id, at)
VALUES (1, 0);

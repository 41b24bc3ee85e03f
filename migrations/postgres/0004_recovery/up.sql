-- Connections as they were, so that a lost one can be taken up again. rooms: an array of [room, views, joined_pos].
-- lost_at is null while one is open, or was when its hub died.
CREATE TABLE recoverable_connections (
    id uuid PRIMARY KEY NOT NULL,
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    rooms json NOT NULL,
    barrier bigint NOT NULL,
    stale bigint NOT NULL,
    first_kept_at bigint NOT NULL,
    kept_at bigint NOT NULL,
    lost_at bigint
);

CREATE INDEX recoverable_connections_lost ON recoverable_connections (lost_at);

-- One row: connections that were open at this time may not have been told everything in its order.
CREATE TABLE recovery_floor (
    id bigint PRIMARY KEY CHECK (id = 1),
    at bigint NOT NULL
);

INSERT INTO recovery_floor (id, at)
VALUES (1, 0);

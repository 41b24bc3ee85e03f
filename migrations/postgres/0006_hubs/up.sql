-- The processes that have this database open as hubs, and when each said last that it is there, by the database's clock.
CREATE TABLE hubs (
    id uuid PRIMARY KEY NOT NULL,
    seen_at bigint NOT NULL
);

-- taken_up: how often a connection was taken up again before it was as it is kept now.
-- taken_from: the digest of what was kept when it was taken up. digest: that of what is kept now; 0: not known.
-- hub: the hub that kept it. Null: it is nobody's any more, and is not taken up again.
ALTER TABLE recoverable_connections ADD COLUMN taken_up bigint NOT NULL DEFAULT 0;
ALTER TABLE recoverable_connections ADD COLUMN taken_from bigint NOT NULL DEFAULT 0;
ALTER TABLE recoverable_connections ADD COLUMN digest bigint NOT NULL DEFAULT 0;
ALTER TABLE recoverable_connections ADD COLUMN hub uuid DEFAULT '00000000-0000-0000-0000-000000000000';

-- Connections of a hub that did not say which one it was were open until now, as far as anyone knows.
INSERT INTO hubs (id, seen_at)
SELECT '00000000-0000-0000-0000-000000000000', (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
WHERE EXISTS (SELECT 1 FROM recoverable_connections);

-- Also finds what a hub has left open.
DROP INDEX recoverable_connections_lost;
CREATE INDEX recoverable_connections_lost ON recoverable_connections (lost_at, hub);

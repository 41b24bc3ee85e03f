-- How many pieces of pasts of rooms a connection had been told: its client has to name the last of them, or something that
-- came later.
ALTER TABLE recoverable_connections ADD COLUMN past bigint NOT NULL DEFAULT 0;

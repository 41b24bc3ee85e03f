-- Its name in the system that a message comes from or goes to.
ALTER TABLE messages ADD COLUMN external_id TEXT;
-- What the outside has said of a message: how far it has come, and when it came and was read there.
ALTER TABLE messages ADD COLUMN reported_status TEXT;
ALTER TABLE messages ADD COLUMN delivered_at INTEGER;
ALTER TABLE messages ADD COLUMN read_at INTEGER;

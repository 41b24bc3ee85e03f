-- How people want to be seen, and who may write in a room.
ALTER TABLE users ADD COLUMN status TEXT NOT NULL DEFAULT 'online';
ALTER TABLE users ADD COLUMN avatar_url TEXT;
ALTER TABLE members ADD COLUMN muted INTEGER NOT NULL DEFAULT 0;
-- A ban is a place that keeps its user out.
ALTER TABLE members ADD COLUMN banned INTEGER NOT NULL DEFAULT 0;

CREATE INDEX members_rooms ON members (user_id, room_id);

-- Lists of rooms are read from the newest on, a page at a time.
CREATE INDEX rooms_kinds ON rooms (organization_id, kind, created_at, id);

CREATE INDEX rooms_age ON rooms (organization_id, created_at, id);

-- changed_pos is null while nothing has changed since pos. A deleted message keeps its row and says nothing.
ALTER TABLE messages ADD COLUMN changed_pos INTEGER;
ALTER TABLE messages ADD COLUMN edited_at INTEGER;
ALTER TABLE messages ADD COLUMN deleted_at INTEGER;
ALTER TABLE messages ADD COLUMN deleted_by BLOB;

CREATE INDEX messages_changed ON messages (room_id, changed_pos)
WHERE changed_pos IS NOT NULL;

-- What a message said before the edit with this pos, and who made the edit.
CREATE TABLE message_edits (
    message_id BLOB NOT NULL,
    pos INTEGER NOT NULL,
    amendment_id BLOB NOT NULL,
    content TEXT NOT NULL,
    edited_by BLOB NOT NULL,
    edited_by_name TEXT NOT NULL,
    edited_at INTEGER NOT NULL,
    PRIMARY KEY (message_id, pos)
) STRICT, WITHOUT ROWID;

CREATE TABLE reactions (
    message_id BLOB NOT NULL,
    emoji TEXT NOT NULL,
    user_id BLOB NOT NULL,
    user_name TEXT NOT NULL,
    pos INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (message_id, emoji, user_id)
) STRICT, WITHOUT ROWID;

-- Requests that carried an Idempotency-Key, kept for a day. The subject is the message or the room that it made.
CREATE TABLE idempotency_keys (
    organization_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    subject_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, user_id, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE INDEX idempotency_keys_subject ON idempotency_keys (subject_id);

-- Rooms that are gone, while there still are messages of theirs to be removed. Their ids are taken until then.
CREATE TABLE purged_rooms (
    room_id BLOB PRIMARY KEY NOT NULL
) STRICT, WITHOUT ROWID;

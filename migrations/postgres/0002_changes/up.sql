-- How people want to be seen, and who may write in a room.
ALTER TABLE users ADD COLUMN status text NOT NULL DEFAULT 'online';
ALTER TABLE users ADD COLUMN avatar_url text;
ALTER TABLE members ADD COLUMN muted boolean NOT NULL DEFAULT false;
-- A ban is a place that keeps its user out.
ALTER TABLE members ADD COLUMN banned boolean NOT NULL DEFAULT false;

CREATE INDEX members_rooms ON members (user_id, room_id);

-- Lists of rooms are read from the newest on, a page at a time.
CREATE INDEX rooms_kinds ON rooms (organization_id, kind, created_at, id);

CREATE INDEX rooms_age ON rooms (organization_id, created_at, id);

-- changed_pos is null while nothing has changed since pos. A deleted message keeps its row and says nothing.
ALTER TABLE messages ADD COLUMN changed_pos bigint;
ALTER TABLE messages ADD COLUMN edited_at bigint;
ALTER TABLE messages ADD COLUMN deleted_at bigint;
ALTER TABLE messages ADD COLUMN deleted_by uuid;

CREATE INDEX messages_changed ON messages (room_id, changed_pos)
WHERE changed_pos IS NOT NULL;

-- What a message said before the edit with this pos, and who made the edit.
CREATE TABLE message_edits (
    message_id uuid NOT NULL,
    pos bigint NOT NULL,
    amendment_id uuid NOT NULL,
    content json NOT NULL,
    edited_by uuid NOT NULL,
    edited_by_name text NOT NULL,
    edited_at bigint NOT NULL,
    PRIMARY KEY (message_id, pos)
);

CREATE TABLE reactions (
    message_id uuid NOT NULL,
    emoji text NOT NULL,
    user_id uuid NOT NULL,
    user_name text NOT NULL,
    pos bigint NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (message_id, emoji, user_id)
);

-- Requests that carried an Idempotency-Key, kept for a day. The subject is the message or the room that it made.
CREATE TABLE idempotency_keys (
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    subject_id uuid NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (organization_id, user_id, key)
);

CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE INDEX idempotency_keys_subject ON idempotency_keys (subject_id);

-- Rooms that are gone, while there still are messages of theirs to be removed. Their ids are taken until then.
CREATE TABLE purged_rooms (
    room_id uuid PRIMARY KEY
);

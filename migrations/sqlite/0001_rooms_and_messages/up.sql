-- Ids are 16-byte blobs, times are microseconds since 1970 by the writer's clock.

-- A row here is the lock on everything in the organization; last_pos numbers its changes.
CREATE TABLE organizations (
    id BLOB PRIMARY KEY NOT NULL,
    last_pos INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    email TEXT,
    role TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, id)
) STRICT, WITHOUT ROWID;

-- The newest seq is that of the room's newest message. What *_user has read or received reaches to *_seq,
-- and nobody else's beyond *_rest: enough to tell the status of any message of the room.
CREATE TABLE rooms (
    id BLOB PRIMARY KEY NOT NULL,
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    kind TEXT NOT NULL,
    name TEXT,
    contact_id BLOB,
    acl_version INTEGER NOT NULL,
    read_user BLOB,
    read_seq INTEGER NOT NULL,
    read_rest INTEGER NOT NULL,
    delivered_user BLOB,
    delivered_seq INTEGER NOT NULL,
    delivered_rest INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    archived_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
    room_id BLOB NOT NULL REFERENCES rooms (id),
    user_id BLOB NOT NULL,
    role TEXT NOT NULL,
    joined_pos INTEGER NOT NULL,
    joined_at INTEGER NOT NULL,
    PRIMARY KEY (room_id, user_id)
) STRICT, WITHOUT ROWID;

-- kind: read or delivered. What is read counts as delivered without a row saying so.
CREATE TABLE marks (
    room_id BLOB NOT NULL REFERENCES rooms (id),
    user_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    seq INTEGER NOT NULL,
    pos INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (room_id, user_id, kind)
) STRICT, WITHOUT ROWID;

CREATE INDEX marks_since ON marks (room_id, pos);

-- No reference to rooms: the writer holds the organization's row while it looks the room up and writes here.
CREATE TABLE messages (
    room_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    id BLOB NOT NULL,
    organization_id BLOB NOT NULL,
    pos INTEGER NOT NULL,
    sender_id BLOB NOT NULL,
    sender_type TEXT NOT NULL,
    direction TEXT NOT NULL,
    user_name TEXT NOT NULL,
    contact_id BLOB,
    message_type TEXT NOT NULL,
    content TEXT NOT NULL,
    reply_to_id BLOB,
    client_message_id TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (room_id, seq)
) STRICT;

CREATE UNIQUE INDEX messages_id ON messages (id);

CREATE UNIQUE INDEX messages_once ON messages (room_id, sender_id, client_message_id)
WHERE client_message_id IS NOT NULL;

CREATE TABLE audit_log (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    action TEXT NOT NULL,
    reason TEXT,
    dialect TEXT NOT NULL,
    organization_id BLOB,
    user_id BLOB,
    address TEXT NOT NULL,
    origin TEXT,
    close_code INTEGER,
    lasted_ms INTEGER,
    times INTEGER NOT NULL
) STRICT;

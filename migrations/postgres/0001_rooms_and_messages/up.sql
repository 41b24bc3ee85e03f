-- Ids are uuids, times are microseconds since 1970 by the writer's clock.

-- A row here is the lock on everything in the organization; last_pos numbers its changes.
CREATE TABLE organizations (
    id uuid PRIMARY KEY,
    last_pos bigint NOT NULL,
    last_at bigint NOT NULL,
    created_at bigint NOT NULL
);

CREATE TABLE users (
    organization_id uuid NOT NULL REFERENCES organizations (id),
    id uuid NOT NULL,
    name text NOT NULL,
    email text,
    role text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (organization_id, id)
);

-- The newest seq is that of the room's newest message. What *_user has read or received reaches to *_seq,
-- and nobody else's beyond *_rest: enough to tell the status of any message of the room.
CREATE TABLE rooms (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations (id),
    kind text NOT NULL,
    name text,
    contact_id uuid,
    acl_version bigint NOT NULL,
    read_user uuid,
    read_seq bigint NOT NULL,
    read_rest bigint NOT NULL,
    delivered_user uuid,
    delivered_seq bigint NOT NULL,
    delivered_rest bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    archived_at bigint
);

CREATE TABLE members (
    room_id uuid NOT NULL REFERENCES rooms (id),
    user_id uuid NOT NULL,
    role text NOT NULL,
    joined_pos bigint NOT NULL,
    joined_at bigint NOT NULL,
    PRIMARY KEY (room_id, user_id)
);

-- kind: read or delivered. What is read counts as delivered without a row saying so.
CREATE TABLE marks (
    room_id uuid NOT NULL REFERENCES rooms (id),
    user_id uuid NOT NULL,
    kind text NOT NULL,
    seq bigint NOT NULL,
    pos bigint NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (room_id, user_id, kind)
);

CREATE INDEX marks_since ON marks (room_id, pos);

-- No reference to rooms: the writer holds the organization's row while it looks the room up and writes here.
CREATE TABLE messages (
    room_id uuid NOT NULL,
    seq bigint NOT NULL,
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    pos bigint NOT NULL,
    sender_id uuid NOT NULL,
    sender_type text NOT NULL,
    direction text NOT NULL,
    user_name text NOT NULL,
    contact_id uuid,
    message_type text NOT NULL,
    -- Not jsonb: it is always read and written whole, and taking it apart cost a fifth of the writer's rate.
    content json NOT NULL,
    reply_to_id uuid,
    client_message_id text,
    created_at bigint NOT NULL,
    PRIMARY KEY (room_id, seq)
);

CREATE UNIQUE INDEX messages_id ON messages (id);

CREATE UNIQUE INDEX messages_once ON messages (room_id, sender_id, client_message_id)
WHERE client_message_id IS NOT NULL;

CREATE TABLE audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at bigint NOT NULL,
    action text NOT NULL,
    reason text,
    dialect text NOT NULL,
    organization_id uuid,
    user_id uuid,
    address text NOT NULL,
    origin text,
    close_code bigint,
    lasted_ms bigint,
    times bigint NOT NULL
);

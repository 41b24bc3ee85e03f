ALTER TABLE organizations ADD COLUMN name TEXT;

-- Who may log in here. email_key is the address in lower case; password_hash is null where somebody else asks for it.
CREATE TABLE accounts (
    organization_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    email_key TEXT NOT NULL,
    password_hash TEXT,
    invite_id BLOB,
    disabled_at INTEGER,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (organization_id, user_id),
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX accounts_email ON accounts (email_key);

-- An invitation is good for one account.
CREATE UNIQUE INDEX accounts_invite ON accounts (invite_id)
WHERE invite_id IS NOT NULL;

CREATE INDEX accounts_age ON accounts (created_at, user_id);

-- All refresh tokens of a login share its family; only the newest, kept as its SHA-256, is good.
CREATE TABLE login_sessions (
    id BLOB PRIMARY KEY NOT NULL,
    organization_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    family BLOB NOT NULL,
    refresh_hash BLOB NOT NULL,
    user_agent TEXT,
    address TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    renewed_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX login_sessions_family ON login_sessions (family);

CREATE INDEX login_sessions_user ON login_sessions (organization_id, user_id);

CREATE INDEX login_sessions_ended ON login_sessions (ended_at)
WHERE ended_at IS NOT NULL;

CREATE TABLE api_keys (
    id BLOB PRIMARY KEY NOT NULL,
    organization_id BLOB NOT NULL,
    user_id BLOB NOT NULL,
    name TEXT NOT NULL,
    hash BLOB NOT NULL,
    hint TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_by BLOB,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX api_keys_hash ON api_keys (hash);

CREATE INDEX api_keys_organization ON api_keys (organization_id, created_at);

-- One row, raised with every change of who may come in, so that each hub hears of it. It is also the lock on who is first.
CREATE TABLE auth_changes (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;

INSERT INTO auth_changes (id, version)
VALUES (1, 0);

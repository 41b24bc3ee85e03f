ALTER TABLE organizations ADD COLUMN name text;

-- Who may log in here. email_key is the address in lower case; password_hash is null where somebody else asks for it.
CREATE TABLE accounts (
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    email_key text NOT NULL,
    password_hash text,
    invite_id uuid,
    disabled_at bigint,
    created_at bigint NOT NULL,
    PRIMARY KEY (organization_id, user_id),
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id)
);

CREATE UNIQUE INDEX accounts_email ON accounts (email_key);

-- An invitation is good for one account.
CREATE UNIQUE INDEX accounts_invite ON accounts (invite_id)
WHERE invite_id IS NOT NULL;

CREATE INDEX accounts_age ON accounts (created_at, user_id);

-- All refresh tokens of a login share its family; only the newest, kept as its SHA-256, is good.
CREATE TABLE login_sessions (
    id uuid PRIMARY KEY NOT NULL,
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    family bytea NOT NULL,
    refresh_hash bytea NOT NULL,
    user_agent text,
    address text NOT NULL,
    created_at bigint NOT NULL,
    renewed_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    ended_at bigint
);

CREATE UNIQUE INDEX login_sessions_family ON login_sessions (family);

CREATE INDEX login_sessions_user ON login_sessions (organization_id, user_id);

CREATE INDEX login_sessions_ended ON login_sessions (ended_at)
WHERE ended_at IS NOT NULL;

CREATE TABLE api_keys (
    id uuid PRIMARY KEY NOT NULL,
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    name text NOT NULL,
    hash bytea NOT NULL,
    hint text NOT NULL,
    scopes text NOT NULL,
    created_by uuid,
    created_at bigint NOT NULL,
    expires_at bigint,
    revoked_at bigint,
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id)
);

CREATE UNIQUE INDEX api_keys_hash ON api_keys (hash);

CREATE INDEX api_keys_organization ON api_keys (organization_id, created_at);

-- One row, raised with every change of who may come in, so that each hub hears of it. It is also the lock on who is first.
CREATE TABLE auth_changes (
    id bigint PRIMARY KEY CHECK (id = 1),
    version bigint NOT NULL
);

INSERT INTO auth_changes (id, version)
VALUES (1, 0);

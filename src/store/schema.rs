//! The tables, once for both databases.
//!
//! `Id` is a `uuid` in Postgres and a 16-byte blob in SQLite, `Object` is `json` or text; everything else is the same
//! in both. Columns that nothing reads or writes yet are not listed.

#![allow(clippy::wildcard_imports, reason = "the way `table!` names the types of columns")]

use diesel::query_builder::QueryId;
use diesel::sql_types::SqlType;

#[derive(Debug, Clone, Copy, Default, SqlType, QueryId)]
#[diesel(postgres_type(oid = 2950, array_oid = 2951))]
#[diesel(sqlite_type(name = "Binary"))]
pub struct Id;

#[derive(Debug, Clone, Copy, Default, SqlType, QueryId)]
#[diesel(postgres_type(oid = 114, array_oid = 199))]
#[diesel(sqlite_type(name = "Text"))]
pub struct Object;

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    organizations (id) {
        id -> Id,
        last_pos -> BigInt,
        last_at -> BigInt,
        created_at -> BigInt,
        name -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    users (organization_id, id) {
        organization_id -> Id,
        id -> Id,
        name -> Text,
        email -> Nullable<Text>,
        role -> Text,
        status -> Text,
        avatar_url -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    rooms (id) {
        id -> Id,
        organization_id -> Id,
        kind -> Text,
        name -> Nullable<Text>,
        contact_id -> Nullable<Id>,
        acl_version -> BigInt,
        read_user -> Nullable<Id>,
        read_seq -> BigInt,
        read_rest -> BigInt,
        delivered_user -> Nullable<Id>,
        delivered_seq -> BigInt,
        delivered_rest -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
        archived_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    members (room_id, user_id) {
        room_id -> Id,
        user_id -> Id,
        role -> Text,
        muted -> Bool,
        banned -> Bool,
        joined_pos -> BigInt,
        joined_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    marks (room_id, user_id, kind) {
        room_id -> Id,
        user_id -> Id,
        kind -> Text,
        seq -> BigInt,
        pos -> BigInt,
        at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::{Id, Object};

    messages (room_id, seq) {
        room_id -> Id,
        seq -> BigInt,
        id -> Id,
        organization_id -> Id,
        pos -> BigInt,
        sender_id -> Id,
        sender_type -> Text,
        direction -> Text,
        user_name -> Text,
        contact_id -> Nullable<Id>,
        message_type -> Text,
        content -> Object,
        reply_to_id -> Nullable<Id>,
        client_message_id -> Nullable<Text>,
        created_at -> BigInt,
        changed_pos -> Nullable<BigInt>,
        edited_at -> Nullable<BigInt>,
        deleted_at -> Nullable<BigInt>,
        deleted_by -> Nullable<Id>,
        external_id -> Nullable<Text>,
        reported_status -> Nullable<Text>,
        delivered_at -> Nullable<BigInt>,
        read_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::{Id, Object};

    message_edits (message_id, pos) {
        message_id -> Id,
        pos -> BigInt,
        amendment_id -> Id,
        content -> Object,
        edited_by -> Id,
        edited_by_name -> Text,
        edited_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    reactions (message_id, emoji, user_id) {
        message_id -> Id,
        emoji -> Text,
        user_id -> Id,
        user_name -> Text,
        pos -> BigInt,
        at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    idempotency_keys (organization_id, user_id, key) {
        organization_id -> Id,
        user_id -> Id,
        key -> Text,
        fingerprint -> Binary,
        subject_id -> Id,
        created_at -> BigInt,
    }
}

diesel::table! {
    use super::Id;

    purged_rooms (room_id) {
        room_id -> Id,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    accounts (organization_id, user_id) {
        organization_id -> Id,
        user_id -> Id,
        email_key -> Text,
        password_hash -> Nullable<Text>,
        invite_id -> Nullable<Id>,
        disabled_at -> Nullable<BigInt>,
        created_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    login_sessions (id) {
        id -> Id,
        organization_id -> Id,
        user_id -> Id,
        family -> Binary,
        refresh_hash -> Binary,
        user_agent -> Nullable<Text>,
        address -> Text,
        created_at -> BigInt,
        renewed_at -> BigInt,
        expires_at -> BigInt,
        ended_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    api_keys (id) {
        id -> Id,
        organization_id -> Id,
        user_id -> Id,
        name -> Text,
        hash -> Binary,
        hint -> Text,
        scopes -> Text,
        created_by -> Nullable<Id>,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    auth_changes (id) {
        id -> BigInt,
        version -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::{Id, Object};

    recoverable_connections (id) {
        id -> Id,
        organization_id -> Id,
        user_id -> Id,
        rooms -> Object,
        barrier -> BigInt,
        past -> BigInt,
        stale -> BigInt,
        first_kept_at -> BigInt,
        kept_at -> BigInt,
        lost_at -> Nullable<BigInt>,
        taken_up -> BigInt,
        taken_from -> BigInt,
        digest -> BigInt,
        hub -> Nullable<Id>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::Id;

    hubs (id) {
        id -> Id,
        seen_at -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::*;

    recovery_floor (id) {
        id -> BigInt,
        at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    organizations,
    users,
    rooms,
    members,
    marks,
    messages,
    message_edits,
    reactions,
    idempotency_keys,
    accounts,
    login_sessions,
    api_keys
);

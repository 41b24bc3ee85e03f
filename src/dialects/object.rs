//! JSON objects, written by hand: an event is encoded for thousands who receive it and for the one who waits for it.

use uuid::Uuid;

use crate::domain::Timestamp;

/// Writes the fields of one object. Keys are the dialect's own words and need no escapes.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl Object<'_> {
    pub(super) fn write(out: &mut Vec<u8>, fields: impl FnOnce(&mut Object<'_>)) {
        out.push(b'{');
        fields(&mut Object { out, empty: true });
        out.push(b'}');
    }

    pub(super) fn key(&mut self, key: &str) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    pub(super) fn plain(&mut self, key: &str, value: &str) {
        self.key(key);
        // Writing a string into memory does not fail.
        let _ = serde_json::to_writer(&mut *self.out, value);
    }

    pub(super) fn plain_if(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.plain(key, value);
        }
    }

    pub(super) fn id(&mut self, key: &str, id: Uuid) {
        self.key(key);
        self.push_id(id);
    }

    pub(super) fn id_or_null(&mut self, key: &str, id: Option<Uuid>) {
        match id {
            Some(id) => self.id(key, id),
            None => self.null(key),
        }
    }

    pub(super) fn ids(&mut self, key: &str, ids: impl Iterator<Item = Uuid>) {
        self.key(key);
        self.out.push(b'[');
        for (i, id) in ids.enumerate() {
            if i > 0 {
                self.out.push(b',');
            }
            self.push_id(id);
        }
        self.out.push(b']');
    }

    fn push_id(&mut self, id: Uuid) {
        self.out.push(b'"');
        self.out.extend_from_slice(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
        self.out.push(b'"');
    }

    pub(super) fn time(&mut self, key: &str, time: Timestamp) {
        self.key(key);
        self.out.push(b'"');
        self.out.extend_from_slice(time.rfc3339().as_str().as_bytes());
        self.out.push(b'"');
    }

    pub(super) fn number(&mut self, key: &str, number: u64) {
        self.key(key);
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    pub(super) fn flag(&mut self, key: &str, flag: bool) {
        self.key(key);
        self.out.extend_from_slice(if flag { b"true" } else { b"false" });
    }

    pub(super) fn null(&mut self, key: &str) {
        self.key(key);
        self.out.extend_from_slice(b"null");
    }

    pub(super) fn object(&mut self, key: &str, fields: impl FnOnce(&mut Object<'_>)) {
        self.key(key);
        Object::write(self.out, fields);
    }

    pub(super) fn time_or_null(&mut self, key: &str, time: Option<Timestamp>) {
        match time {
            Some(time) => self.time(key, time),
            None => self.null(key),
        }
    }

    pub(super) fn plain_or_null(&mut self, key: &str, value: Option<&str>) {
        match value {
            Some(value) => self.plain(key, value),
            None => self.null(key),
        }
    }

    pub(super) fn list<T>(&mut self, key: &str, items: &[T], fields: impl Fn(&mut Object<'_>, &T)) {
        self.key(key);
        self.out.push(b'[');
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.out.push(b',');
            }
            Object::write(self.out, |object| fields(object, item));
        }
        self.out.push(b']');
    }
}

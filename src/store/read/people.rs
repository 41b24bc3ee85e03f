//! The people of an organization.

use diesel::prelude::*;

use super::{Cursor, Listed, Person, Span, anywhere, small};
use crate::domain::{OrgId, Timestamp, UserId};
use crate::store::connection::{Connection, on};
use crate::store::reader::Query;
use crate::store::rows::spelled;
use crate::store::schema::users;
use crate::store::values::Key;

/// Somebody as the table has them.
#[derive(Queryable, Selectable)]
#[diesel(table_name = users)]
pub(super) struct PersonRow {
    id: Key,
    name: String,
    email: Option<String>,
    role: String,
    status: String,
    avatar_url: Option<String>,
    created_at: i64,
}

impl PersonRow {
    pub(super) fn into_person(self) -> QueryResult<Person> {
        Ok(Person {
            id: UserId(self.id.0),
            name: self.name.into(),
            email: self.email.map(Into::into),
            role: spelled(&self.role)?,
            status: spelled(&self.status)?,
            avatar_url: self.avatar_url.map(Into::into),
            created_at: Timestamp::from_micros(self.created_at),
        })
    }
}

pub(super) struct People {
    pub(super) organization: OrgId,
    pub(super) part: Option<Box<str>>,
    pub(super) by_email: bool,
    pub(super) span: Span,
}

impl Query for People {
    type Answer = Listed<Person>;

    fn run(&self, connection: &mut Connection) -> QueryResult<Listed<Person>> {
        let pattern = self.part.as_deref().map(anywhere);
        let rows: Vec<PersonRow> = on!(connection, c => {
            let mut people = users::table
                .filter(users::organization_id.eq(Key(self.organization.0)))
                .order(users::id)
                .limit(self.span.rows())
                .select(PersonRow::as_select())
                .into_boxed();
            if let Some(Cursor::Id(id)) = self.span.after {
                people = people.filter(users::id.gt(Key(id)));
            }
            if let Some(pattern) = pattern {
                let wanted = small(pattern.into_sql::<diesel::sql_types::Text>());
                let by_name = small(users::name).like(wanted.clone()).escape('\\');
                people = if self.by_email {
                    let email = diesel::dsl::case_when(users::email.is_not_null(), users::email.assume_not_null())
                        .otherwise("");
                    people.filter(by_name.or(small(email).like(wanted).escape('\\')))
                } else {
                    people.filter(by_name)
                };
            }
            people.load(c)
        })?;
        self.span.cut(rows, |last| Cursor::Id(last.id.0)).try_map(PersonRow::into_person)
    }
}

pub(super) struct Persons {
    pub(super) organization: OrgId,
    pub(super) users: Vec<UserId>,
}

impl Query for Persons {
    type Answer = Vec<Person>;

    fn run(&self, connection: &mut Connection) -> QueryResult<Vec<Person>> {
        persons(connection, self.organization, &self.users)
    }
}

pub(super) fn persons(connection: &mut Connection, organization: OrgId, ids: &[UserId]) -> QueryResult<Vec<Person>> {
    let ids: Vec<Key> = ids.iter().map(|id| Key(id.0)).collect();
    let rows: Vec<PersonRow> = on!(connection, c => users::table
        .filter(users::organization_id.eq(Key(organization.0)))
        .filter(users::id.eq_any(ids))
        .select(PersonRow::as_select())
        .load(c))?;
    rows.into_iter().map(PersonRow::into_person).collect()
}

//! What statements of a fixed text are given: Postgres whole columns, as arrays, and SQLite single values.

use diesel::expression::{AsExpression, IntoSql};
use diesel::pg::Pg;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{self, Array, BigInt, HasSqlType, Nullable, SingleValue, Text};
use diesel::sqlite::Sqlite;
use uuid::Uuid;

use super::fixed::Bind;
use super::schema;
use super::values::Key;

/// All values of one parameter.
pub(crate) fn array<'a, Type, Value>(values: impl Iterator<Item = Value>) -> Bind<'a, Pg>
where
    Type: SingleValue + 'a,
    Array<Type>: SingleValue,
    Pg: HasSqlType<Array<Type>>,
    Value: 'a,
    Vec<Value>: AsExpression<Array<Type>>,
    <Vec<Value> as AsExpression<Array<Type>>>::Expression: QueryFragment<Pg> + 'a,
{
    Box::new(values.collect::<Vec<_>>().into_sql::<Array<Type>>())
}

pub(crate) fn uuids<'a>(ids: impl Iterator<Item = Uuid>) -> Bind<'a, Pg> {
    array::<sql_types::Uuid, _>(ids)
}

pub(crate) fn optional_uuids<'a>(ids: impl Iterator<Item = Option<Key>>) -> Bind<'a, Pg> {
    array::<Nullable<schema::Id>, _>(ids)
}

pub(crate) fn numbers<'a>(numbers: impl Iterator<Item = i64>) -> Bind<'a, Pg> {
    array::<BigInt, _>(numbers)
}

pub(crate) fn optional_numbers<'a>(numbers: impl Iterator<Item = Option<i64>>) -> Bind<'a, Pg> {
    array::<Nullable<BigInt>, _>(numbers)
}

pub(crate) fn texts<'a>(texts: impl Iterator<Item = &'a str>) -> Bind<'a, Pg> {
    array::<Text, _>(texts)
}

pub(crate) fn optional_texts<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Bind<'a, Pg> {
    array::<Nullable<Text>, _>(texts)
}

pub(crate) fn key<'a>(key: Key) -> Bind<'a, Sqlite> {
    Box::new(key.into_sql::<schema::Id>())
}

pub(crate) fn optional_key<'a>(key: Option<Key>) -> Bind<'a, Sqlite> {
    Box::new(key.into_sql::<Nullable<schema::Id>>())
}

pub(crate) fn number<'a>(number: i64) -> Bind<'a, Sqlite> {
    Box::new(number.into_sql::<BigInt>())
}

pub(crate) fn optional_number<'a>(number: Option<i64>) -> Bind<'a, Sqlite> {
    Box::new(number.into_sql::<Nullable<BigInt>>())
}

pub(crate) fn text(text: &str) -> Bind<'_, Sqlite> {
    Box::new(text.into_sql::<Text>())
}

pub(crate) fn optional_text(text: Option<&str>) -> Bind<'_, Sqlite> {
    Box::new(text.into_sql::<Nullable<Text>>())
}

//! What statements of a fixed text are given: Postgres whole columns, as arrays, and SQLite single values.

use diesel::expression::{AsExpression, IntoSql};
use diesel::pg::Pg;
use diesel::query_builder::QueryFragment;
use diesel::sql_types::{self, Array, BigInt, HasSqlType, Nullable, SingleValue, Text};
use diesel::sqlite::Sqlite;
use uuid::Uuid;

use super::schema;
use super::values::Key;

/// A parameter of Postgres.
pub(crate) type Column<'a> = Box<dyn QueryFragment<Pg> + 'a>;
/// A parameter of SQLite. There is one for each column of each row, so it takes no memory of its own.
pub(crate) type Single<'a> = &'a dyn QueryFragment<Sqlite>;

/// All values of one parameter.
pub(crate) fn array<'a, Type, Value>(values: impl Iterator<Item = Value>) -> Column<'a>
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

pub(crate) fn uuids<'a>(ids: impl Iterator<Item = Uuid>) -> Column<'a> {
    array::<sql_types::Uuid, _>(ids)
}

pub(crate) fn optional_uuids<'a>(ids: impl Iterator<Item = Option<Key>>) -> Column<'a> {
    array::<Nullable<schema::Id>, _>(ids)
}

pub(crate) fn numbers<'a>(numbers: impl Iterator<Item = i64>) -> Column<'a> {
    array::<BigInt, _>(numbers)
}

pub(crate) fn optional_numbers<'a>(numbers: impl Iterator<Item = Option<i64>>) -> Column<'a> {
    array::<Nullable<BigInt>, _>(numbers)
}

pub(crate) fn texts<'a>(texts: impl Iterator<Item = &'a str>) -> Column<'a> {
    array::<Text, _>(texts)
}

pub(crate) fn optional_texts<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Column<'a> {
    array::<Nullable<Text>, _>(texts)
}

pub(crate) fn key(key: Key) -> impl QueryFragment<Sqlite> {
    key.into_sql::<schema::Id>()
}

pub(crate) fn optional_key(key: Option<Key>) -> impl QueryFragment<Sqlite> {
    key.into_sql::<Nullable<schema::Id>>()
}

pub(crate) fn number(number: i64) -> impl QueryFragment<Sqlite> {
    number.into_sql::<BigInt>()
}

pub(crate) fn optional_number(number: Option<i64>) -> impl QueryFragment<Sqlite> {
    number.into_sql::<Nullable<BigInt>>()
}

pub(crate) fn text(text: &str) -> impl QueryFragment<Sqlite> {
    text.into_sql::<Text>()
}

pub(crate) fn optional_text(text: Option<&str>) -> impl QueryFragment<Sqlite> {
    text.into_sql::<Nullable<Text>>()
}

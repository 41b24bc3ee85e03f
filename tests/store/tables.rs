//! What stands in the tables, looked at past the store.

use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};

#[derive(QueryableByName, PartialEq, Eq, Debug)]
pub(crate) struct Row {
    #[diesel(sql_type = Text)]
    what: String,
    #[diesel(sql_type = Nullable<Text>)]
    detail: Option<String>,
    #[diesel(sql_type = BigInt)]
    number: i64,
}

pub(crate) fn row(what: &str, detail: Option<&str>, number: i64) -> Row {
    Row { what: what.to_owned(), detail: detail.map(str::to_owned), number }
}

fn sqlite(path: &str) -> SqliteConnection {
    let mut connection = SqliteConnection::establish(path).unwrap();
    // The writer may be closing the file.
    connection.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
    connection
}

pub(crate) fn read(url: &str, query: &str) -> Vec<Row> {
    match url.strip_prefix("sqlite:") {
        Some(path) => sql_query(query).load(&mut sqlite(path)).unwrap(),
        None => sql_query(query).load(&mut PgConnection::establish(url).unwrap()).unwrap(),
    }
}

/// How many rows `table` has.
pub(crate) fn count(url: &str, table: &str) -> i64 {
    read(url, &format!("SELECT '' AS what, NULL AS detail, count(*) AS number FROM {table}"))[0].number
}

pub(crate) fn execute(url: &str, statement: &str) {
    match url.strip_prefix("sqlite:") {
        Some(path) => sqlite(path).batch_execute(statement).unwrap(),
        None => PgConnection::establish(url).unwrap().batch_execute(statement).unwrap(),
    }
}

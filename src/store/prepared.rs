//! Statements that are prepared once per connection.
//!
//! Diesel prepares inserts and updates anew each time, because it cannot know how many different ones there will be. Those
//! of the store always have the same shape.

use diesel::backend::Backend;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::{Connection, QueryResult, RunQueryDsl};

/// A statement whose text is the same each time it is run.
pub(crate) struct Prepared<T>(pub(crate) T);

impl<T: QueryFragment<DB>, DB: Backend> QueryFragment<DB> for Prepared<T> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<T: QueryId> QueryId for Prepared<T> {
    type QueryId = Prepared<T::QueryId>;
    const HAS_STATIC_QUERY_ID: bool = T::HAS_STATIC_QUERY_ID;
}

impl<T, C: Connection> RunQueryDsl<C> for Prepared<T> {}

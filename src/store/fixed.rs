//! Statements of a fixed text, prepared once per connection.
//!
//! Diesel prepares updates and raw SQL anew each time, because it cannot know how many different texts there will be. Here
//! there is one.

use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::{Connection, QueryResult, RunQueryDsl};

/// A parameter of a statement.
pub(crate) type Bind<'a, DB> = Box<dyn QueryFragment<DB> + 'a>;

/// A statement in which each `?` stands for the next of `binds`, and which answers with rows of `Answer`.
pub(crate) struct Fixed<'a, DB: Backend, Answer = ()> {
    text: &'static str,
    binds: Vec<Bind<'a, DB>>,
    answer: PhantomData<Answer>,
}

impl<'a, DB: Backend, Answer> Fixed<'a, DB, Answer> {
    pub(crate) fn new(text: &'static str, binds: Vec<Bind<'a, DB>>) -> Self {
        Self { text, binds, answer: PhantomData }
    }
}

impl<DB: Backend, Answer> QueryFragment<DB> for Fixed<'_, DB, Answer> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        let mut binds = self.binds.iter();
        for (index, piece) in self.text.split('?').enumerate() {
            if let Some(bind) = (index > 0).then(|| binds.next()).flatten() {
                bind.walk_ast(out.reborrow())?;
            }
            out.push_sql(piece);
        }
        Ok(())
    }
}

impl<DB: Backend, Answer> QueryId for Fixed<'_, DB, Answer> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<DB: Backend, Answer> Query for Fixed<'_, DB, Answer> {
    type SqlType = Answer;
}

impl<C: Connection, Answer> RunQueryDsl<C> for Fixed<'_, C::Backend, Answer> {}

//! Statements of a fixed text, prepared once per connection.
//!
//! Diesel prepares updates and raw SQL anew each time, because it cannot know how many different texts there will be, and
//! writes the text of an insert each time to see whether it has it. Here there is one, which is found by its type.

use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::{Connection, QueryResult, RunQueryDsl};

/// How many parameters a text can have.
const MOST: usize = 24;

/// The text of a statement, in which each `?` stands for a parameter.
pub(crate) trait Text: 'static {
    const TEXT: &'static str;
    /// Where its parameters stand, and how many there are.
    const MARKS: ([usize; MOST], usize) = marks(Self::TEXT);
}

/// Makes `$name` the type of a statement.
macro_rules! statement {
    ($name:ident, $text:expr) => {
        struct $name;

        impl $crate::store::fixed::Text for $name {
            const TEXT: &'static str = $text;
        }
    };
}
pub(super) use statement;

const fn marks(text: &str) -> ([usize; MOST], usize) {
    let (mut marks, mut count, mut at) = ([0; MOST], 0, 0);
    while at < text.len() {
        if text.as_bytes()[at] == b'?' {
            marks[count] = at;
            count += 1;
        }
        at += 1;
    }
    (marks, count)
}

/// A statement with its parameters, which answers with rows of `Answer`.
pub(crate) struct Fixed<'a, DB, T, B, Answer = ()> {
    binds: &'a [B],
    what: PhantomData<(DB, T, Answer)>,
}

impl<'a, DB, T: Text, B, Answer> Fixed<'a, DB, T, B, Answer> {
    /// As many `binds` as the text has parameters.
    pub(crate) fn new(binds: &'a [B]) -> Self {
        debug_assert_eq!(binds.len(), T::MARKS.1, "{}", T::TEXT);
        Self { binds, what: PhantomData }
    }
}

impl<DB: Backend, T: Text, B: QueryFragment<DB>, Answer> QueryFragment<DB> for Fixed<'_, DB, T, B, Answer> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        let (marks, count) = &T::MARKS;
        let mut from = 0;
        for (mark, bind) in marks.iter().take(*count).zip(self.binds) {
            out.push_sql(&T::TEXT[from..*mark]);
            bind.walk_ast(out.reborrow())?;
            from = mark + 1;
        }
        out.push_sql(&T::TEXT[from..]);
        Ok(())
    }
}

impl<DB, T: Text, B, Answer> QueryId for Fixed<'_, DB, T, B, Answer> {
    type QueryId = T;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<DB: Backend, T: Text, B, Answer> Query for Fixed<'_, DB, T, B, Answer> {
    type SqlType = Answer;
}

impl<C: Connection, T: Text, B, Answer> RunQueryDsl<C> for Fixed<'_, C::Backend, T, B, Answer> {}

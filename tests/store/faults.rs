//! Databases that go away, stand still or refuse: every write is answered, nothing falls over, and all is well again after.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use futures_util::future::{join, join_all};
use tertulia::domain::{RejectCode, RoomKind};
use tertulia::hub::ports::{After, Change, Outcome, Store, Unavailable, WriteError};

use crate::desk::{Backend, Desk, organization, refusal, text};

async fn until_it_works(desk: &Desk, mut attempt: impl AsyncFnMut(&Desk) -> bool) {
    let begun = Instant::now();
    while !attempt(desk).await {
        assert!(begun.elapsed() < Duration::from_mins(1), "it should work again by now");
        actix::clock::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn while_postgres_is_away_everything_is_answered_and_after_it_all_works() {
    let backend = Backend::private_postgres();
    let server = backend.server.clone().unwrap();
    backend.run(async |desk| {
        let organization = organization();
        let room = desk.room(organization, RoomKind::Public).await;
        desk.send(organization, text(room, 1, "before", "a")).await.unwrap();
        assert!(desk.store.page(room, After::Seq(0), 10).await.is_ok());
        server.kill();
        for nth in 0..20 {
            let sent = desk.send(organization, text(room, 1, "meanwhile", &format!("{nth}"))).await;
            assert_eq!(sent.unwrap_err(), WriteError::Failed);
            assert_eq!(desk.store.page(room, After::Seq(0), 10).await.unwrap_err(), Unavailable);
        }
        assert_eq!((desk.metrics.store_up.get(), desk.recoveries()), (0, 0));
        server.restart();
        // By itself: nobody has to write for the store to find out.
        until_it_works(&desk, async |desk| desk.recoveries() == 1).await;
        assert_eq!(desk.metrics.store_up.get(), 1);
        let (stored, _) = desk.send(organization, text(room, 1, "after", "b")).await.unwrap();
        assert_eq!(stored.seq, 2);
        until_it_works(&desk, async |desk| desk.store.page(room, After::Seq(0), 10).await.is_ok()).await;
        assert_eq!((desk.messages(room).await.len(), desk.recoveries()), (2, 1));
    });
}

#[test]
fn a_lost_connection_is_made_again_without_anyone_noticing() {
    let backend = Backend::postgres();
    let server = backend.server.clone().unwrap();
    let database = backend.url.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    backend.run(async |desk| {
        let organization = organization();
        let room = desk.room(organization, RoomKind::Public).await;
        for nth in 0..3 {
            let ended = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'");
            server.sql("postgres", &ended);
            desk.send(organization, text(room, 1, "hello", &format!("{nth}"))).await.unwrap();
            assert_eq!(desk.store.page(room, After::Seq(0), 10).await.unwrap().items.len(), nth + 1);
        }
        assert_eq!(desk.recoveries(), 0, "nothing had failed");
    });
}

#[test]
fn a_database_that_stands_still_fails_its_writes_and_goes_on_later() {
    let backend = Backend::private_postgres();
    let server = backend.server.clone().unwrap();
    backend.run(async |desk| {
        let organization = organization();
        let room = desk.room(organization, RoomKind::Public).await;
        assert!(desk.store.heads(vec![room]).await.is_ok());
        server.freeze(true);
        let (sent, read) =
            join(desk.send(organization, text(room, 1, "frozen", "a")), desk.store.page(room, After::Seq(0), 10)).await;
        assert_eq!((sent.unwrap_err(), read.unwrap_err()), (WriteError::Failed, Unavailable));
        let sent = desk.send(organization, text(room, 1, "still frozen", "b")).await;
        assert_eq!(sent.unwrap_err(), WriteError::Failed);
        assert_eq!(desk.store.flush().await, Err(Unavailable));
        server.freeze(false);
        until_it_works(&desk, async |desk| desk.recoveries() > 0).await;
        // Given up is not undone: it may be stored, and then it is a duplicate.
        until_it_works(&desk, async |desk| {
            let sent = desk.send(organization, text(room, 1, "frozen", "a")).await;
            sent.is_ok_and(|(stored, _)| stored.seq == 1)
        })
        .await;
        assert_eq!(desk.messages(room).await.len(), 1);
    });
}

#[test]
fn a_database_that_only_reads_fails_writes_until_it_writes_again() {
    let backend = Backend::postgres();
    let server = backend.server.clone().unwrap();
    let database = backend.url.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    let read_only = |on: &str| {
        server.sql("postgres", &format!("ALTER DATABASE {database} SET default_transaction_read_only = {on}"));
        let ended = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'");
        server.sql("postgres", &ended);
    };
    backend.run(async |desk| {
        let organization = organization();
        let room = desk.room(organization, RoomKind::Public).await;
        desk.send(organization, text(room, 1, "hello", "a")).await.unwrap();
        read_only("on");
        let sent = desk.send(organization, text(room, 1, "hello", "b")).await;
        assert_eq!(sent.unwrap_err(), WriteError::Failed);
        until_it_works(&desk, async |desk| desk.store.page(room, After::Seq(0), 10).await.is_ok()).await;
        assert_eq!(desk.recoveries(), 0);
        read_only("off");
        until_it_works(&desk, async |desk| desk.send(organization, text(room, 1, "hello", "b")).await.is_ok()).await;
        assert_eq!((desk.messages(room).await.len(), desk.recoveries()), (2, 1));
    });
}

#[test]
fn a_change_that_postgres_refuses_takes_no_other_with_it() {
    Backend::postgres().run(async |desk| {
        let organization = organization();
        let room = desk.room(organization, RoomKind::Public).await;
        // Longer than an index row may be, and not to be compressed.
        let long: String = (0..400).map(|_| tertulia::clock::message_id().to_string()).collect();
        let answers: Vec<_> = (0..60)
            .map(|nth| {
                let client_message_id = if nth % 20 == 7 { format!("{nth}{long}") } else { format!("{}", nth / 2) };
                let change = Change::Message(Box::new(text(room, 1, "hello", &client_message_id)));
                desk.hand_in(organization, change).unwrap()
            })
            .collect();
        let (mut stored, mut duplicates) = (Vec::new(), 0);
        for (nth, answer) in join_all(answers).await.into_iter().enumerate() {
            match answer {
                Ok(Outcome::Message { message, duplicate: false }) => stored.push(message.seq),
                Ok(_) => duplicates += 1,
                refused => {
                    assert_eq!(nth % 20, 7);
                    assert_eq!(refusal(refused).code, RejectCode::Internal);
                }
            }
        }
        assert!(stored.iter().copied().eq(1..=30), "{stored:?}");
        assert_eq!(duplicates, 27);
        assert_eq!(desk.messages(room).await.len(), 30);
    });
}

#[test]
fn a_file_that_somebody_else_locks_fails_writes_until_it_is_free() {
    let backend = Backend::sqlite();
    backend.run(async |desk| {
        let organization = organization();
        let room = desk.room(organization, RoomKind::Public).await;
        let mut other = SqliteConnection::establish(backend.url.strip_prefix("sqlite:").unwrap()).unwrap();
        // The writer may be at its chores.
        other.batch_execute("PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE").unwrap();
        assert!(desk.store.page(room, After::Seq(0), 10).await.is_ok(), "readers do not wait for writers");
        let sent = desk.send(organization, text(room, 1, "hello", "a")).await;
        assert_eq!(sent.unwrap_err(), WriteError::Failed);
        other.batch_execute("ROLLBACK").unwrap();
        until_it_works(&desk, async |desk| desk.send(organization, text(room, 1, "hello", "a")).await.is_ok()).await;
        assert_eq!((desk.messages(room).await.len(), desk.recoveries()), (1, 1));
    });
}

//! A desk in front of a store: hands in writes, and waits for what becomes of each.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tertulia::clock;
use tertulia::domain::{
    Author, ContactId, Content, Direction, Draft, Event, Identity, Mark, MarkKind, Message, MessageId, MessageStatus,
    MessageType, OrgId, Reject, Report, Role, RoomId, RoomKind, Scopes, SenderType, Timestamp, UserId,
};
use tertulia::hub::ports::{
    After, Amended, Amendment, AmendmentKind, Change, NewMark, NewMessage, NewRoom, Outcome, Outcomes, Reach, Store,
    Ticket, Write, WriteError, Written,
};
use tertulia::metrics::Metrics;
use tertulia::store::{Options, SqlStore};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::postgres::Postgres;

/// A database for one test.
pub(crate) struct Backend {
    pub(crate) url: String,
    /// Whatever must live as long as the test.
    _file: Option<TempDir>,
    pub(crate) server: Option<Arc<Postgres>>,
}

impl Backend {
    pub(crate) fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("hub.db").display());
        Self { url, _file: Some(directory), server: None }
    }

    pub(crate) fn postgres() -> Self {
        Self::on(Postgres::shared())
    }

    /// With a server of its own, to be mistreated.
    pub(crate) fn private_postgres() -> Self {
        Self::on(Arc::new(Postgres::start()))
    }

    fn on(server: Arc<Postgres>) -> Self {
        Self { url: server.database(), _file: None, server: Some(server) }
    }

    /// Runs a story in front of a store on this database.
    pub(crate) fn run<Story: Future<Output = ()>>(&self, story: impl FnOnce(Desk) -> Story) {
        let options = Options::new(&self.url);
        actix::System::new().block_on(async { story(Desk::open(&options)).await });
    }
}

#[derive(Default)]
struct Tray {
    waiting: Mutex<HashMap<Ticket, oneshot::Sender<Written>>>,
    recoveries: AtomicU32,
    batches: Mutex<Vec<usize>>,
}

struct Told(Arc<Tray>);

impl Outcomes for Told {
    fn written(&self, batch: Vec<Written>) {
        self.0.batches.lock().unwrap().push(batch.len());
        let mut waiting = self.0.waiting.lock().unwrap();
        for written in batch {
            let sender = waiting.remove(&written.ticket).expect("one outcome for each write");
            let _ = sender.send(written);
        }
    }

    fn recovered(&self) {
        self.0.recoveries.fetch_add(1, Ordering::SeqCst);
    }
}

pub(crate) struct Desk {
    pub(crate) url: String,
    pub(crate) store: Arc<SqlStore>,
    pub(crate) metrics: Arc<Metrics>,
    tray: Arc<Tray>,
    next: Cell<u64>,
}

pub(crate) type Answer = Result<Outcome, WriteError>;

impl Desk {
    pub(crate) fn open(options: &Options) -> Self {
        let metrics = Arc::new(Metrics::new());
        let store = SqlStore::open(options, Arc::clone(&metrics)).unwrap();
        let tray = Arc::new(Tray::default());
        store.attach(Box::new(Told(Arc::clone(&tray))));
        Self { url: options.url.clone(), store, metrics, tray, next: Cell::default() }
    }

    /// Hands in a change now; the answer comes when it is awaited. `None`: the store was busy.
    pub(crate) fn hand_in(&self, organization: OrgId, change: Change) -> Option<impl Future<Output = Answer> + use<>> {
        let ticket = Ticket(self.next.replace(self.next.get() + 1));
        let (sender, outcome) = oneshot::channel();
        self.tray.waiting.lock().unwrap().insert(ticket, sender);
        if self.store.write(Write { ticket, organization, change }).is_err() {
            self.tray.waiting.lock().unwrap().remove(&ticket);
            return None;
        }
        Some(async { outcome.await.expect("an outcome").outcome })
    }

    pub(crate) async fn write(&self, organization: OrgId, change: Change) -> Answer {
        self.hand_in(organization, change).expect("room in the queue").await
    }

    /// Makes a room, owned by user 1.
    pub(crate) async fn room(&self, organization: OrgId, kind: RoomKind) -> RoomId {
        let id = RoomId(clock::message_id().0);
        let outcome = self.write(organization, Change::Room(NewRoom { id, kind, owner: user(1) })).await;
        assert!(matches!(outcome, Ok(Outcome::Room { created: true })), "{outcome:?}");
        id
    }

    /// Sends, and returns what is stored and whether it was before.
    pub(crate) async fn send(
        &self,
        organization: OrgId,
        message: NewMessage,
    ) -> Result<(Arc<Message>, bool), WriteError> {
        match self.write(organization, Change::Message(Box::new(message))).await? {
            Outcome::Message { message, duplicate } => Ok((message, duplicate)),
            other => panic!("a message's outcome, not {other:?}"),
        }
    }

    pub(crate) async fn mark(&self, organization: OrgId, mark: NewMark) -> Result<(Mark, Option<u64>), WriteError> {
        match self.write(organization, Change::Mark(mark)).await? {
            Outcome::Mark { mark, pos } => Ok((mark, pos)),
            other => panic!("a mark's outcome, not {other:?}"),
        }
    }

    /// Asks for an amendment in the name of user `by`, and returns what it came to and its number.
    pub(crate) async fn amend(
        &self,
        organization: OrgId,
        by: u128,
        kind: AmendmentKind,
    ) -> Result<(Amended, Option<u64>), WriteError> {
        match self.write(organization, amendment(by, kind)).await? {
            Outcome::Amended { amended, pos } => Ok((amended, pos)),
            other => panic!("an amendment's outcome, not {other:?}"),
        }
    }

    /// Makes users `1..=last` known in an organization.
    pub(crate) async fn people(&self, organization: OrgId, last: u128) {
        for n in 1..=last {
            self.store.provision(&Arc::new(Identity {
                organization: Some(organization),
                user: user(n),
                role: Role::Member,
                name: "somebody".into(),
                email: None,
                expires_at: None,
                login: None,
                scopes: Scopes::ALL,
            }));
        }
        self.store.settle().await.unwrap();
    }

    /// Everything after a cursor, in pages of `limit`.
    pub(crate) async fn past(&self, room: RoomId, mut after: After, limit: u32) -> Vec<(u64, Event)> {
        let mut past = Vec::new();
        loop {
            let page = self.store.page(room, after, limit).await.unwrap();
            assert!(page.items.len() <= usize::try_from(limit).unwrap());
            past.extend(page.items);
            let Some((cursor, _)) = past.last().filter(|_| page.more) else { return past };
            after = match after {
                After::Seq(_) => After::Seq(*cursor),
                After::Pos(_) => After::Pos(*cursor),
            };
        }
    }

    /// All messages of a room, which have no gap and nothing twice.
    pub(crate) async fn messages(&self, room: RoomId) -> Vec<Arc<Message>> {
        let messages: Vec<Arc<Message>> = self
            .past(room, After::Seq(0), 1_000)
            .await
            .into_iter()
            .map(|(_, event)| match event {
                Event::Message(message) => message,
                other => panic!("a message, not {other:?}"),
            })
            .collect();
        assert!(messages.iter().map(|it| it.seq).eq(1..=messages.len() as u64), "seq has gaps");
        assert!(messages.is_sorted_by(|a, b| a.pos < b.pos && a.created_at <= b.created_at));
        let ids: HashSet<_> = messages.iter().map(|it| it.id).collect();
        let sent: HashSet<_> = messages.iter().map(|it| (it.user, it.contact, it.client_message_id.clone())).collect();
        assert_eq!((ids.len(), sent.len()), (messages.len(), messages.len()), "something is stored twice");
        messages
    }

    /// How often the store said that the database is back.
    pub(crate) fn recoveries(&self) -> u32 {
        self.tray.recoveries.load(Ordering::SeqCst)
    }

    /// The sizes of the batches so far.
    pub(crate) fn batches(&self) -> Vec<usize> {
        self.tray.batches.lock().unwrap().clone()
    }
}

pub(crate) fn organization() -> OrgId {
    OrgId(clock::message_id().0)
}

pub(crate) fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

/// A text of user `sender`'s.
pub(crate) fn text(room: RoomId, sender: u128, text: &str, client_message_id: &str) -> NewMessage {
    NewMessage {
        draft: Draft {
            id: clock::message_id(),
            room,
            contact: None,
            message_type: MessageType::Text,
            content: Content { text: text.into(), ..Content::default() },
            reply_to: None,
            client_message_id: Some(client_message_id.into()),
            author: Author::Caller,
            external_id: None,
            idempotency: None,
            create_as: RoomKind::Public,
        },
        sender_type: SenderType::Agent,
        direction: Direction::Outbound,
        user: user(sender),
        user_name: "Ana".into(),
    }
}

pub(crate) fn amendment(by: u128, kind: AmendmentKind) -> Change {
    Change::Amend(Box::new(Amendment { id: clock::message_id().0, by: user(by), by_name: "Ana".into(), kind }))
}

/// An edit by somebody who may change any message.
pub(crate) fn edit(message: &Message, text: &str) -> AmendmentKind {
    change(message.room, message.id, Some(text))
}

pub(crate) fn delete(message: &Message) -> AmendmentKind {
    change(message.room, message.id, None)
}

fn change(room: RoomId, message: MessageId, text: Option<&str>) -> AmendmentKind {
    AmendmentKind::Message { room, message, text: text.map(Into::into), if_changed_pos: None, reach: Reach::Any }
}

pub(crate) fn react(message: &Message, emoji: &str, present: bool) -> AmendmentKind {
    AmendmentKind::React { room: message.room, message: message.id, emoji: emoji.into(), present }
}

/// What the contact of a conversation has said, handed in by user `by`.
pub(crate) fn said(room: RoomId, by: u128, contact: Option<ContactId>, client_message_id: &str) -> NewMessage {
    let mut new = text(room, by, "from outside", client_message_id);
    (new.sender_type, new.direction) = (SenderType::Contact, Direction::Inbound);
    (new.draft.author, new.draft.contact) = (Author::Contact, contact);
    new
}

pub(crate) fn report(message: &Message, status: MessageStatus, at: Option<Timestamp>) -> AmendmentKind {
    AmendmentKind::Report(Report { room: message.room, message: message.id, status, at })
}

pub(crate) fn mark(room: RoomId, reader: u128, kind: MarkKind, seq: u64) -> NewMark {
    NewMark { room, kind, user: user(reader), seq: Some(seq), message: None }
}

pub(crate) fn refusal<T: std::fmt::Debug>(answer: Result<T, WriteError>) -> Reject {
    match answer {
        Err(WriteError::Refused(reject)) => reject,
        other => panic!("a refusal, not {other:?}"),
    }
}

//! The Socket.IO half of the protocol server: sockets that send back what they are told.
//!
//! - On connect: an `auth` event with what the client showed.
//! - `message` comes back as `message-back`; `message-with-ack` is acknowledged with its arguments.
//! - `emit-with-ack` comes back and asks for an acknowledgement, whose arguments come back as `emit-with-ack` again. What
//!   acknowledges something else is not heeded.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;
use tertulia::session::Peer;
use tertulia::socketio::packet;
use tertulia::socketio::{Client, ClientSettings, ConnectError, Host, Line, Packet, Refused, Socket, Visit, Visitor};

/// Takes every client in: to `/` and `/custom`, if it connects to either within a second.
pub struct Talkers {
    settings: Arc<ClientSettings>,
}

impl Talkers {
    pub fn new() -> Self {
        let settings = ClientSettings {
            namespaces: vec!["/custom".into()],
            connect_timeout: Duration::from_secs(1),
            ..ClientSettings::default()
        };
        Self { settings: Arc::new(settings) }
    }

    pub fn client(&self) -> Box<dyn Peer> {
        Box::new(Client::new(&self.settings, Box::new(Anyone)))
    }
}

impl Host for Talkers {
    fn permits(&self, _: &Visit<'_>) -> bool {
        true
    }

    fn open(&self, _: &Visit<'_>) -> Result<Box<dyn Peer>, Refused> {
        Ok(self.client())
    }
}

/// Suites that wait for one message at a time miss a second one that is there at once.
const BREATH: Duration = Duration::from_millis(25);

/// How many acknowledgements a client may owe. One that owes more is sent away.
const MAX_WAITS: usize = 10_000;

struct Anyone;

impl Visitor for Anyone {
    fn connect(&mut self, auth: Option<&RawValue>, line: &mut Line<'_, '_>) -> Result<Box<dyn Socket>, ConnectError> {
        line.accept(&[]);
        let auth = auth.map_or("{}", RawValue::get);
        let frame = packet::event(line.namespace(), &format!(r#"["auth",{auth}]"#), None, 0);
        let greeting = Rc::new(Cell::new(Some(frame)));
        let (outbox, due) = (line.link().outbox().clone(), greeting.clone());
        actix::spawn(async move {
            tokio::time::sleep(BREATH).await;
            if let Some(frame) = due.take() {
                outbox.post(&frame, false);
            }
        });
        Ok(Box::new(Talker { greeting, asked: 0, waits: HashSet::new() }))
    }
}

/// A client in one namespace.
struct Talker {
    /// The `auth` event, until it is sent. It comes before anything else.
    greeting: Rc<Cell<Option<Bytes>>>,
    /// How many acknowledgements it was asked for.
    asked: u64,
    /// Those that have not come yet.
    waits: HashSet<u64>,
}

impl Talker {
    fn greet(&self, line: &mut Line<'_, '_>) {
        if let Some(frame) = self.greeting.take() {
            line.link().outbox().post(&frame, false);
        }
    }
}

impl Socket for Talker {
    fn event(&mut self, packet: Packet<'_>, line: &mut Line<'_, '_>) {
        self.greet(line);
        let Ok(args) = serde_json::from_str::<Vec<&RawValue>>(packet.args) else { return };
        let Some((name, rest)) = args.split_first() else { return };
        let Ok(name) = serde_json::from_str::<Cow<'_, str>>(name.get()) else { return };
        match (&*name, packet.ack) {
            ("message", _) => line.emit(&event("message-back", rest), None, packet.attachments),
            ("message-with-ack", Some(id)) => {
                line.acknowledge(id, &format!("[{}]", joined(rest)), packet.attachments);
            }
            ("emit-with-ack", _) if self.waits.len() >= MAX_WAITS => line.disconnect(),
            ("emit-with-ack", _) => {
                self.asked += 1;
                self.waits.insert(self.asked);
                line.emit(packet.args, Some(self.asked), packet.attachments);
            }
            _ => {}
        }
    }

    fn ack(&mut self, packet: Packet<'_>, line: &mut Line<'_, '_>) {
        if !packet.ack.is_some_and(|id| self.waits.remove(&id)) {
            return;
        }
        if let Ok(args) = serde_json::from_str::<Vec<&RawValue>>(packet.args) {
            line.emit(&event("emit-with-ack", &args), None, packet.attachments);
        }
    }
}

/// `["name",…]`
fn event(name: &str, args: &[&RawValue]) -> String {
    let comma = if args.is_empty() { "" } else { "," };
    format!(r#"["{name}"{comma}{}]"#, joined(args))
}

fn joined(args: &[&RawValue]) -> String {
    args.iter().map(|arg| arg.get()).collect::<Vec<_>>().join(",")
}

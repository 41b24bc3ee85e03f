//! Acknowledged means durable: processes are killed in the middle of writing, and everything that was answered is there
//! under the id and `seq` that the answer said.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use tertulia::domain::{MessageId, OrgId, RoomId, RoomKind};
use tertulia::store::Options;

use crate::desk::{Backend, Desk, organization, text};

const SENDERS: u128 = 16;

/// What was answered: per sender and number, the id and the `seq`.
type Answered = BTreeMap<(u128, u64), (MessageId, u64)>;

/// Compares what is stored with what was answered.
async fn check(desk: &Desk, room: RoomId, answered: &Answered) {
    let stored: BTreeMap<_, _> = desk
        .messages(room)
        .await
        .iter()
        .map(|it| ((it.user.unwrap().0.as_u128(), number(it.client_message_id.as_deref().unwrap())), (it.id, it.seq)))
        .collect();
    for (key, expected) in answered {
        assert_eq!(stored.get(key), Some(expected), "{key:?} was answered");
    }
}

fn number(client_message_id: &str) -> u64 {
    client_message_id.parse().unwrap()
}

#[test]
fn a_killed_postgres_loses_nothing_that_was_answered() {
    const ROUNDS: u64 = 4;
    let backend = Backend::private_postgres();
    let server = backend.server.clone().unwrap();
    let database = backend.url.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
    backend.run(async |desk| {
        let organization = organization();
        let room = desk.room(organization, RoomKind::Public).await;
        let desk = Rc::new(desk);
        let (answered, over) = (Rc::new(RefCell::new(Answered::new())), Rc::new(Cell::new(false)));
        let failures = Rc::new(Cell::new(0u64));
        let senders: Vec<_> = (1..=SENDERS)
            .map(|sender| {
                let (desk, answered, over, failures) =
                    (Rc::clone(&desk), Rc::clone(&answered), Rc::clone(&over), Rc::clone(&failures));
                actix::spawn(async move {
                    let mut nth = 0;
                    while !over.get() {
                        let new = text(room, sender, "hello", &nth.to_string());
                        if let Ok((stored, _)) = desk.send(organization, new).await {
                            answered.borrow_mut().insert((sender, nth), (stored.id, stored.seq));
                            nth += 1;
                        } else {
                            // Not known to be stored: send it again, as a client does.
                            failures.set(failures.get() + 1);
                            actix::clock::sleep(Duration::from_millis(20)).await;
                        }
                    }
                })
            })
            .collect();
        for round in 0..ROUNDS {
            let enough = answered.borrow().len() + 500;
            while answered.borrow().len() < enough {
                actix::clock::sleep(Duration::from_millis(5)).await;
            }
            if round % 2 == 0 {
                server.kill();
                server.restart();
            } else {
                server.kill_a_connection(&database);
            }
        }
        let enough = answered.borrow().len() + 500;
        while answered.borrow().len() < enough {
            actix::clock::sleep(Duration::from_millis(5)).await;
        }
        over.set(true);
        for sender in senders {
            sender.await.unwrap();
        }
        let answered = answered.take();
        check(&desk, room, &answered).await;
        assert_eq!(desk.messages(room).await.len(), answered.len(), "nothing was stored but what was sent");
        if failures.get() > 0 {
            assert!(desk.recoveries() > 0, "whoever failed hears that the database is back");
        }
    });
}

/// Set for the process that [`a_killed_process_loses_nothing_that_it_answered`] starts to be killed.
const VICTIM: &str = "TERTULIA_TEST_VICTIM";

#[test]
fn a_killed_process_loses_nothing_that_it_answered() {
    let backend = Backend::sqlite();
    let organization = organization();
    let room = Rc::new(Cell::new(None));
    backend.run(async |desk| room.set(Some(desk.room(organization, RoomKind::Public).await)));
    let room = room.get().unwrap();

    let mut answered = Answered::new();
    for round in 1..=4 {
        let victim = format!("{} {} {}", backend.url, organization, room);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["durability::victim", "--exact", "--ignored", "--nocapture"])
            .env(VICTIM, victim)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let mut heard = 0;
        while lines.read_line(&mut line).unwrap() > 0 {
            // A line that the kill cut short was heard by nobody.
            if let Some(answer) = line.strip_suffix('\n').and_then(|it| it.strip_prefix("answered ")) {
                let mut words = answer.split(' ');
                let mut word = || words.next().unwrap();
                let key = (word().parse().unwrap(), word().parse().unwrap());
                let (id, seq) = (word().parse().unwrap(), word().parse().unwrap());
                let before = answered.insert(key, (id, seq));
                assert!(before.is_none_or(|before| before == (id, seq)), "sent again, and answered otherwise: {key:?}");
                heard += 1;
            }
            line.clear();
            if heard == 700 * round {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(heard >= 700 * round, "the process was to be killed, not to end by itself");
        backend.run(async |desk| check(&desk, room, &answered).await);
    }
}

#[test]
#[ignore = "is run, and killed, by another test"]
fn victim() {
    let Ok(errand) = std::env::var(VICTIM) else { return };
    let words: Vec<&str> = errand.split(' ').collect();
    let (organization, room): (OrgId, RoomId) = (words[1].parse().unwrap(), words[2].parse().unwrap());
    actix::System::new().block_on(async {
        let desk = Rc::new(Desk::open(&Options::new(words[0])));
        let senders: Vec<_> = (1..=SENDERS)
            .map(|sender| {
                let desk = Rc::clone(&desk);
                actix::spawn(async move {
                    // From the first number on, each time: what is there already is answered as it was.
                    for nth in 0..u64::MAX {
                        let new = text(room, sender, "hello", &nth.to_string());
                        let (stored, _) = desk.send(organization, new).await.unwrap();
                        let mut out = std::io::stdout().lock();
                        writeln!(out, "answered {sender} {nth} {} {}", stored.id, stored.seq).unwrap();
                        out.flush().unwrap();
                    }
                })
            })
            .collect();
        for sender in senders {
            sender.await.unwrap();
        }
    });
}

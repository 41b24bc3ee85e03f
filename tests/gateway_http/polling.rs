//! Socket.IO sessions that are polled: each stays at the hub that opened it.

use crate::hub::{Hub, Person, fresh_id};
use crate::process::{Gateway, Reply};
use tertulia::domain::{OrgId, Role};

fn opened(answer: &Reply) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body.split('"').nth(3).expect("a session").to_owned()
}

#[test]
fn sessions_stay_at_their_hub() {
    let hubs: Vec<_> = (0..3).map(|_| Hub::start(&[])).collect();
    let urls: Vec<_> = hubs.iter().map(|hub| hub.url("")).collect();
    let gateway = Gateway::start(&urls, &["--balance", "round-robin"]);
    let person = Person::new(OrgId(fresh_id()), Role::Member, "Ana");
    let sessions: Vec<_> = (0..9)
        .map(|_| opened(&gateway.ask("GET", "/socket.io/?EIO=4&transport=polling", "Accept-Encoding: gzip\r\n")))
        .collect();
    for sid in &sessions {
        let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        let body = format!("40{{\"token\":\"{}\"}}", person.token());
        let post = gateway.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        assert_eq!((post.status, post.body.as_str()), (200, "ok"), "{post:?}");
        let poll = gateway.get(&path);
        assert!(poll.status == 200 && poll.body.starts_with("40{\"sid\""), "{poll:?}");
    }
    let stray = gateway.get("/socket.io/?EIO=4&transport=polling&sid=nobody");
    assert_eq!(stray.status, 400, "{stray:?}");
}

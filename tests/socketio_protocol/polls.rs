//! The same clients over Engine.IO, by polling: one request posts packets, another waits for some.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tertulia::domain::{CloseReason, ConnId};
use tertulia::hub::handle::End;

use super::server::{Server, obedient_engine};
use super::sockets::Talkers;

/// A client that polls.
struct Poller {
    url: String,
    /// Answered, and not taken yet.
    packets: Vec<String>,
}

impl Poller {
    fn open(server: &Server) -> Self {
        let url = format!("http://{}/socket.io/?EIO=4&transport=polling", server.address);
        let mut poller = Self { url, packets: Vec::new() };
        let open = poller.packet();
        let open: serde_json::Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
        poller.url = format!("{}&sid={}", poller.url, open["sid"].as_str().unwrap());
        poller
    }

    fn post(&self, packets: &[&str]) {
        let answer = ureq::post(&self.url).send(packets.join("\u{1e}")).unwrap();
        assert_eq!(answer.into_body().read_to_string().unwrap(), "ok");
    }

    /// The next packet, for which it polls if it has none.
    fn packet(&mut self) -> String {
        if self.packets.is_empty() {
            let answer = ureq::get(&self.url).call().unwrap().into_body().read_to_string().unwrap();
            self.packets = answer.split('\u{1e}').map(str::to_owned).rev().collect();
        }
        self.packets.pop().unwrap()
    }

    #[track_caller]
    fn expect(&mut self, packets: &[&str]) {
        for packet in packets {
            assert_eq!(self.packet(), *packet);
        }
    }
}

#[test]
fn all_that_sockets_say_goes_by_poll_and_post() {
    let server = Server::engine(Arc::new(Talkers::new()));
    let mut poller = Poller::open(&server);
    poller.post(&["40", "40/custom,{\"token\":1}"]);
    assert!(poller.packet().starts_with("40{\"sid\":"));
    assert!(poller.packet().starts_with("40/custom,{\"sid\":"));
    poller.expect(&[r#"42["auth",{}]"#, r#"42/custom,["auth",{"token":1}]"#]);
    let places = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    poller.post(&[
        r#"42["message","ü",1]"#,
        &format!(r#"452-/custom,7["message-with-ack",{places}]"#),
        "bAQID",
        "bBAU=",
    ]);
    poller.expect(&[r#"42["message-back","ü",1]"#, &format!("462-/custom,7[{places}]"), "bAQID", "bBAU="]);
    // A packet's attachments may come in another request.
    poller.post(&[&format!(r#"452-["emit-with-ack",{places}]"#), "bAQID"]);
    poller.post(&["bBAU="]);
    poller.expect(&[&format!(r#"452-1["emit-with-ack",{places}]"#), "bAQID", "bBAU="]);
    poller.post(&[r#"431["well",2]"#]);
    poller.expect(&[r#"42["emit-with-ack","well",2]"#]);
}

#[test]
fn what_is_posted_before_a_connect_is_answered_waits_in_order() {
    let (server, notes) = obedient_engine();
    let mut poller = Poller::open(&server);
    let url = poller.url.clone();
    let post = std::thread::spawn(move || {
        let packets = [r#"40{"wait":true}"#, r#"42["echo",1]"#, "40/a,", r#"42/a,["echo",2]"#, r#"42["echo",3]"#];
        ureq::post(&url).send(packets.join("\u{1e}")).unwrap().into_body().read_to_string().unwrap()
    });
    super::eventually(|| notes.asked() == 1);
    notes.open.store(true, Ordering::Relaxed);
    assert!(poller.packet().ends_with(r#","pid":"kept"}"#));
    poller.expect(&[r#"42["echo",1]"#]);
    assert!(poller.packet().starts_with("40/a,"));
    poller.expect(&[r#"42/a,["echo",2]"#, r#"42["echo",3]"#]);
    assert_eq!(post.join().unwrap(), "ok");
}

#[test]
fn a_poll_tells_that_the_client_is_not_to_come_back() {
    let (server, notes) = obedient_engine();
    let mut poller = Poller::open(&server);
    poller.post(&["40"]);
    poller.packet();
    notes.end(End::Close(ConnId(1), CloseReason::Banned));
    poller.expect(&[r#"42["dismissed","banned"]"#, "41"]);
    assert_eq!(notes.endings().len(), 1);
}

#[test]
fn a_packet_that_makes_no_sense_ends_the_session() {
    let (server, notes) = obedient_engine();
    for packet in ["4abc", "42{}", "42/c,[\"echo\"]", "bAQID", "452147483648-[\"echo\"]"] {
        let mut poller = Poller::open(&server);
        poller.post(&["40"]);
        poller.packet();
        poller.post(&[r#"42["echo",1]"#, packet, r#"42["echo","never heard"]"#]);
        // As a payload it makes sense, so the client still gets to know what it was told, and of the end.
        poller.expect(&[r#"42["echo",1]"#, "1"]);
        let gone = ureq::post(&poller.url).send("42[\"echo\"]");
        assert!(matches!(gone, Err(ureq::Error::StatusCode(400))), "{packet}: {gone:?}");
    }
    super::eventually(|| notes.endings().len() == 5);
}

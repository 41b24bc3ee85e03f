//! Settings that change while connections are open.

use crate::client::{Client, dial};
use crate::eventually;
use crate::hub::Hub;
use crate::process::{Gateway, reply};
use crate::upstream::Upstream;

fn file(upstreams: &[&Upstream], more: &str) -> String {
    let urls: Vec<_> = upstreams.iter().map(|it| format!("{:?}", it.url())).collect();
    format!(
        "[gateway]\nupstreams = [{}]\nhealth_interval = \"200ms\"\n{more}\n[limits]\nrequests_per_ip = 0\n",
        urls.join(", ")
    )
}

#[test]
fn upstreams_come_and_go_and_what_is_open_stays() {
    let (one, two) = (Upstream::start(), Upstream::start());
    let gateway = Gateway::with_file(&file(&[&one], ""));
    let mut events = Client::over(dial(gateway.address));
    events.send(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    let (head, _) = events.response();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");

    gateway.rewrite(&file(&[&two], "read_only = true"));
    eventually("it is taken over", || gateway.log().contains("SIGHUP: least-conn to"));
    let before = one.asked();
    assert_eq!(gateway.get("/").status, 200);
    assert_eq!((one.asked(), two.asked()), (before, 1), "the one that was removed gets nothing new");
    assert_eq!(gateway.ask("POST", "/", "").status, 503, "and read_only holds");
    events.stream.set_nonblocking(true).unwrap();
    let mut piece = [0; 1024];
    loop {
        match std::io::Read::read(&mut events.stream, &mut piece) {
            Ok(0) => panic!("the open answer was ended"),
            Ok(_) => {}
            Err(error) => break assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
    }

    gateway.rewrite(&file(&[&one, &two], "balance = \"round-robin\""));
    eventually("it is taken over", || gateway.log().contains("SIGHUP: round-robin to"));
    assert!(!gateway.log().contains("takes a restart"), "only [gateway] has changed");
    assert_eq!(gateway.ask("POST", "/count", "Content-Length: 0\r\n").status, 200);
}

#[test]
fn an_upstream_that_was_removed_is_watched_while_it_has_connections() {
    let (one, two) = (Hub::start(&[]), Upstream::start());
    let of = |urls: &[String]| format!("[gateway]\nupstreams = {urls:?}\nhealth_interval = \"200ms\"\n");
    let gateway = Gateway::with_file(&of(&[one.url("")]));
    let mut socket = Client::over(dial(gateway.address));
    socket.send(
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!(reply(socket.response()).status, 101);
    let connections = format!("upstream_connections{{upstream=\"{}\"}}", one.url(""));
    assert_eq!(gateway.gauge(&connections), Some(1.0));

    gateway.rewrite(&of(&[two.url()]));
    eventually("it is removed", || gateway.gauge(&connections).is_none());
    gateway.rewrite(&of(&[two.url(), one.url("")]));
    eventually("it is back, and knows what it has", || gateway.gauge(&connections) == Some(1.0));

    gateway.rewrite(&of(&[two.url()]));
    eventually("it is removed again", || gateway.gauge(&connections).is_none());
    one.signal("STOP");
    let farewell = loop {
        match socket.frame().expect("a gateway that ends in order") {
            Some((0x88, payload)) => break payload,
            Some(_) => {}
            None => panic!("no goodbye"),
        }
    };
    one.signal("CONT");
    assert_eq!(farewell[..2], 1012_u16.to_be_bytes());
}

#[test]
fn a_file_that_is_wrong_changes_nothing() {
    let one = Upstream::start();
    let gateway = Gateway::with_file(&file(&[&one], ""));
    gateway.rewrite("[gateway]\nupstreams = [\"nonsense\"]\n");
    eventually("it is said", || gateway.log().contains("the settings stay as they were: gateway.upstreams"));
    assert_eq!(gateway.get("/").status, 200);
    assert_eq!(one.asked(), 1);
    for (number, text) in ["", "[gateway]\nread_only = true\n"].into_iter().enumerate() {
        gateway.rewrite(text);
        let said =
            || gateway.log().matches("the settings stay as they were: gateway.upstreams is no longer set").count();
        eventually("it is said", || said() == number + 1);
        assert_eq!(gateway.ask("POST", "/", "Content-Length: 0\r\n").status, 200);
    }
    assert_eq!(one.asked(), 3);
    gateway.rewrite(&(file(&[&one], "") + "max_connections = 5\n"));
    eventually("it is said", || gateway.log().contains("[limits] has changed, which takes a restart"));
}

#[test]
fn it_ends_when_it_is_told_and_answers_what_it_was_asked() {
    let one = Upstream::start();
    let mut gateway = Gateway::start(&[one.url()], &[]);
    let mut client = Client::over(dial(gateway.address));
    client.send(b"POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhal");
    eventually("it is asked", || one.asked() == 1);
    gateway.signal("TERM");
    std::thread::sleep(std::time::Duration::from_millis(100));
    client.send(b"ve");
    let answer = reply(client.response());
    assert_eq!((answer.status, answer.body.as_str()), (200, "5"));
    drop(client);
    assert!(gateway.ended().success());
    assert!(gateway.log().contains("stopped"));
}

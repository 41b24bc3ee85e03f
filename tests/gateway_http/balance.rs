//! Which upstream gets what.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use crate::client::{Client, dial};
use crate::eventually;
use crate::hub::{Person, fresh_id};
use crate::process::{Gateway, reply};
use crate::upstream::{Upstream, nobody};
use tertulia::domain::{OrgId, Role};

fn three() -> (Vec<Upstream>, Vec<String>) {
    let upstreams: Vec<_> = (0..3).map(|_| Upstream::start()).collect();
    let urls = upstreams.iter().map(Upstream::url).collect();
    (upstreams, urls)
}

fn asked(upstreams: &[Upstream]) -> Vec<usize> {
    upstreams.iter().map(Upstream::asked).collect()
}

#[test]
fn each_in_turn() {
    let (upstreams, urls) = three();
    let gateway = Gateway::start(&urls, &["--balance", "round-robin"]);
    for _ in 0..9 {
        assert_eq!(gateway.get("/").status, 200);
    }
    assert_eq!(asked(&upstreams), [3, 3, 3]);
}

#[test]
fn the_one_with_the_fewest_connections() {
    let (upstreams, urls) = three();
    let gateway = Gateway::start(&urls, &[]);
    let total = || asked(&upstreams).iter().sum::<usize>();
    let mut waiting = Vec::new();
    for number in 1..=9 {
        let mut client = Client::over(dial(gateway.address));
        client.send(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n");
        waiting.push(client);
        eventually("it waits", || total() == number);
    }
    assert_eq!(asked(&upstreams), [3, 3, 3]);
    assert_eq!(gateway.gauge(&format!("upstream_connections{{upstream=\"{}\"}}", urls[0])), Some(3.0));
}

#[test]
fn by_hash_a_user_stays_where_it_is() {
    let (upstreams, urls) = three();
    let gateway = Gateway::start(&urls, &["--balance", "hash"]);
    let mut used = [false; 3];
    for _ in 0..12 {
        let person = Person::new(OrgId(fresh_id()), Role::Member, "Ana");
        let before = asked(&upstreams);
        for _ in 0..3 {
            let token = format!("Authorization: Bearer {}\r\n", person.token());
            assert_eq!(gateway.ask("GET", "/api/v1/things", &token).status, 200);
        }
        let grown: Vec<_> = asked(&upstreams).iter().zip(before).map(|(now, before)| now - before).collect();
        let at = grown.iter().position(|it| *it == 3).expect("all three at one upstream");
        used[at] = true;
    }
    assert!(used.iter().filter(|it| **it).count() > 1, "not all users are at one");
}

#[test]
fn an_upstream_that_cannot_be_reached_costs_nobody_an_answer() {
    let upstream = Upstream::start();
    let settings =
        ["--balance", "round-robin", "--set", "gateway.health_interval=1h", "--set", "gateway.breaker_pause=1h"];
    let gateway = Gateway::start(&[nobody(), upstream.url()], &settings);
    for _ in 0..20 {
        assert_eq!(gateway.ask("POST", "/count", "Content-Length: 0\r\n").status, 200);
    }
    assert_eq!(upstream.asked(), 20);
    // After five failures it is not even tried any more.
    assert_eq!(gateway.gauge("websocket_proxy_errors_total{reason=\"connect\"}"), Some(5.0));
    assert!(gateway.get("/health").body.contains("\"circuit\":\"open\""));
}

#[test]
fn a_request_that_may_have_been_done_is_not_sent_twice() {
    let (one, two) = (Upstream::start(), Upstream::start());
    let gateway = Gateway::start(&[one.url(), two.url()], &[]);
    let answer = gateway.ask("POST", "/vanish", "Content-Length: 0\r\n");
    assert_eq!(answer.status, 502);
    assert_eq!(one.asked() + two.asked(), 1);
}

/// An upstream that answers one request with its name and then, asked once more on that connection, is gone for good.
fn leaves_after_one() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        let asked = |stream: &mut TcpStream| {
            let mut head = [0; 4_096];
            let read = stream.read(&mut head).expect("a request");
            head[..read].starts_with(b"GET /health ")
        };
        let mut stream = loop {
            let mut stream = listener.accept().expect("a connection").0;
            let is_check = asked(&mut stream);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nshort").expect("a gateway");
            if !is_check {
                break stream;
            }
        };
        drop(listener);
        asked(&mut stream);
    });
    url
}

#[test]
fn another_is_asked_when_one_has_gone_between_two_requests() {
    let (short, long) = (leaves_after_one(), Upstream::start());
    let settings = ["--balance", "hash", "--trusted-proxy", "127.0.0.1", "--set", "gateway.health_interval=60s"];
    let gateway = Gateway::start(&[short, long.url()], &settings);
    let mut client = Client::over(dial(gateway.address));
    let mut ask = |from: usize| {
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.{from}\r\n\r\n").as_bytes());
        reply(client.response())
    };
    let from = (1..200).find(|from| ask(*from).body == "short").expect("somebody who is sent there");
    let before = long.asked();
    let answer = ask(from);
    assert_eq!((answer.status, long.asked()), (200, before + 1), "{answer:?}");
    assert_eq!(
        gateway.gauge("websocket_proxy_errors_total{reason=\"connect\"}"),
        Some(1.0),
        "it was asked again first"
    );
}

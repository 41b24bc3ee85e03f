//! Upstreams that are taken out and in again.

use std::sync::atomic::Ordering;

use crate::client::{Client, dial};
use crate::eventually;
use crate::hub::Hub;
use crate::process::{Gateway, reply};
use crate::upstream::{Upstream, nobody};

#[test]
fn one_that_is_not_well_gets_nothing_until_it_is() {
    let (one, two) = (Upstream::start(), Upstream::start());
    let gateway = Gateway::start(&[one.url(), two.url()], &[]);
    let gauge = format!("upstream_healthy{{upstream=\"{}\"}}", one.url());
    assert_eq!(gateway.gauge(&gauge), Some(1.0), "an upstream starts healthy");
    one.state.is_unwell.store(true, Ordering::Relaxed);
    eventually("it is taken out", || gateway.gauge(&gauge) == Some(0.0));
    let before = one.asked();
    for _ in 0..6 {
        assert_eq!(gateway.get("/").status, 200);
    }
    assert_eq!((one.asked(), two.asked()), (before, 6));
    assert_eq!(gateway.get("/health").status, 200, "one is enough");
    one.state.is_unwell.store(false, Ordering::Relaxed);
    eventually("it is taken in", || gateway.gauge(&gauge) == Some(1.0));
    for _ in 0..6 {
        assert_eq!(gateway.get("/").status, 200);
    }
    assert!(one.asked() > before);
}

#[test]
fn a_hub_that_hangs_is_taken_out_and_what_it_was_asked_is_answered() {
    let (hub, other) = (Hub::start(&[]), Hub::start(&[]));
    let settings = ["--balance", "round-robin", "--set", "gateway.answer_timeout=60s"];
    let gateway = Gateway::start(&[hub.url(""), other.url("")], &settings);
    assert_eq!(gateway.get("/api/v1/auth/health").status, gateway.get("/api/v1/auth/health").status);
    hub.signal("STOP");
    // One of two of each kind waits for the hub that hangs. As soon as that is known, who only wanted to read is answered by
    // the other hub, and who may have changed something is told.
    let asked = ["GET", "GET", "DELETE", "DELETE"].map(|method| {
        let mut client = Client::over(dial(gateway.address));
        client.send(format!("{method} /api/v1/chat/rooms/x HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        // So that they come one after the other.
        std::thread::sleep(std::time::Duration::from_millis(30));
        client
    });
    let statuses = asked.map(|mut client| reply(client.response()).status);
    assert_eq!(statuses[..2], [401, 401]);
    assert!(statuses[2..].contains(&401) && statuses[2..].contains(&502), "{statuses:?}");
    let health = gateway.get("/health");
    assert!(health.status == 200 && health.body.contains("\"healthy\":false"), "{health:?}");
    hub.signal("CONT");
    eventually("it is taken in again", || !gateway.get("/health").body.contains("\"healthy\":false"));
}

#[test]
fn a_gateway_without_upstreams_says_so_early_and_runs() {
    let gateway = Gateway::start(&[nobody()], &[]);
    eventually("it warns", || gateway.log().contains("no upstream is well"));
    eventually("it is not well", || gateway.get("/health").status == 503);
    assert!(gateway.log().contains("is taken out"), "and not before");
    assert!(gateway.get("/").body.contains("No hub can be reached"));
    assert_eq!(gateway.get("/health/ready").status, 503);
    assert_eq!(gateway.get("/health/live").status, 200);
    assert_eq!(gateway.head("/health").status, 503);
    assert_eq!(gateway.ask("POST", "/health", "Content-Length: 0\r\n").status, 405);
}

#[test]
fn a_gateway_whose_upstreams_are_not_ready_says_when_one_is() {
    let upstream = Upstream::start();
    upstream.state.is_unwell.store(true, Ordering::Relaxed);
    let gateway = Gateway::start(&[upstream.url()], &[]);
    eventually("it warns", || gateway.log().contains("no upstream is well"));
    let reply = gateway.get("/");
    assert!(reply.status == 503 && reply.body.contains("No hub is ready"), "{reply:?}");
    upstream.state.is_unwell.store(false, Ordering::Relaxed);
    eventually("it says so", || gateway.log().contains("an upstream is well"));
    assert_eq!(gateway.get("/").status, 200);
}

#[test]
fn every_metric_is_there_from_the_start() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&[upstream.url()], &[]);
    let text = gateway.get("/metrics").body;
    for name in [
        "websocket_proxy_connections_total 0",
        "websocket_proxy_connections 0",
        "websocket_proxy_messages_total{direction=\"client_to_backend\"} 0",
        "websocket_proxy_messages_total{direction=\"backend_to_client\"} 0",
        "websocket_proxy_latency_ms_count 0",
        "websocket_proxy_errors_total{reason=\"connect\"} 0",
        "websocket_proxy_errors_total{reason=\"upstream_lost\"} 0",
        "http_proxy_responses_total{status=\"2xx\"} 0",
    ] {
        assert!(text.lines().any(|line| line == name), "{name} in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn what_hubs_say_of_themselves_is_not_passed_on() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&[upstream.url()], &["--metrics-listen", "127.0.0.1:0"]);
    let paths =
        ["/metrics", "//metrics", "/%6detrics", "/metrics/", "/./metrics", "/health/db", "/health/redis", "/health/"];
    for path in paths {
        let reply = gateway.get(path);
        assert!(reply.status == 404 && reply.body.contains("\"not_found\""), "{path}: {reply:?}");
        assert!(reply.header("x-request-id").is_some(), "{path}: {reply:?}");
    }
    let socket = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    assert_eq!(gateway.ask("GET", "/metrics", socket).status, 404);
    assert_eq!(upstream.asked(), 0);
    for path in ["/health", "/health/ready", "/health/live"] {
        let (whole, head) = (gateway.get(path), gateway.head(path));
        assert_eq!((head.status, head.header("content-type")), (200, whole.header("content-type")), "{path}");
        assert_eq!(head.body, "", "{path}");
        assert!(head.header("x-request-id").is_some(), "{path}");
    }
}

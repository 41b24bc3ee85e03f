//! The API as its callers meet it.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;
use uuid::Uuid;

use super::*;
use crate::auth::accounts::without_database;
use crate::auth::{Grant, Options, Origins, Policy, Proxies, mint};
use crate::clock;
use crate::domain::{OrgId, Rate, Role, UserId};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

#[derive(Default)]
struct Patient {
    database_is_away: AtomicBool,
    draining: AtomicBool,
    asked: AtomicUsize,
}

impl Vitals for Patient {
    fn snapshot(&self) -> Pending<Option<Snapshot>> {
        let snapshot = Snapshot { connections: 3, rooms_with_connections: 2, by_dialect: vec![("messages", 3)] };
        Box::pin(async { Some(snapshot) })
    }

    fn database(&self) -> Pending<bool> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let ok = !self.database_is_away.load(Ordering::Relaxed);
        Box::pin(async move { ok })
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

struct Fixture {
    context: web::Data<Context>,
    patient: Arc<Patient>,
}

fn fixture() -> Fixture {
    fixture_with(|_| ())
}

fn fixture_with(change: impl FnOnce(&mut Context)) -> Fixture {
    let (patient, metrics) = (Arc::new(Patient::default()), Arc::new(Metrics::new()));
    let options = Options {
        secret: SECRET,
        policy: Policy::default(),
        origins: Origins::new(&["https://app.example.com"], false).expect("origins"),
        proxies: Proxies::new(&["192.0.2.9"]).expect("proxies"),
        dev: false,
    };
    let authenticator = Arc::new(Authenticator::new(options, metrics.clone()));
    let accounts = Arc::new(without_database(SECRET, authenticator.directory(), &metrics));
    let mut context = Context {
        authenticator,
        accounts,
        login_limiter: None,
        only_local: false,
        vitals: patient.clone(),
        metrics,
        limiter: None,
        trust_loopback: false,
        serve_metrics: true,
        sockets: vec!["/api/v1/ws/messages"],
        engines: vec!["/engine.io".into()],
        node: "node-1".into(),
        started: clock::now(),
        health: health::Memory::default(),
    };
    change(&mut context);
    Fixture { context: web::Data::new(context), patient }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default()
    }
}

impl Fixture {
    async fn ask(&self, request: TestRequest) -> Answer {
        let app = init_service(app(self.context.clone(), None, |routes| {
            routes.route("/engine.io/", web::to(engine));
        }))
        .await;
        let response = call_service(&app, request.to_request()).await;
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, body: read_body(response).await.to_vec() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(TestRequest::get().uri(path)).await
    }
}

/// Refuses every page but one, in its own words, and tells all others more than a kilobyte.
async fn engine(request: HttpRequest) -> HttpResponse {
    match request.headers().get("Origin") {
        Some(origin) if origin != "https://app.example.com" => HttpResponse::Forbidden().body("in its own words"),
        _ => HttpResponse::Ok().content_type("text/plain; charset=UTF-8").body("4".repeat(2_000)),
    }
}

fn token(role: Role) -> String {
    let grant = Grant {
        user: UserId(Uuid::from_u128(1)),
        organization: Some(OrgId(Uuid::from_u128(2))),
        role,
        name: None,
        audience: None,
        lifetime: Duration::from_secs(60),
    };
    mint(SECRET, &grant, clock::now()).expect("a token")
}

fn stats_as(role: Role) -> TestRequest {
    TestRequest::get().uri("/api/v1/ws/stats").insert_header(("Authorization", format!("Bearer {}", token(role))))
}

#[actix::test]
async fn health_tells_each_checks_result() {
    let fixture = fixture();
    let start = clock::now();
    let health = fixture.get("/health").await;
    assert_eq!(health.status, StatusCode::OK);
    let body = health.json();
    assert_eq!((&body["status"], &body["checks"]["database"]["status"]), (&"ok".into(), &"ok".into()));
    assert_eq!(body["checks"]["redis"]["status"], "disabled");
    assert_eq!(fixture.get("/health/redis").await.json()["status"], "disabled");
    for path in ["/health/live", "/health/ready", "/health/db"] {
        let answer = fixture.get(path).await;
        assert_eq!((answer.status, &answer.json()["status"]), (StatusCode::OK, &"ok".into()), "{path}");
    }
    let most = 1 + clock::now().since(start).as_millis() / 500;
    let asked = fixture.patient.asked.load(Ordering::Relaxed);
    assert!(asked as u128 <= most, "the database is asked twice a second at most, not for every call: {asked} times");
}

#[actix::test]
async fn a_database_that_is_away_makes_the_hub_unready_and_alive() {
    let fixture = fixture();
    fixture.patient.database_is_away.store(true, Ordering::Relaxed);
    for path in ["/health", "/health/ready", "/health/db"] {
        let answer = fixture.get(path).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(answer.json()["status"], "unavailable", "{path}");
    }
    assert_eq!(fixture.get("/health/live").await.status, StatusCode::OK);
}

#[actix::test]
async fn a_draining_hub_is_not_ready() {
    let fixture = fixture();
    fixture.patient.draining.store(true, Ordering::Relaxed);
    let answer = fixture.get("/health/ready").await;
    assert_eq!((answer.status, &answer.json()["status"]), (StatusCode::SERVICE_UNAVAILABLE, &"draining".into()));
}

#[actix::test]
async fn metrics_are_where_they_are_configured_to_be() {
    let beside = fixture();
    beside.context.metrics.messages_in.inc();
    let answer = beside.get("/metrics").await;
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    assert!(String::from_utf8_lossy(&answer.body).contains("websocket_messages_in_total 1"));

    let apart = fixture_with(|context| context.serve_metrics = false);
    assert_eq!(apart.get("/metrics").await.status, StatusCode::NOT_FOUND);
    let own = init_service(metrics_app(apart.context.clone())).await;
    assert!(call_service(&own, TestRequest::get().uri("/metrics").to_request()).await.status().is_success());
}

#[actix::test]
async fn stats_are_for_admins_and_agents() {
    let fixture = fixture();
    let stats = fixture.ask(stats_as(Role::Agent)).await;
    assert_eq!(stats.status, StatusCode::OK);
    let body = stats.json();
    assert_eq!((&body["total_clients"], &body["total_sessions"]), (&3.into(), &2.into()));
    assert_eq!((&body["redis_enabled"], &body["by_dialect"]["messages"]), (&false.into(), &3.into()));
    for number in ["messages_in_total", "messages_out_total", "slow_consumers_total", "uptime_seconds", "nodes"] {
        assert!(body[number].is_u64(), "{number}");
    }
    assert_eq!(body["node_id"], "node-1");
    assert_eq!(fixture.ask(stats_as(Role::Admin)).await.status, StatusCode::OK);
    for role in [Role::Member, Role::Bot] {
        let refused = fixture.ask(stats_as(role)).await;
        assert_eq!((refused.status, &refused.json()["code"]), (StatusCode::FORBIDDEN, &"forbidden".into()));
    }
}

#[actix::test]
async fn without_a_good_token_there_are_no_stats() {
    let fixture = fixture();
    let nothing = fixture.get("/api/v1/ws/stats").await;
    assert_eq!(nothing.json()["code"], "authentication_required");
    let wrong = fixture.get("/api/v1/ws/stats?token=dev-admin-key").await;
    assert_eq!(wrong.json()["code"], "invalid_token");
    for answer in [nothing, wrong] {
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
}

#[actix::test]
async fn what_is_not_there_is_a_problem_with_a_hint() {
    let fixture = fixture();
    let answer = fixture.get("/nowhere").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let body = answer.json();
    assert_eq!(
        (&body["status"], &body["code"], &body["title"]),
        (&404.into(), &"not_found".into(), &"Not Found".into())
    );
    assert!(body["detail"].as_str().is_some_and(|it| it.contains("/nowhere")));
    assert_eq!(answer.header("x-content-type-options"), "nosniff");

    let posted = fixture.ask(TestRequest::post().uri("/health")).await;
    assert_eq!((posted.status, posted.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD"));
    assert_eq!(
        fixture.ask(TestRequest::default().method(actix_web::http::Method::HEAD).uri("/health")).await.status,
        200
    );
}

#[actix::test]
async fn a_plain_request_to_a_socket_is_told_to_upgrade() {
    let answer = fixture().get("/api/v1/ws/messages?token=x").await;
    assert_eq!(answer.status, StatusCode::UPGRADE_REQUIRED);
    assert_eq!((answer.header("upgrade"), answer.header("sec-websocket-version")), ("websocket", "13"));
    assert_eq!(answer.json()["code"], "upgrade_required");
}

fn once_an_hour(context: &mut Context) {
    let one = NonZeroU32::MIN;
    context.limiter = Some(Limiter::new(Rate { events: one, period: Duration::from_hours(1), burst: one }));
}

fn from_address(address: &str, path: &str) -> TestRequest {
    TestRequest::get().uri(path).peer_addr(format!("{address}:1").parse().expect("an address"))
}

#[actix::test]
async fn one_address_may_ask_so_often_and_monitoring_always() {
    let fixture = fixture_with(once_an_hour);
    assert_eq!(fixture.ask(from_address("192.0.2.1", "/api/x")).await.status, StatusCode::NOT_FOUND);
    let refused = fixture.ask(from_address("192.0.2.1", "/api/x")).await;
    assert_eq!((refused.status, &refused.json()["code"]), (StatusCode::TOO_MANY_REQUESTS, &"rate_limited".into()));
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|secs| secs > 3_000));
    let spelled = fixture.ask(from_address("192.0.2.1", "/%61pi/x")).await;
    assert_eq!(spelled.status, StatusCode::TOO_MANY_REQUESTS, "the same path in another spelling");
    assert_eq!((refused.header("ratelimit-limit"), refused.header("ratelimit-remaining")), ("1", "0"));
    assert!(refused.header("ratelimit-reset").parse::<u64>().is_ok_and(|secs| secs > 3_000));
    assert_eq!(fixture.ask(from_address("192.0.2.1", "/health")).await.status, StatusCode::OK);
    assert_eq!(fixture.ask(from_address("192.0.2.1", "/metrics")).await.status, StatusCode::OK);
    assert_eq!(fixture.ask(from_address("192.0.2.2", "/api/x")).await.status, StatusCode::NOT_FOUND);
}

#[actix::test]
async fn behind_a_trusted_proxy_its_clients_are_counted_and_others_cannot_pretend() {
    let fixture = fixture_with(once_an_hour);
    let via =
        |peer: &str, client: &str| from_address(peer, "/api/x").insert_header(("X-Forwarded-For", client.to_owned()));
    assert_eq!(fixture.ask(via("192.0.2.9", "198.51.100.1")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(fixture.ask(via("192.0.2.9", "198.51.100.2")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(fixture.ask(via("192.0.2.9", "198.51.100.1")).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(fixture.ask(via("192.0.2.7", "198.51.100.3")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(fixture.ask(via("192.0.2.7", "198.51.100.4")).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[actix::test]
async fn loopback_is_not_counted_in_development() {
    let fixture = fixture_with(|context| {
        once_an_hour(context);
        context.trust_loopback = true;
    });
    for _ in 0..3 {
        assert_eq!(fixture.ask(from_address("127.0.0.1", "/x")).await.status, StatusCode::NOT_FOUND);
    }
}

#[actix::test]
async fn pages_of_other_origins_are_turned_away_and_those_allowed_may_read() {
    let fixture = fixture();
    let page = |origin: &'static str| stats_as(Role::Admin).insert_header(("Origin", origin));
    let refused = fixture.ask(page("https://evil.example.com")).await;
    assert_eq!((refused.status, &refused.json()["code"]), (StatusCode::FORBIDDEN, &"origin_not_allowed".into()));
    let allowed = fixture.ask(page("https://app.example.com")).await;
    assert_eq!(allowed.status, StatusCode::OK);
    assert_eq!(allowed.header("access-control-allow-origin"), "https://app.example.com");
    let preflight = TestRequest::default()
        .method(actix_web::http::Method::OPTIONS)
        .uri("/api/v1/ws/stats")
        .insert_header(("Origin", "https://app.example.com"))
        .insert_header(("Access-Control-Request-Method", "GET"));
    let answer = fixture.ask(preflight).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    for header in ["Authorization", "Content-Type", "If-Match", "Idempotency-Key", "X-Request-Id"] {
        assert!(answer.header("access-control-allow-headers").contains(header), "{header}");
    }
    for method in ["GET", "POST", "PUT", "DELETE"] {
        assert!(answer.header("access-control-allow-methods").contains(method), "{method}");
    }
}

#[actix::test]
async fn a_request_has_one_name_everywhere() {
    let fixture = fixture();
    let named = TestRequest::get().uri("/health/live").insert_header(("X-Request-Id", "req-1"));
    assert_eq!(fixture.ask(named).await.header("x-request-id"), "req-1");
    let spoiled = TestRequest::get().uri("/nowhere").insert_header(("X-Request-Id", "two words"));
    let answer = fixture.ask(spoiled).await;
    assert!(Uuid::parse_str(answer.header("x-request-id")).is_ok());
}

#[actix::test]
async fn what_is_large_is_compressed_for_whoever_can_read_it() {
    let fixture = fixture();
    let asking = |path: &str| TestRequest::get().uri(path).insert_header(("Accept-Encoding", "gzip, br"));
    let large = fixture.ask(asking("/metrics")).await;
    assert!(["gzip", "br"].contains(&large.header("content-encoding")), "{}", large.header("content-encoding"));
    assert!(large.header("vary").to_ascii_lowercase().contains("accept-encoding"));
    let small = fixture.ask(asking("/health/live")).await;
    assert_eq!(small.header("content-encoding"), "");
    assert_eq!(small.json()["status"], "ok");
    assert_eq!(fixture.get("/metrics").await.header("content-encoding"), "");
}

/// Every place that there is, by what answers there: a path and its methods.
fn described(document: &Value) -> Vec<(String, Vec<String>)> {
    let paths = document["paths"].as_object().expect("paths");
    let methods = |place: &Value| place.as_object().expect("methods").keys().map(|it| it.to_uppercase()).collect();
    paths.iter().map(|(path, place)| (path.clone(), methods(place))).collect()
}

#[actix::test]
async fn the_description_names_every_place_and_each_of_its_methods() {
    let context = fixture().context;
    let document = openapi::document(&context, true);
    assert!(document["openapi"].as_str().is_some_and(|it| it.starts_with("3.1")));
    let places = || places(&context, true);
    let app = places().into_iter().fold(App::new(), App::service);
    let app = init_service(app).await;
    let mut names: Vec<_> = places().into_iter().map(|place| place.path).collect();
    names.extend(context.sockets.iter().map(|path| (*path).to_owned()));
    names.sort();
    let operations = || document["paths"].as_object().into_iter().flatten().filter_map(|(_, place)| place.as_object());
    let mut ids: Vec<_> = operations().flatten().map(|(_, operation)| operation["operationId"].to_string()).collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "each has a name of its own: {ids:?}");
    let mut described = described(&document);
    described.sort();
    assert_eq!(names, described.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>());

    for (path, methods) in described.into_iter().filter(|(path, _)| !context.sockets.contains(&&**path)) {
        let response = call_service(&app, TestRequest::patch().uri(&path).to_request()).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let allow = response.headers().get("allow").and_then(|it| it.to_str().ok()).expect("what is allowed");
        let mut allowed: Vec<_> = allow.split(", ").filter(|it| *it != "HEAD").collect();
        allowed.sort_unstable();
        assert_eq!(allowed, methods, "{path}");
    }
}

#[actix::test]
async fn the_description_can_be_browsed_without_scripts_in_the_page() {
    let fixture = fixture();
    let page = fixture.get("/docs").await;
    assert_eq!(page.status, StatusCode::OK);
    let policy = page.header("content-security-policy");
    assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe-eval"), "{policy}");
    let text = String::from_utf8_lossy(&page.body).into_owned();
    assert_eq!(text.matches("<script").count(), text.matches("<script src=\"/docs/viewer.js\"").count(), "{text}");
    let viewer = fixture.get("/docs/viewer.js").await;
    assert!(viewer.header("content-type").starts_with("text/javascript"));
    let known = TestRequest::get().uri("/docs/viewer.js").insert_header(("If-None-Match", viewer.header("etag")));
    assert_eq!(fixture.ask(known).await.status, StatusCode::NOT_MODIFIED);
    let description = fixture.get("/openapi.json").await;
    assert_eq!(description.json()["info"]["title"], "Tertulia");
}

#[actix::test]
async fn an_engine_says_itself_which_pages_it_refuses_and_the_rest_is_as_everywhere() {
    let fixture = fixture();
    let asked = |origin: &'static str| TestRequest::get().uri("/engine.io/").insert_header(("Origin", origin));
    let refused = fixture.ask(asked("https://evil.example.com")).await;
    assert_eq!((refused.status, &refused.body[..]), (StatusCode::FORBIDDEN, &b"in its own words"[..]));
    assert_eq!(refused.header("access-control-allow-origin"), "");

    let served = fixture.ask(asked("https://app.example.com")).await;
    assert_eq!(served.status, StatusCode::OK);
    assert_eq!(served.header("access-control-allow-origin"), "https://app.example.com");
    assert_eq!(served.header("access-control-allow-credentials"), "true");

    let preflight = |origin: &'static str| {
        let request = TestRequest::default().method(actix_web::http::Method::OPTIONS).uri("/engine.io/");
        request.insert_header(("Origin", origin)).insert_header(("Access-Control-Request-Method", "POST"))
    };
    let refused = fixture.ask(preflight("https://evil.example.com")).await;
    assert_eq!((refused.status, refused.header("access-control-allow-methods")), (StatusCode::FORBIDDEN, ""));
    let allowed = fixture.ask(preflight("https://app.example.com")).await;
    assert_eq!((allowed.status, allowed.body.len()), (StatusCode::NO_CONTENT, 0));
    assert!(allowed.header("access-control-allow-methods").contains("POST"));

    let zipped = fixture.ask(asked("https://app.example.com").insert_header(("Accept-Encoding", "gzip"))).await;
    assert_eq!(zipped.header("content-encoding"), "gzip");
    assert!(zipped.body.len() < 200, "{} bytes", zipped.body.len());
}

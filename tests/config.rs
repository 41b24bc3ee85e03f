//! The command line as a person or a script meets it: what is printed where, and with which exit code.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const USER: &str = "11111111-1111-4111-8111-111111111111";
const ORG: &str = "22222222-2222-4222-8222-222222222222";

/// The program in an empty directory, with nothing in its environment.
struct Scene(tempfile::TempDir);

impl Scene {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn dir(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, &[])
    }

    fn run_with(&self, args: &[&str], environment: &[(&str, &str)]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tertulia"));
        command.args(args).current_dir(self.dir()).env_clear().envs(environment.iter().copied());
        Ran(command.output().unwrap())
    }
}

struct Ran(Output);

impl Ran {
    fn code(&self) -> i32 {
        self.0.status.code().unwrap_or(-1)
    }

    fn out(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    fn err(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    /// Ended with exit code 2 and one line on standard error, which is returned.
    fn refusal(&self) -> String {
        let line = self.err();
        assert_eq!((self.code(), line.lines().count(), self.out().as_str()), (2, 1, ""), "{line}");
        line
    }
}

#[test]
fn a_wrong_configuration_ends_the_start_with_one_line_and_code_2() {
    let scene = Scene::new();
    fs::write(scene.dir().join("tertulia.toml"), "[limits]\nmax_conections = 5\n").unwrap();
    let line = scene.run(&[]).refusal();
    assert!(line.contains("limits.max_conections") && line.contains("did you mean limits.max_connections?"), "{line}");

    let scene = Scene::new();
    let line = scene.run(&["serve", "--listen", "somewhere"]).refusal();
    assert!(line.contains("server.listen = \"somewhere\" (--listen)"), "{line}");
    let line = scene.run_with(&[], &[("TERTULIA_LIMITS_IDLE_TIMEOUT", "soon")]).refusal();
    assert!(line.contains("limits.idle_timeout = \"soon\" (TERTULIA_LIMITS_IDLE_TIMEOUT)"), "{line}");
    let line = scene.run(&["--dev", "serve", "--listen", "0.0.0.0:0"]).refusal();
    assert!(line.contains("loopback"), "{line}");
    let line = scene.run_with(&[], &[("JWT_SECRET", "short")]).refusal();
    assert!(line.contains("32 bytes") && !line.contains("short"), "{line}");
    let line = scene.run(&["--config", "nowhere.toml"]).refusal();
    assert!(line.contains("nowhere.toml: cannot be read"), "{line}");
    assert!(!scene.dir().join("data").exists(), "a start that is refused leaves nothing behind");
}

#[test]
fn bad_usage_is_code_2_and_help_is_not() {
    let scene = Scene::new();
    assert_eq!(scene.run(&["--frobnicate"]).code(), 2);
    assert_eq!(scene.run(&["token", "--sub", "nobody", "--org", ORG, "--role", "agent"]).code(), 2);
    assert_eq!(scene.run(&["token", "--sub", USER, "--org", ORG, "--role", "king"]).code(), 2);
    for args in [&["--help"][..], &["token", "--help"], &["check", "--help"], &["--version"]] {
        let ran = scene.run(args);
        assert_eq!((ran.code(), ran.err().as_str()), (0, ""), "{args:?}");
    }
    assert!(scene.run(&["token", "--help"]).out().contains("Examples:"));
}

#[test]
fn the_printed_configuration_is_a_file_that_works() {
    let scene = Scene::new();
    let printed = scene.run(&["--print-config", "--set", "limits.idle_timeout=1h"]).out();
    assert!(printed.contains("idle_timeout = \"1h\""));
    fs::write(scene.dir().join("tertulia.toml"), &printed).unwrap();
    assert_eq!(scene.run(&["--print-config"]).out(), printed);
}

#[test]
fn a_token_is_all_that_is_printed_and_the_secret_is_kept_for_the_hub() {
    let scene = Scene::new();
    let mint = |scene: &Scene| scene.run(&["token", "--sub", USER, "--org", ORG, "--role", "agent", "--ttl", "5m"]);
    let ran = mint(&scene);
    let token = ran.out();
    assert_eq!((ran.code(), token.lines().count()), (0, 1));
    assert!(ran.err().contains("made a new secret"), "a secret that no hub knows is told of: {}", ran.err());
    assert_eq!(token.trim_end().split('.').count(), 3);

    let secret = fs::read_to_string(scene.dir().join("data/jwt-secret")).unwrap();
    assert_eq!(mint(&scene).err(), "");
    assert_eq!(fs::read_to_string(scene.dir().join("data/jwt-secret")).unwrap(), secret);

    let elsewhere = Scene::new();
    let args = ["token", "--sub", USER, "--org", ORG, "--role", "agent"];
    assert_eq!(elsewhere.run_with(&args, &[("JWT_SECRET", &secret)]).code(), 0);
    assert!(!elsewhere.dir().join("data").exists(), "nothing is generated where a secret is given");
}

#[test]
fn check_tells_what_works_and_fails_where_something_does_not() {
    let scene = Scene::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    let ran = scene.run(&["check", "--listen", &address]);
    assert_eq!(ran.code(), 1, "the address is taken: {}", ran.out());
    assert!(ran.out().lines().any(|line| line.starts_with("address") && line.contains("FAILED")), "{}", ran.out());

    drop(free);
    let ran = scene.run(&["check", "--listen", &address]);
    assert_eq!(ran.code(), 0, "{}{}", ran.out(), ran.err());
    for row in ["configuration", "data directory", "secret", "database", "redis", "tls", "address", "open files"] {
        assert!(ran.out().lines().any(|line| line.starts_with(row)), "{row} is missing from\n{}", ran.out());
    }
    assert!(!scene.dir().join("data/jwt-secret").exists(), "a check makes nothing");

    fs::write(scene.dir().join("not-a.pem"), "x").unwrap();
    let ran = scene.run(&["check", "--listen", &address, "--tls-cert", "not-a.pem", "--tls-key", "not-a.pem"]);
    assert!(ran.code() == 1 && ran.out().contains("not-a.pem"), "{}", ran.out());
    let ran = scene.run(&["check", "--listen", &address, "--redis-url", "127.0.0.1:1"]);
    assert!(ran.code() == 1 && ran.out().lines().any(|line| line.starts_with("redis") && line.contains("FAILED")));
}

#[test]
fn migrate_says_what_it_did_and_that_a_second_run_had_nothing_to_do() {
    let scene = Scene::new();
    let first = scene.run(&["migrate"]);
    assert_eq!(first.code(), 0, "{}", first.err());
    assert!(first.out().contains("applied"), "{}", first.out());
    let second = scene.run(&["migrate"]);
    assert!(second.code() == 0 && second.out().contains("up to date"), "{}", second.out());
    let nowhere = scene.run(&["migrate", "--database-url", "postgres://127.0.0.1:1/x"]);
    assert_eq!((nowhere.code(), nowhere.err().lines().count()), (1, 1), "{}", nowhere.err());
}

#[test]
fn health_asks_the_hub_of_the_configuration_and_fails_where_none_answers() {
    let scene = Scene::new();
    // An address that nothing else uses: elsewhere another's client may be given the port between two starts.
    let free = TcpListener::bind("127.0.0.83:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let listen = address.to_string();
    let environment = [("TERTULIA_LISTEN", &*listen)];
    let ran = scene.run_with(&["health"], &environment);
    assert_eq!((ran.code(), ran.err().lines().count()), (1, 1), "nobody is there: {}", ran.err());

    let certified = rcgen::generate_simple_self_signed(["chat.example.com".to_owned()]).unwrap();
    fs::write(scene.dir().join("cert.pem"), certified.cert.pem()).unwrap();
    fs::write(scene.dir().join("key.pem"), certified.signing_key.serialize_pem()).unwrap();
    for tls in [&[][..], &[("TLS_CERT", "cert.pem"), ("TLS_KEY", "key.pem")]] {
        let environment = [&environment[..], tls].concat();
        let hub = Running::start(&scene, &environment);
        let ran = scene.run_with(&["health"], &environment);
        assert!(ran.code() == 0 && ran.out().contains(r#""status":"ok""#), "{tls:?}: {}{}", ran.out(), ran.err());
        let scheme = if tls.is_empty() { "http" } else { "https" };
        let live = scene.run(&["health", &format!("{scheme}://{address}/health/live")]);
        assert_eq!((live.code(), live.out().trim()), (0, r#"{"status":"ok"}"#), "{}", live.err());
        let wrong = scene.run(&["health", &format!("{scheme}://{address}/health/nothing")]);
        assert!(wrong.code() == 1 && wrong.err().contains("404"), "{}", wrong.err());
        drop(hub);
    }
    assert_eq!(scene.run(&["health", &listen]).code(), 2, "a URL has a scheme");
    assert_eq!(scene.run(&["health", "--listen", "127.0.0.1:0"]).code(), 2, "port 0 is no place to ask at");
}

#[test]
fn no_more_connections_are_let_in_than_there_may_be_files() {
    let scene = Scene::new();
    let free = TcpListener::bind("127.0.0.84:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let listen = address.to_string();
    let environment = [("TERTULIA_LISTEN", &*listen), ("TERTULIA_DEV", "true")];
    // The soft limit is raised to the hard one, which has room for four beside the 256 that are spared.
    let limits = "ulimit -Sn 128 && ulimit -Hn 260";
    let checked = Ran(limited(&scene, limits, &environment).arg("check").output().unwrap());
    let doubt = "260 files may be open, so no more than 4 connections are let in, and limits.max_connections is 100000";
    let is_doubt = |line: &str| line.starts_with("open files") && line.contains("warning") && line.contains(doubt);
    assert!(checked.code() == 0 && checked.out().lines().any(is_doubt), "{}{}", checked.out(), checked.err());

    let hub = Running::of(limited(&scene, limits, &environment));
    let open: Vec<_> = (0..4).map(|_| knock(address)).collect();
    assert!(open.iter().all(|(_, answer)| answer.contains(" 101 ")), "{open:?}");
    let (_, refused) = knock(address);
    assert!(refused.contains(" 429 "), "{refused}");
    let ran = scene.run_with(&["health"], &environment);
    assert_eq!(ran.code(), 0, "it has files left for itself: {}{}", ran.out(), ran.err());
    drop(open);
    drop(hub);
}

/// The program, once a shell has set limits for it.
fn limited(scene: &Scene, limits: &str, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("{limits} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_tertulia")]);
    command.current_dir(scene.dir()).env_clear().envs(environment.iter().copied());
    command
}

/// Asks for a socket, and tells the first line of the answer.
fn knock(address: SocketAddr) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "GET /api/v1/ws/messages?token=dev-admin-key HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer).unwrap();
    (stream, answer)
}

/// A hub that listens, and ends with the value.
struct Running(Child);

impl Running {
    fn start(scene: &Scene, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tertulia"));
        command.current_dir(scene.dir()).env_clear().envs(environment.iter().copied());
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let running = Self(child);
        assert!(said.any(|line| line.unwrap().contains("listening")), "the hub does not start");
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

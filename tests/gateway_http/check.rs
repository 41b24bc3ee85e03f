//! `tertulia check` before a gateway is started: are its hubs there?

use std::process::Command;

use crate::hub::{Hub, SECRET};
use crate::secured::secured;
use crate::upstream::{Upstream, nobody};

/// The exit code, and what was said. `limits` are what a shell sets before.
fn check(limits: &str, args: &[&str]) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let ran = Command::new("/bin/sh")
        .args([
            "-c",
            &format!("{limits} && exec \"$0\" check --listen 127.0.0.1:0 \"$@\""),
            env!("CARGO_BIN_EXE_tertulia"),
        ])
        .args(args)
        .env_clear()
        .env("JWT_SECRET", SECRET)
        .current_dir(dir.path())
        .output()
        .expect("a shell");
    (ran.status.code(), String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned())
}

#[test]
fn a_hub_that_does_not_answer_fails_it() {
    let (one, two, dead) = (Upstream::start(), Upstream::start(), nobody());
    let (code, said) = check("true", &["--upstream", &one.url()]);
    assert!(code == Some(0) && said.contains(&format!("{} is well", one.url())), "{said}");
    let (code, said) = check("true", &["--upstream", &one.url(), "--upstream", &dead]);
    assert!(code == Some(1) && said.contains(&format!("{dead} does not answer")), "{said}");
    two.state.is_unwell.store(true, std::sync::atomic::Ordering::Relaxed);
    let (code, said) = check("true", &["--set", &format!("gateway.upstreams={}", two.url())]);
    assert!(code == Some(1) && said.contains("with the status 503"), "{said}");
}

#[test]
fn it_says_what_can_be_done_about_tls() {
    let (url, _, _dir, ca) = secured();
    let (code, said) = check("true", &["--upstream", &url, "--set", &format!("gateway.upstream_ca={ca}")]);
    assert!(code == Some(0) && said.contains("is well"), "{said}");
    let (code, said) = check("true", &["--upstream", &url]);
    assert!(code == Some(1) && said.contains("gateway.upstream_ca names"), "{said}");
    let (code, said) = check("true", &["--upstream", &url.replace("https", "http")]);
    assert!(code == Some(1) && said.contains("begins with https://"), "{said}");
    let plain = Hub::start(&[]);
    let (code, said) = check("true", &["--upstream", &plain.url("").replace("http", "https")]);
    assert!(code == Some(1) && said.contains("begins with http://"), "{said}");
}

#[test]
fn a_tunnel_takes_two_files_and_a_password_is_not_repeated() {
    let one = Upstream::start();
    let (_, said) = check("ulimit -Sn 128 && ulimit -Hn 276", &["--upstream", &one.url()]);
    assert!(said.contains("no more than 10 connections are let in, each of which takes 2"), "{said}");
    let (code, said) = check("true", &["--upstream", "http://annabel:hunter2@hub"]);
    assert!(
        code == Some(2) && said.contains("…@hub") && !said.contains("hunter2") && !said.contains("annabel"),
        "{said}"
    );
}

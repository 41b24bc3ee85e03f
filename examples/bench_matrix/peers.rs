//! Installs the peers, from `tests/load/peers` into `target/peers`, with what each of them is made with.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Result;
use super::program::said;
use super::servers::{Place, Server};
use super::tables::Named;

/// Installs those of the peers that can be had and says what became of each.
pub fn install(place: &Place, peers: impl Iterator<Item = Server>) {
    for peer in peers {
        eprintln!("{}: installing", peer.name());
        match install_one(place, peer) {
            Ok(()) => eprintln!("{}: installed", peer.name()),
            Err(error) => eprintln!("{}: not installed, and left out: {error}", peer.name()),
        }
    }
}

fn install_one(place: &Place, peer: Server) -> Result<()> {
    let source = place.root.join("tests/load/peers").join(peer.name());
    let home = place.peer(peer);
    fs::create_dir_all(&home)?;
    match peer {
        Server::Bun | Server::SocketIo => {
            for file in ["package.json", "package-lock.json", "server.js"] {
                fs::copy(source.join(file), home.join(file))?;
            }
            run("npm, which comes with Node.js", &home, "npm", &["ci", "--no-audit", "--no-fund"])
        }
        Server::Socketioxide => {
            let target = home.to_string_lossy();
            let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
            run("cargo", &source, &cargo, &["build", "--release", "--locked", "--target-dir", &target])
        }
        _ => {
            let program = home.join("peer");
            run("Go", &source, "go", &["build", "-o", &program.to_string_lossy(), "."])
        }
    }
}

fn run(what: &str, directory: &Path, program: &str, arguments: &[&str]) -> Result<()> {
    let status = Command::new(program).args(arguments).current_dir(directory).status();
    match status {
        Err(error) => Err(format!("{what} is needed: {program}: {error}").into()),
        Ok(status) if !status.success() => Err(format!("{program} {} failed ({status})", arguments.join(" ")).into()),
        Ok(_) => Ok(()),
    }
}

/// What is measured beside the hub, each in the version that is installed.
pub fn version(place: &Place, peer: Server) -> Option<String> {
    let package = |name: &str| {
        let text = fs::read_to_string(place.peer(peer).join("node_modules").join(name).join("package.json")).ok()?;
        let package: serde_json::Value = serde_json::from_str(&text).ok()?;
        Some(package.get("version")?.as_str()?.to_owned())
    };
    let source = place.root.join("tests/load/peers").join(peer.name());
    match peer {
        Server::Bun => Some(format!("Bun {}", package("bun")?)),
        Server::SocketIo => {
            Some(format!("Socket.IO {} on Node.js {}", package("socket.io")?, said("node", "--version")?))
        }
        Server::Socketioxide => {
            let lock = fs::read_to_string(source.join("Cargo.lock")).ok()?;
            let entry = lock.split_once("name = \"socketioxide\"\nversion = \"")?.1;
            Some(format!("socketioxide {}", entry.split('"').next()?))
        }
        Server::Centrifuge => {
            let module = fs::read_to_string(source.join("go.mod")).ok()?;
            let version = module.split_once("centrifugal/centrifuge ")?.1.split_whitespace().next()?;
            Some(format!("centrifuge {version}, {}", said("go", "version")?.split_whitespace().nth(2)?))
        }
        _ => None,
    }
}

//! Some hubs on one database, and the gateway before them.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tertulia::domain::{OrgId, Role};
use uuid::Uuid;

use crate::hub::gateway::Gateway;
use crate::hub::{Hub, Person, fresh_id};
use crate::postgres::Postgres;

const NAMES: [&str; 6] = ["Ada", "Bo", "Cy", "Dee", "Eva", "Fay"];

/// The gateway ends first, then the hubs, then their database.
pub struct House {
    pub gateway: Gateway,
    pub hubs: Vec<Hub>,
    _postgres: Arc<Postgres>,
}

/// As hubs are set up behind a gateway, and without limits that tests run into.
pub const USUAL: [&str; 6] = [
    "--trusted-proxy",
    "127.0.0.1",
    "--set",
    "limits.events_per_connection=0",
    "--set",
    "limits.max_connections_per_user=0",
];

impl House {
    pub fn of_three() -> Self {
        let postgres = Postgres::shared();
        let database = postgres.database();
        let settings = [&USUAL[..], &["--database-url", &database]].concat();
        let hubs: Vec<_> = (0..3).map(|_| Hub::start(&settings)).collect();
        let gateway = Gateway::start(&hubs.iter().map(|hub| hub.address).collect::<Vec<_>>(), &[]);
        Self { gateway, hubs, _postgres: postgres }
    }

    pub fn address(&self) -> SocketAddr {
        self.gateway.address
    }

    /// How many connections each hub has.
    pub fn connections(&self) -> Vec<u64> {
        self.gateway.upstreams().iter().map(|it| it["connections"].as_u64().expect("a number")).collect()
    }

    /// Which hubs are well.
    pub fn healthy(&self) -> Vec<bool> {
        self.gateway.upstreams().iter().map(|it| it["healthy"].as_bool().expect("yes or no")).collect()
    }

    /// A room's messages as the store has them, over HTTP through the gateway: all pages, in order.
    pub fn history(&self, person: &Person, room: Uuid) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(person, &format!("/api/v1/chat/rooms/{room}/messages?after=0&limit=100{cursor}"));
            items.extend(page["items"].as_array().expect("items").iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        items.sort_by_key(|item| item["seq"].as_u64());
        items
    }

    /// The answer, which is a good one.
    #[track_caller]
    pub fn get(&self, person: &Person, path: &str) -> Value {
        let request = ureq::get(format!("http://{}{path}", self.address()));
        let mut answer = request.header("authorization", format!("Bearer {}", person.token())).call().expect("200");
        answer.body_mut().read_json().expect("JSON")
    }
}

/// People of one organization.
pub fn people(count: usize) -> Vec<Person> {
    let organization = OrgId(fresh_id());
    NAMES.into_iter().cycle().take(count).map(|name| Person::new(organization, Role::Agent, name)).collect()
}

//! How many sockets an address and a user may have through the gateway.

use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;

use crate::api::one_host;
use crate::domain::{Identity, OrgId, UserId};

type Person = (Option<OrgId>, UserId);

/// Counts the sockets that were let in and have not ended.
#[derive(Debug)]
pub struct Gatehouse {
    max_total: Option<NonZeroUsize>,
    max_per_ip: Option<NonZeroUsize>,
    max_per_user: Option<NonZeroUsize>,
    inside: Mutex<Inside>,
}

#[derive(Default, Debug)]
struct Inside {
    total: usize,
    addresses: FxHashMap<IpAddr, usize>,
    people: FxHashMap<Person, usize>,
}

/// Who has too many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Full {
    Gateway,
    Address,
    User,
}

impl Full {
    pub const fn message(self) -> &'static str {
        match self {
            Self::Gateway => "Too many connections",
            Self::Address => "Too many connections from your address",
            Self::User => "You have too many connections: close one of them",
        }
    }
}

/// A place. Whoever drops it gives it back.
#[derive(Debug)]
pub struct Pass {
    house: Arc<Gatehouse>,
    address: IpAddr,
    person: Option<Person>,
}

impl Gatehouse {
    pub fn new(
        max_total: Option<NonZeroUsize>,
        max_per_ip: Option<NonZeroUsize>,
        max_per_user: Option<NonZeroUsize>,
    ) -> Arc<Self> {
        Arc::new(Self { max_total, max_per_ip, max_per_user, inside: Mutex::default() })
    }

    /// Lets a socket in. `identity`: who that is, if the gateway can tell; the bearer of a key it does not know.
    pub fn admit(self: &Arc<Self>, address: IpAddr, identity: Option<&Identity>) -> Result<Pass, Full> {
        let address = one_host(address);
        let person = identity.map(|it| (it.organization, it.user));
        let is_full = |count: Option<&usize>, most: Option<NonZeroUsize>| {
            most.is_some_and(|most| count.copied().unwrap_or(0) >= most.get())
        };
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if is_full(Some(&inside.total), self.max_total) {
            return Err(Full::Gateway);
        }
        if is_full(inside.addresses.get(&address), self.max_per_ip) {
            return Err(Full::Address);
        }
        if person.is_some_and(|person| is_full(inside.people.get(&person), self.max_per_user)) {
            return Err(Full::User);
        }
        inside.total += 1;
        if self.max_per_ip.is_some() {
            *inside.addresses.entry(address).or_insert(0) += 1;
        }
        let person = person.filter(|_| self.max_per_user.is_some());
        if let Some(person) = person {
            *inside.people.entry(person).or_insert(0) += 1;
        }
        drop(inside);
        Ok(Pass { house: self.clone(), address, person })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut inside = self.house.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.total -= 1;
        if self.house.max_per_ip.is_some() {
            less(&mut inside.addresses, self.address);
        }
        if let Some(person) = self.person {
            less(&mut inside.people, person);
        }
    }
}

fn less<K: Eq + Hash>(counts: &mut FxHashMap<K, usize>, key: K) {
    if let Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::dev;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn addresses_and_users_are_counted_apart_and_places_given_back() {
        let house = Gatehouse::new(NonZeroUsize::new(3), NonZeroUsize::new(2), NonZeroUsize::new(1));
        let person = dev::identity();
        let first = house.admit(A, Some(&person)).expect("a place");
        assert_eq!(house.admit(B, Some(&person)).unwrap_err(), Full::User);
        let second = house.admit(A, None).expect("a place");
        assert_eq!(house.admit(A, None).unwrap_err(), Full::Address);
        let third = house.admit(B, None).expect("a place");
        assert_eq!(house.admit(B, None).unwrap_err(), Full::Gateway);
        drop(first);
        drop(house.admit(B, Some(&person)).expect("a place"));
        drop((second, third));
        let inside = house.inside.lock().unwrap();
        assert!(inside.total == 0 && inside.addresses.is_empty() && inside.people.is_empty(), "nobody is kept");
    }
}

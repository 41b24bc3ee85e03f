//! How many sockets an address and a user may have through the gateway.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use crate::api::one_host;
use crate::domain::{Identity, OrgId, Places, UserId};

type Person = (Option<OrgId>, UserId);

/// Counts the sockets that were let in and have not ended.
#[derive(Debug)]
pub struct Gatehouse {
    max_total: Option<NonZeroUsize>,
    inside: Mutex<Inside>,
}

#[derive(Debug)]
struct Inside {
    total: usize,
    addresses: Places<IpAddr>,
    people: Places<Person>,
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
        let inside = Inside { total: 0, addresses: Places::new(max_per_ip), people: Places::new(max_per_user) };
        Arc::new(Self { max_total, inside: Mutex::new(inside) })
    }

    /// Lets a socket in. `identity`: who that is, if the gateway can tell; the bearer of a key it does not know.
    pub fn admit(self: &Arc<Self>, address: IpAddr, identity: Option<&Identity>) -> Result<Pass, Full> {
        let address = one_host(address);
        let person = identity.map(|it| (it.organization, it.user));
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if self.max_total.is_some_and(|most| inside.total >= most.get()) {
            return Err(Full::Gateway);
        }
        if !inside.addresses.has_room(&address) {
            return Err(Full::Address);
        }
        if person.is_some_and(|person| !inside.people.has_room(&person)) {
            return Err(Full::User);
        }
        inside.total += 1;
        inside.addresses.take(address);
        if let Some(person) = person {
            inside.people.take(person);
        }
        drop(inside);
        Ok(Pass { house: self.clone(), address, person })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut inside = self.house.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.total -= 1;
        inside.addresses.give_back(self.address);
        if let Some(person) = self.person {
            inside.people.give_back(person);
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

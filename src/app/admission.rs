//! How many connections there may be: in all, and from one address.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;

use crate::api::one_host;

/// Counts the connections that were let in and have not ended.
#[derive(Debug)]
pub(super) struct Admission {
    max_total: Option<NonZeroUsize>,
    max_per_ip: Option<NonZeroUsize>,
    total: AtomicUsize,
    per_ip: Mutex<FxHashMap<IpAddr, usize>>,
}

/// A connection's place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    admission: Arc<Admission>,
    ip: Option<IpAddr>,
}

impl Admission {
    pub(super) fn new(max_total: Option<NonZeroUsize>, max_per_ip: Option<NonZeroUsize>) -> Arc<Self> {
        Arc::new(Self { max_total, max_per_ip, total: AtomicUsize::new(0), per_ip: Mutex::default() })
    }

    /// A place for a connection from `ip`, or `None`: there are too many.
    pub(super) fn admit(self: &Arc<Self>, ip: IpAddr) -> Option<Place> {
        let total = self.total.fetch_add(1, Ordering::Relaxed);
        // From here on the place gives back what it has taken, also when it is not handed out.
        let mut place = Place { admission: self.clone(), ip: None };
        if self.max_total.is_some_and(|max| total >= max.get()) {
            return None;
        }
        if let Some(max) = self.max_per_ip {
            let ip = one_host(ip);
            let mut per_ip = self.per_ip.lock().unwrap_or_else(PoisonError::into_inner);
            let count = per_ip.entry(ip).or_insert(0);
            if *count >= max.get() {
                return None;
            }
            *count += 1;
            place.ip = Some(ip);
        }
        Some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.total.fetch_sub(1, Ordering::Relaxed);
        let Some(ip) = self.ip else { return };
        let mut per_ip = self.admission.per_ip.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = per_ip.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                per_ip.remove(&ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn places_are_counted_in_all_and_given_back() {
        let admission = Admission::new(NonZeroUsize::new(2), None);
        let first = admission.admit(A).unwrap();
        let _second = admission.admit(B).unwrap();
        assert!(admission.admit(B).is_none());
        drop(first);
        assert!(admission.admit(B).is_some());
    }

    #[test]
    fn one_address_does_not_take_the_places_of_others() {
        let admission = Admission::new(NonZeroUsize::new(3), NonZeroUsize::new(1));
        let first = admission.admit(A).unwrap();
        assert!(admission.admit(A).is_none());
        assert!(admission.admit(B).is_some());
        drop(first);
        assert!(admission.admit(A).is_some());
        assert!(admission.per_ip.lock().unwrap().is_empty(), "no address is kept without a connection");
    }

    #[test]
    fn an_ipv6_network_counts_as_one() {
        let admission = Admission::new(None, NonZeroUsize::new(1));
        let _first = admission.admit("2001:db8::1".parse().unwrap()).unwrap();
        assert!(admission.admit("2001:db8::2".parse().unwrap()).is_none());
        assert!(admission.admit("2001:db8:0:1::1".parse().unwrap()).is_some());
    }
}

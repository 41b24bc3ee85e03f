//! How many connections there may be: in all, and from one address.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::api::one_host;
use crate::domain::Places;
use crate::session::member::{Lobby, Provenance};

/// Counts the connections that were let in and have not ended.
#[derive(Debug)]
pub(super) struct Admission {
    max_total: Option<NonZeroUsize>,
    total: AtomicUsize,
    per_ip: Option<Mutex<Places<IpAddr>>>,
}

impl Admission {
    pub(super) fn new(max_total: Option<NonZeroUsize>, max_per_ip: Option<NonZeroUsize>) -> Arc<Self> {
        let per_ip = max_per_ip.map(|most| Mutex::new(Places::new(Some(most))));
        Arc::new(Self { max_total, total: AtomicUsize::new(0), per_ip })
    }

    /// Lets a connection from `ip` in. `None`: there are too many.
    pub(super) fn let_in(self: &Arc<Self>, ip: IpAddr, origin: Option<Box<str>>) -> Option<Rc<Provenance>> {
        self.admit(ip).then(|| Rc::new(Provenance::new(ip, origin, self.clone())))
    }

    /// Lets a connection from `ip` in, until [`Lobby::left`], or not.
    fn admit(&self, ip: IpAddr) -> bool {
        let total = self.total.fetch_add(1, Ordering::Relaxed);
        let admitted = self.max_total.is_none_or(|max| total < max.get()) && self.admit_from(ip);
        if !admitted {
            self.total.fetch_sub(1, Ordering::Relaxed);
        }
        admitted
    }

    fn admit_from(&self, ip: IpAddr) -> bool {
        let Some(per_ip) = &self.per_ip else { return true };
        let mut per_ip = per_ip.lock().unwrap_or_else(PoisonError::into_inner);
        let host = one_host(ip);
        let admitted = per_ip.has_room(&host);
        if admitted {
            per_ip.take(host);
        }
        admitted
    }
}

impl Lobby for Admission {
    fn left(&self, ip: IpAddr) {
        self.total.fetch_sub(1, Ordering::Relaxed);
        if let Some(per_ip) = &self.per_ip {
            per_ip.lock().unwrap_or_else(PoisonError::into_inner).give_back(one_host(ip));
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
        assert!(admission.admit(A) && admission.admit(B));
        assert!(!admission.admit(B));
        admission.left(A);
        assert!(admission.admit(B));
    }

    #[test]
    fn one_address_does_not_take_the_places_of_others() {
        let admission = Admission::new(NonZeroUsize::new(3), NonZeroUsize::new(1));
        assert!(admission.admit(A));
        assert!(!admission.admit(A));
        assert!(admission.admit(B));
        admission.left(A);
        assert!(admission.admit(A));
        admission.left(A);
        admission.left(B);
        let per_ip = admission.per_ip.as_ref().expect("a limit");
        assert!(per_ip.lock().unwrap().is_empty(), "no address is kept without a connection");
    }

    #[test]
    fn an_ipv6_network_counts_as_one() {
        let admission = Admission::new(None, NonZeroUsize::new(1));
        assert!(admission.admit("2001:db8::1".parse().unwrap()));
        assert!(!admission.admit("2001:db8::2".parse().unwrap()));
        assert!(admission.admit("2001:db8:0:1::1".parse().unwrap()));
    }
}

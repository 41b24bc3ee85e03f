//! Which of several upstreams a new connection goes to.

use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::Arc;

use super::upstream::Upstream;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Balance {
    /// The one with the fewest connections; among several of them, each in turn.
    LeastConnections,
    RoundRobin,
    /// The same for the same client, as long as it can be used.
    Hash,
}

impl Balance {
    /// `turn` counts up. `None`: there is none to choose from.
    pub(super) fn choose<'a>(
        self,
        usable: &[&'a Arc<Upstream>],
        client: u64,
        turn: impl FnOnce() -> usize,
    ) -> Option<&'a Arc<Upstream>> {
        match self {
            Self::LeastConnections => {
                let counted: Vec<_> = usable.iter().map(|it| it.connections()).collect();
                let fewest = *counted.iter().min()?;
                let tied: Vec<_> =
                    usable.iter().zip(counted).filter(|(_, count)| *count == fewest).map(|(it, _)| *it).collect();
                in_turn(&tied, turn())
            }
            Self::RoundRobin => in_turn(usable, turn()),
            Self::Hash => by_hash(usable, client),
        }
    }
}

fn in_turn<'a>(usable: &[&'a Arc<Upstream>], turn: usize) -> Option<&'a Arc<Upstream>> {
    usable.get(turn.checked_rem(usable.len())?).copied()
}

/// The upstream that draws the highest number for this key (rendezvous hashing): one more or one less moves only the keys
/// of that one.
pub(super) fn by_hash<'a>(usable: &[&'a Arc<Upstream>], key: u64) -> Option<&'a Arc<Upstream>> {
    usable.iter().copied().max_by_key(|it| mixed(it.seed() ^ key))
}

/// The same in every run of every gateway.
pub(super) fn key(of: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// The finalizer of SplitMix64: every bit of the number counts for every bit of the result.
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Instant;

    use super::super::upstream::Target;
    use super::*;

    fn upstreams(count: u16) -> Vec<Arc<Upstream>> {
        (1..=count).map(|port| Arc::new(Upstream::new(Target { host: "hub".into(), port, is_tls: false }))).collect()
    }

    #[test]
    fn the_one_with_the_fewest_connections_is_next_and_equals_take_turns() {
        let all = upstreams(3);
        let usable: Vec<_> = all.iter().collect();
        let port = |turn| Balance::LeastConnections.choose(&usable, 0, || turn).expect("one").target().port;
        assert_eq!([0, 1, 2, 3].map(port), [1, 2, 3, 1]);
        let _ = (all[0].enter(Instant::now()), all[2].enter(Instant::now()));
        assert_eq!([0, 1, 2].map(port), [2, 2, 2]);
    }

    #[test]
    fn each_comes_in_turn() {
        let all = upstreams(2);
        let usable: Vec<_> = all.iter().collect();
        let _ = all[0].enter(Instant::now());
        let port = |turn| Balance::RoundRobin.choose(&usable, 0, || turn).expect("one").target().port;
        assert_eq!([0, 1, 2].map(port), [1, 2, 1]);
        assert!(Balance::RoundRobin.choose(&[], 0, || 7).is_none());
    }

    #[test]
    fn one_upstream_less_moves_only_those_that_it_had() {
        let all = upstreams(4);
        let before: Vec<_> = all.iter().collect();
        let after: Vec<_> = all.iter().skip(1).collect();
        let mut counts = HashMap::new();
        for client in 0..10_000_u32 {
            let client = key(&client);
            let old = by_hash(&before, client).expect("one").target().port;
            let new = by_hash(&after, client).expect("one").target().port;
            *counts.entry(old).or_insert(0) += 1;
            assert!(old == new || old == 1, "{client} moved from {old} to {new}");
        }
        assert!(counts.values().all(|count| (2_000..3_000).contains(count)), "{counts:?}");
    }
}

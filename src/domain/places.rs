//! How many of each there are at once, where there may be only so many: connections of an address, sockets of a user.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::num::NonZeroUsize;

/// At most so many places for each. Without a limit nothing is counted.
#[derive(Debug)]
pub struct Places<K> {
    most: Option<NonZeroUsize>,
    taken: HashMap<K, usize>,
}

impl<K: Eq + Hash> Places<K> {
    pub fn new(most: Option<NonZeroUsize>) -> Self {
        Self { most, taken: HashMap::new() }
    }

    /// Whether there is a place left.
    pub fn has_room(&self, of: &K) -> bool {
        self.most.is_none_or(|most| self.taken.get(of).copied().unwrap_or(0) < most.get())
    }

    /// Takes a place, whether or not there is one left.
    pub fn take(&mut self, of: K) {
        if self.most.is_some() {
            *self.taken.entry(of).or_insert(0) += 1;
        }
    }

    /// Gives a place back that was taken.
    pub fn give_back(&mut self, of: K) {
        if let Entry::Occupied(mut count) = self.taken.entry(of) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Whether nobody has a place, as far as they are counted.
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_so_many_places_and_nobody_is_kept_without_one() {
        let mut places = Places::new(NonZeroUsize::new(2));
        places.take("a");
        assert!(places.has_room(&"a") && places.has_room(&"b"));
        places.take("a");
        assert!(!places.has_room(&"a") && places.has_room(&"b"));
        places.give_back("a");
        assert!(places.has_room(&"a") && !places.is_empty());
        places.give_back("a");
        assert!(places.is_empty());
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let mut places = Places::new(None);
        places.take("a");
        assert!(places.has_room(&"a") && places.is_empty());
        places.give_back("a");
    }
}

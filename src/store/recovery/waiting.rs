//! What waits to be written about connections: of each only the last word.
//!
//! A change stays in here until it is written, so that it can be found meanwhile, and need not be put back.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::Kept;
use crate::domain::{Recoverable, RecoveryId, Timestamp};

/// How much waits at most, some 150 MB of it: as much as there is when a large hub ends. Of a connection beyond that only
/// the name waits, to be forgotten: what the table says of it is out of date.
const BOUNDS: Bounds = Bounds { connections: 262_144, rooms: 1_048_576, forgotten: 262_144 };
/// So many rooms take as long to write as a connection does.
const ROOMS_PER_CONNECTION: usize = 16;

struct Bounds {
    connections: usize,
    /// Those that the connections are in, together.
    rooms: usize,
    forgotten: usize,
}

/// What shall become of what is kept of a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Wish {
    Keep(Kept),
    /// Decided `at` this time, of a connection that had been taken up so often.
    Forget {
        taken_up: u64,
        at: Timestamp,
    },
}

impl Wish {
    pub(crate) fn taken_up(&self) -> u64 {
        match self {
            Self::Keep(kept) => kept.connection.taken_up,
            Self::Forget { taken_up, .. } => *taken_up,
        }
    }

    /// That it is not kept after all.
    fn given_up(&self) -> Self {
        match self {
            Self::Keep(kept) => Self::Forget { taken_up: kept.connection.taken_up, at: kept.connection.kept_at },
            Self::Forget { .. } => self.clone(),
        }
    }

    fn rooms(&self) -> usize {
        match self {
            Self::Keep(kept) => kept.connection.rooms.len(),
            Self::Forget { .. } => 0,
        }
    }
}

/// A change on its way into the table.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) id: RecoveryId,
    pub(crate) wish: Wish,
    place: u64,
}

/// What is known of a connection before anyone looks into the table.
pub(crate) struct Sight {
    pub(crate) wish: Option<Wish>,
    pub(crate) floor: Timestamp,
}

struct Entry {
    wish: Wish,
    /// Where it stands in the line. `None`: it is being written.
    place: Option<u64>,
    /// Those who want to know when the table says this, or something newer; `false`: when what it says comes from elsewhere.
    waiters: Vec<oneshot::Sender<bool>>,
}

pub(crate) struct Waiting {
    bounds: Bounds,
    entries: HashMap<RecoveryId, Entry>,
    /// Those that stand in line, by their places: connections to be kept, and those to be forgotten.
    kept: BTreeMap<u64, RecoveryId>,
    forgotten: BTreeMap<u64, RecoveryId>,
    next_place: u64,
    /// In how many rooms those are that stand in line to be kept.
    rooms: usize,
    /// Even a name had to be dropped at this time: the floor rises to it.
    spilled: Option<Timestamp>,
}

impl Default for Waiting {
    fn default() -> Self {
        Self::new(BOUNDS)
    }
}

impl Waiting {
    fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            entries: HashMap::new(),
            kept: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            next_place: 0,
            rooms: 0,
            spilled: None,
        }
    }

    /// Whether nothing stands in line.
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.forgotten.is_empty() && self.spilled.is_none()
    }

    /// Takes in what is to be kept, unless something newer waits. Returns how many others had to go.
    pub(crate) fn keep(&mut self, connection: Arc<Recoverable>) -> usize {
        let (mut first_kept_at, mut taken_from) = (connection.kept_at, connection.taken_from);
        match self.entries.get(&connection.id).map(|entry| &entry.wish) {
            Some(Wish::Keep(before)) => {
                let order = |it: &Recoverable| (it.taken_up, it.kept_at);
                if order(&before.connection) > order(&connection) {
                    return 0;
                }
                (first_kept_at, taken_from) = (before.first_kept_at, before.taken_from);
            }
            Some(Wish::Forget { taken_up, .. }) if *taken_up > connection.taken_up => return 0,
            Some(Wish::Forget { .. }) | None => {}
        }
        let (id, kept_at) = (connection.id, connection.kept_at);
        self.put(id, Wish::Keep(Kept { connection, first_kept_at, taken_from }));
        self.shrink(kept_at)
    }

    /// What waits of it is dropped, and so is what the table says, unless it was taken up since.
    pub(crate) fn forget(&mut self, id: RecoveryId, taken_up: u64, now: Timestamp) {
        if self.entries.get(&id).is_none_or(|entry| entry.wish.taken_up() <= taken_up) {
            self.put(id, Wish::Forget { taken_up, at: now });
            self.shrink(now);
        }
    }

    /// Tells `waiter` when the table says of a connection what waits now, or something newer.
    pub(crate) fn when_written(&mut self, id: RecoveryId, waiter: oneshot::Sender<bool>) {
        match self.entries.get_mut(&id) {
            Some(entry) => {
                // Those who have given up make room: while nothing can be written, more and more ask.
                entry.waiters.retain(|it| !it.is_closed());
                entry.waiters.push(waiter);
            }
            // Whoever wanted to know may have gone.
            None => drop(waiter.send(true)),
        }
    }

    pub(crate) fn sight(&self, id: RecoveryId) -> Sight {
        let wish = self.entries.get(&id).map(|entry| entry.wish.clone());
        Sight { wish, floor: self.spilled.unwrap_or_default() }
    }

    /// At most about `limit` of those that have waited longest, fewer where they are in many rooms; in the order of their
    /// ids, so that two hubs on one database do not take the same rows in opposite orders.
    pub(crate) fn take(&mut self, limit: usize) -> Vec<Step> {
        let mut steps = Vec::with_capacity(limit.min(self.kept.len() + self.forgotten.len()));
        let mut rooms = 0;
        while steps.len() + rooms / ROOMS_PER_CONNECTION < limit {
            let line = match (self.kept.first_key_value(), self.forgotten.first_key_value()) {
                (Some((kept, _)), Some((forgotten, _))) if forgotten < kept => &mut self.forgotten,
                (Some(_), _) => &mut self.kept,
                (None, _) => &mut self.forgotten,
            };
            let Some((place, id)) = line.pop_first() else { break };
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.place = None;
                self.rooms -= entry.wish.rooms();
                rooms += entry.wish.rooms();
                steps.push(Step { id, wish: entry.wish.clone(), place });
            }
        }
        steps.sort_unstable_by_key(|step| step.id);
        steps
    }

    /// The time to which the floor must rise, if it must.
    pub(crate) fn spilled(&self) -> Option<Timestamp> {
        self.spilled
    }

    /// They stand in the table, but for those that are `outdone` by what another hub has written.
    pub(crate) fn written(&mut self, steps: &[Step], outdone: &[RecoveryId], spilled: Option<Timestamp>) {
        for step in steps {
            if self.is_taken(step.id)
                && let Some(entry) = self.entries.remove(&step.id)
            {
                for waiter in entry.waiters {
                    let _ = waiter.send(!outdone.contains(&step.id));
                }
            }
        }
        if self.spilled == spilled {
            self.spilled = None;
        }
        if self.entries.is_empty() {
            // What a rush of them took is given back.
            self.entries = HashMap::new();
        }
    }

    /// They could not be written now: those of which there is nothing newer wait on, in their places.
    pub(crate) fn put_back(&mut self, steps: &[Step]) {
        for step in steps {
            if self.is_taken(step.id) {
                self.line_up(step.id, step.place);
            }
        }
    }

    /// They cannot be written. The table shall say nothing of them, rather than something out of date.
    pub(crate) fn give_up(&mut self, steps: &[Step]) {
        for step in steps {
            if self.is_taken(step.id) {
                match step.wish {
                    Wish::Keep(_) => self.put(step.id, step.wish.given_up()),
                    Wish::Forget { .. } => drop(self.entries.remove(&step.id)),
                }
            }
        }
    }

    /// Gives up all that is being written.
    pub(crate) fn abandon(&mut self) {
        let taken = self.entries.iter().filter(|(_, entry)| entry.place.is_none());
        let steps: Vec<Step> = taken.map(|(id, entry)| Step { id: *id, wish: entry.wish.clone(), place: 0 }).collect();
        self.give_up(&steps);
    }

    /// Whether it is being written, and nothing newer waits.
    fn is_taken(&self, id: RecoveryId) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.place.is_none())
    }

    /// Puts a wish in the place of the one that was there, or else at the end of the line.
    fn put(&mut self, id: RecoveryId, wish: Wish) {
        let place = self.entries.get(&id).and_then(|before| before.place).unwrap_or_else(|| {
            self.next_place += 1;
            self.next_place
        });
        if self.kept.remove(&place).is_some() {
            self.rooms -= self.entries.get(&id).map_or(0, |before| before.wish.rooms());
        }
        self.forgotten.remove(&place);
        let waiters = self.entries.remove(&id).map(|before| before.waiters).unwrap_or_default();
        self.entries.insert(id, Entry { wish, place: None, waiters });
        self.line_up(id, place);
    }

    /// Gives one that is in no line a place.
    fn line_up(&mut self, id: RecoveryId, place: u64) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.place = Some(place);
        self.rooms += entry.wish.rooms();
        let line = match entry.wish {
            Wish::Keep(_) => &mut self.kept,
            Wish::Forget { .. } => &mut self.forgotten,
        };
        line.insert(place, id);
    }

    /// Drops what is too much, the oldest first. Returns how many connections are not kept because of it.
    fn shrink(&mut self, now: Timestamp) -> usize {
        let mut dropped = 0;
        while (self.kept.len() > self.bounds.connections || self.rooms > self.bounds.rooms)
            && let Some((_, id)) = self.kept.first_key_value()
            && let Some(wish) = self.entries.get(id).map(|entry| entry.wish.given_up())
        {
            self.put(*id, wish);
            dropped += 1;
        }
        while self.forgotten.len() > self.bounds.forgotten
            && let Some((_, id)) = self.forgotten.pop_first()
        {
            self.entries.remove(&id);
            self.spilled = self.spilled.max(Some(now));
        }
        dropped
    }
}

#[cfg(test)]
#[path = "waiting_tests.rs"]
mod tests;

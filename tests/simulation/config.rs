//! What kind of run a seed makes. Every seed leaves something out and overdoes something else: that finds more than
//! doing a little of everything each time.

use tertulia::domain::RoomId;
use tertulia::hub::handle::Rules;

use super::people::{PEOPLE, Person, ROOM_IDS};
use super::rng::Rng;

/// What may happen next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// A client connects, asks something or goes away.
    Client,
    /// A client reads what has come.
    Read,
    /// The hub takes one input.
    Input,
    /// The hub hands its workers what it has for them.
    EndTurn,
    /// A worker takes what it was handed.
    Take,
    /// A worker does a slice of its work.
    Step,
    /// A worker's timers for paused sessions and failed pages.
    Retry,
    /// The store looks something up.
    Look,
    /// What was looked up arrives.
    Reply,
    /// The writer takes a batch.
    Commit,
    /// The database goes away, or comes back.
    Outage,
    /// Time passes.
    Time,
    /// The hub dies and is started again.
    Crash,
    /// A client sends more than is kept for those who catch up.
    Flood,
}

/// What a client may ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wants {
    Join,
    Leave,
    Send,
    Typing,
    Mark,
    Presence,
    /// To edit or delete a message, or to react to one.
    Change,
    /// To change the room, or who is what in it.
    Rights,
    /// A connection with another role.
    Renewal,
    /// Several things at once.
    Much,
    /// To go away, on purpose or not.
    Away,
}

/// Things that may happen, each as likely as its weight.
pub struct Odds<T>(Vec<(T, usize)>);

impl<T: Copy> Odds<T> {
    pub fn pick(&self, rng: &mut Rng) -> T {
        let mut at = rng.below(self.0.iter().map(|(_, weight)| weight).sum());
        for (it, weight) in &self.0 {
            if at < *weight {
                return *it;
            }
            at -= weight;
        }
        unreachable!("`at` is below the sum of the weights")
    }
}

pub struct Config {
    pub rules: Rules,
    /// Who takes part.
    pub people: Vec<Person>,
    /// The rooms that clients ask for.
    pub rooms: Vec<RoomId>,
    pub workers: usize,
    pub devices: usize,
    pub steps: usize,
    /// The most messages of a page.
    pub page: usize,
    /// The most writes in front of the writer.
    pub writes: usize,
    /// The most frames that a connection's queue holds.
    pub frames: usize,
    /// One batch in so many fails; 0: none does.
    pub failing: usize,
    /// Everyone is in one room from the start: more on each worker than it writes to in one go.
    pub is_crowded: bool,
    pub acts: Odds<Act>,
    pub wants: Odds<Wants>,
}

impl Config {
    pub fn new(rng: &mut Rng) -> Self {
        let is_crowded = rng.one_in(250);
        // A few who may do everything meet in a room or two: that finds what goes wrong between them. The others find
        // what goes wrong at the doors.
        let is_narrow = is_crowded || !rng.one_in(3);
        let failing = rng.pick(&[0, 3, 8]);
        let is_flooded = !is_crowded && rng.one_in(16);
        let rules = Rules {
            auto_create: rng.one_in(2),
            max_rooms_per_connection: rng.pick(if is_narrow { &[0] } else { &[0, 2, 3] }),
            max_connections_per_user: rng.pick(if is_narrow { &[0] } else { &[0, 0, 1, 2] }),
            shared_store: false,
        };
        let acts = vec![
            (Act::Client, rng.pick(&[10, 20, 40])),
            (Act::Read, rng.pick(&[5, 20, 40])),
            (Act::Input, rng.pick(&[10, 20, 40])),
            (Act::EndTurn, rng.pick(&[5, 20])),
            (Act::Take, rng.pick(&[2, 20, 40])),
            (Act::Step, rng.pick(&[10, 40])),
            (Act::Retry, rng.pick(&[1, 10])),
            (Act::Look, rng.pick(&[5, 20])),
            (Act::Reply, rng.pick(&[1, 3, 10, 20])),
            (Act::Commit, rng.pick(&[5, 20])),
            (Act::Outage, if failing > 0 { rng.pick(&[0, 1, 3]) } else { 0 }),
            (Act::Time, rng.pick(&[1, 5, 10])),
            (Act::Crash, usize::from(rng.one_in(3))),
            (Act::Flood, usize::from(is_flooded)),
        ];
        let wants = vec![
            (Wants::Join, rng.pick(&[2, 6, 12])),
            (Wants::Leave, rng.pick(&[0, 1, 3, 8])),
            (Wants::Send, rng.pick(&[4, 8, 16])),
            (Wants::Typing, rng.pick(&[0, 2])),
            (Wants::Mark, rng.pick(&[0, 2, 6])),
            (Wants::Presence, rng.pick(&[0, 2])),
            (Wants::Change, rng.pick(&[0, 4, 12])),
            (Wants::Rights, rng.pick(&[0, 0, 1, 3])),
            (Wants::Renewal, rng.pick(&[0, 1])),
            (Wants::Much, rng.pick(&[0, 1])),
            (Wants::Away, rng.pick(&[0, 1, 3])),
        ];
        Self {
            rules,
            people: PEOPLE[..if is_narrow { 3 } else { PEOPLE.len() }].to_vec(),
            rooms: ROOM_IDS[..if is_narrow { rng.between(1, 2) } else { ROOM_IDS.len() }].to_vec(),
            workers: if is_crowded { 2 } else { rng.between(1, 3) },
            devices: if is_crowded { 1_200 } else { rng.pick(&[2, 3, 3, 5, 9]) },
            steps: if is_crowded || is_flooded { 1_500 } else { rng.pick(&[100, 400, 400, 1_500]) },
            page: rng.pick(&[1, 2, 3, 5, 100]),
            writes: rng.pick(&[2, 8, 1_000]),
            frames: rng.pick(&[8, 32, 1_024]),
            failing,
            is_crowded,
            acts: Odds(acts),
            wants: Odds(wants),
        }
    }
}

//! How far those in a room were told of changes of its older messages, and from where they are to be told again.

/// Changes are numbered by `pos`. Their outcomes come in the order of commits, but one that was stored although its
/// write failed has none.
#[derive(Debug, Default)]
pub struct Changes {
    /// What was in the store when the room was loaded: whoever reads the past, reads it changed.
    loaded: u64,
    /// The newest change that was heard of.
    heard: u64,
    /// Up to here every change was heard of. Stands still while in doubt.
    sure: u64,
    /// A change may have been stored unheard; the comparison with this number, or a later one, will show it.
    doubt: Option<u64>,
}

impl Changes {
    /// The room was read when the organization's newest change was `pos`.
    pub fn load(&mut self, pos: u64) {
        self.heard = self.heard.max(pos);
        (self.loaded, self.sure) = (self.heard, self.heard);
    }

    /// Whoever has seen everything up to here has seen all changes that were heard of.
    pub fn heard(&self) -> u64 {
        self.heard
    }

    /// A change was stored. Returns whether those in the room have yet to hear of it.
    pub fn hear(&mut self, pos: u64) -> bool {
        self.heard = self.heard.max(pos);
        if self.doubt.is_none() {
            self.sure = self.heard;
        }
        pos > self.loaded
    }

    /// A change failed, and may be stored all the same. `next`: the comparison that will be asked for next.
    pub fn fail(&mut self, next: u64) {
        self.doubt = Some(next);
    }

    /// What a comparison has found to be the newest change. `Some`: those in the room are to be told from here.
    pub fn compare(&mut self, newest: Option<u64>, comparison: u64) -> Option<u64> {
        let from = self.sure;
        if self.doubt.is_some_and(|doubt| doubt <= comparison) {
            // What lies between is told now. What was heard of since is told in its turn.
            (self.doubt, self.sure) = (None, self.heard);
        }
        newest.is_some_and(|newest| newest > from).then_some(from)
    }

    /// As [`Changes::compare`], for a room that nobody is in yet.
    pub fn compare_unloaded(&mut self, newest: Option<u64>) {
        self.heard = self.heard.max(newest.unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_when_the_room_was_loaded_is_no_news() {
        let mut changes = Changes::default();
        changes.load(10);
        assert!(!changes.hear(10) && changes.hear(11));
        assert_eq!(changes.compare(Some(11), 1), None);
        assert_eq!(changes.compare(None, 2), None);
    }

    #[test]
    fn what_was_stored_unheard_is_found_behind_what_was_heard_later() {
        let mut changes = Changes::default();
        changes.load(10);
        changes.fail(1);
        assert!(changes.hear(12), "11 was stored, and failed");
        assert_eq!(changes.compare(Some(12), 1), Some(10));
        assert_eq!(changes.compare(Some(12), 2), None);
    }

    #[test]
    fn a_comparison_that_was_asked_for_before_a_failure_does_not_settle_it() {
        let mut changes = Changes::default();
        changes.load(10);
        changes.fail(2);
        assert_eq!(changes.compare(Some(10), 1), None);
        assert!(changes.hear(12));
        assert_eq!(changes.compare(Some(12), 2), Some(10));
    }
}

//! The sessions of which the hub does not know, as nobody has said there who they are: the engine ends them with the process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rustc_hash::FxBuildHasher;

use super::sid::Sid;
use crate::session::Drainer;

/// `None` once they have been told to end.
pub(super) struct Strangers(Mutex<Option<HashMap<Sid, Drainer, FxBuildHasher>>>);

impl Default for Strangers {
    fn default() -> Self {
        Self(Mutex::new(Some(HashMap::default())))
    }
}

impl Strangers {
    /// Takes one in. False: it is too late, and it has to end.
    pub(super) fn add(&self, sid: Sid, drainer: Drainer) -> bool {
        let mut listed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listed.as_mut().map(|listed| listed.insert(sid, drainer)).is_some()
    }

    pub(super) fn remove(&self, sid: &Sid) {
        if let Some(listed) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            listed.remove(sid);
        }
    }

    /// Tells all of them to end, and those that come later.
    pub(super) fn drain(&self) {
        let listed = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        listed.iter().flat_map(HashMap::values).for_each(Drainer::drain);
    }
}

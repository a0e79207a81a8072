//! What an engine keeps account of, if it is asked to.

use std::fmt;
use std::time::Duration;

use crate::ledger::Hook;

/// One for all the bridges of an engine. It is apart from the other options so that one that was not asked for anything
/// carries a null.
#[derive(Clone, Default)]
pub(crate) struct Account {
    /// How long a program waits for a puller that does not pull.
    pub(crate) stall: Option<Duration>,
    /// Who is told how each bridge ended.
    pub(crate) hook: Option<Hook>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("stall", &self.stall).field("hook", &self.hook.is_some()).finish()
    }
}

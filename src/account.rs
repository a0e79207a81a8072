//! What an engine keeps account of, if it is asked to.

use std::fmt;
use std::time::Duration;

use crate::budget::Budget;
use crate::ledger::Hook;

/// One for all the bridges of an engine. It is apart from the other options so that one that was not asked for anything
/// carries a null.
#[derive(Clone, Default)]
pub(crate) struct Account {
    /// How long a program waits for a puller that does not pull.
    pub(crate) stall: Option<Duration>,
    /// Of what they take their share.
    pub(crate) budget: Option<Budget>,
    /// Who is told how each bridge ended.
    pub(crate) hook: Option<Hook>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Account { stall, budget, hook } = self;
        f.debug_struct("Account").field("stall", stall).field("budget", budget).field("hook", &hook.is_some()).finish()
    }
}

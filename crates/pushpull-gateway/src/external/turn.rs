//! How long one of several streams may be served before the others have their turn.

use std::future::Future;
use std::pin::pin;
use std::task::Context;

/// How many pieces of one stream are moved before the others have their turn. All streams together stay within the
/// budget that tokio gives a task per poll, which a stream that never rests would otherwise use up.
pub(crate) const TURN: u32 = 16;

/// Wakes this task after all others, and after the runtime has polled for events. With a plain wake-up, a stream that
/// never rests could hide a program's end for many turns.
pub(crate) fn yield_turn(context: &mut Context<'_>) {
    let yielded = pin!(tokio::task::yield_now()).poll(context);
    debug_assert!(yielded.is_pending(), "it wakes the task later");
}

//! How long one of several streams may go on before the others have their turn.

use std::future::Future;
use std::pin::pin;
use std::task::Context;

/// How many pieces of one stream are moved before the others have their turn. All streams together stay within what tokio
/// lets a task do at once: a stream that never rests would have all of it.
pub(crate) const TURN: u32 = 16;

/// Goes on after all others, and after the runtime has looked at what has happened: a wake-up alone would let a stream
/// that never rests keep a program's end unseen for many turns.
pub(crate) fn yield_turn(context: &mut Context<'_>) {
    let yielded = pin!(tokio::task::yield_now()).poll(context);
    debug_assert!(yielded.is_pending(), "it wakes the task later");
}

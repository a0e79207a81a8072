//! Channels and rings of other libraries.

use std::io;
use std::sync::mpsc;

use bytes::Bytes;

use crate::contender::{About, Lack};
use crate::queue::{Queue, gone};

/// What no channel of chunks can do by itself.
const CHANNEL: &[Lack] = &[Lack::Bytes, Lack::Truncation];

/// Describes a queue by the calls that create it, send and receive.
macro_rules! queue {
    ($(#[$doc:meta])* $name:ident, $about:expr, |$places:ident| $ends:expr, $send:expr, $receive:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl Queue for $name {
            fn about(&self) -> About {
                $about
            }

            fn ends(
                &self,
                $places: usize,
            ) -> (impl FnMut(Bytes) -> io::Result<()> + Send + 'static, impl FnMut() -> Option<Bytes> + 'static) {
                #[allow(unused_mut, reason = "some receive by a shared reference")]
                let (mut sender, mut receiver) = $ends;
                (move |chunk| $send(&mut sender, chunk), move || $receive(&mut receiver))
            }
        }
    };
}

queue!(
    /// `crossbeam_channel::bounded`.
    Crossbeam,
    About::new("crossbeam").lacks(CHANNEL),
    |places| crossbeam_channel::bounded::<Bytes>(places),
    |sender: &mut crossbeam_channel::Sender<_>, chunk| sender.send(chunk).map_err(gone),
    |receiver: &mut crossbeam_channel::Receiver<_>| receiver.recv().ok()
);

queue!(
    /// `std::sync::mpsc::sync_channel`.
    SyncChannel,
    About::new("sync_channel").lacks(CHANNEL),
    |places| mpsc::sync_channel::<Bytes>(places),
    |sender: &mut mpsc::SyncSender<_>, chunk| sender.send(chunk).map_err(gone),
    |receiver: &mut mpsc::Receiver<_>| receiver.recv().ok()
);

queue!(
    /// `tokio::sync::mpsc`, with calls that block.
    TokioMpsc,
    About::new("tokio mpsc").lacks(CHANNEL),
    |places| tokio::sync::mpsc::channel::<Bytes>(places),
    |sender: &mut tokio::sync::mpsc::Sender<_>, chunk| sender.blocking_send(chunk).map_err(gone),
    |receiver: &mut tokio::sync::mpsc::Receiver<_>| receiver.blocking_recv()
);

#[cfg(feature = "peers")]
mod peers {
    use std::thread;

    use super::*;

    queue!(
        /// `flume::bounded`.
        Flume,
        About::new("flume").lacks(CHANNEL),
        |places| flume::bounded::<Bytes>(places),
        |sender: &mut flume::Sender<_>, chunk| sender.send(chunk).map_err(gone),
        |receiver: &mut flume::Receiver<_>| receiver.recv().ok()
    );

    queue!(
        /// `kanal::bounded`.
        Kanal,
        About::new("kanal").lacks(CHANNEL),
        |places| kanal::bounded::<Bytes>(places),
        |sender: &mut kanal::Sender<_>, chunk| sender.send(chunk).map_err(gone),
        |receiver: &mut kanal::Receiver<_>| receiver.recv().ok()
    );

    queue!(
        /// `async_channel::bounded`, with calls that block.
        AsyncChannel,
        About::new("async-channel").lacks(CHANNEL),
        |places| async_channel::bounded::<Bytes>(places),
        |sender: &mut async_channel::Sender<_>, chunk| sender.send_blocking(chunk).map_err(gone),
        |receiver: &mut async_channel::Receiver<_>| receiver.recv_blocking().ok()
    );

    queue!(
        /// `thingbuf::mpsc::blocking`. A place keeps its chunk until the next one is put there.
        Thingbuf,
        About::new("thingbuf").lacks(CHANNEL),
        |places| thingbuf::mpsc::blocking::channel::<Bytes>(places),
        |sender: &mut thingbuf::mpsc::blocking::Sender<_>, chunk| sender.send(chunk).map_err(gone),
        |receiver: &mut thingbuf::mpsc::blocking::Receiver<_>| receiver.recv()
    );

    queue!(
        /// `rtrb::RingBuffer`, polled by both sides, which yield in between.
        Rtrb,
        About::new("rtrb").lacks(&[Lack::Bytes, Lack::Waiting, Lack::Truncation]),
        |places| rtrb::RingBuffer::<Bytes>::new(places),
        |sender: &mut rtrb::Producer<_>, mut chunk| loop {
            match sender.push(chunk) {
                Ok(()) => return Ok(()),
                Err(rtrb::PushError::Full(back)) if !sender.is_abandoned() => chunk = back,
                Err(error) => return Err(gone(error)),
            }
            thread::yield_now();
        },
        |receiver: &mut rtrb::Consumer<_>| loop {
            match receiver.pop() {
                Ok(chunk) => return Some(chunk),
                // Look into the ring once more: a chunk can have arrived between the two checks.
                Err(_) if receiver.is_abandoned() => return receiver.pop().ok(),
                Err(_) => thread::yield_now(),
            }
        }
    );
}

#[cfg(feature = "peers")]
pub use peers::{AsyncChannel, Flume, Kanal, Rtrb, Thingbuf};

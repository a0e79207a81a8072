//! Builds the bridge around a program of `Thread` or `Pool`, and the job that starts the program.

use std::io;
use std::mem;
use std::sync::Arc;

use super::pool::Workers;
use super::threads;
use crate::channel::{Channel, Chunks, Feed, Job, Reader, Verdict, Writer};
use crate::ended::Ledger;
use crate::options::Options;
use crate::runtime::contained::contained;
use crate::runtime::program;

/// A program that has not started, with everything it needs.
struct Prepared<F> {
    channel: Arc<Channel>,
    /// Where to run the program; replaced at the launch.
    launcher: Launcher,
    options: Options,
    run: F,
}

impl<F: FnOnce(Arc<Channel>, &Options, io::Result<()>) + Send + 'static> Job for Prepared<F> {
    fn launch(mut self: Box<Self>) -> io::Result<()> {
        // A running program must not keep its pool alive.
        match mem::replace(&mut self.launcher, Launcher::Thread) {
            Launcher::Thread => threads::run(self),
            Launcher::Pool(workers) => workers.launch(self),
        }
    }

    /// Runs the program. Only dropping a result that no reader waits for can panic here, and that panic is discarded.
    fn run(self: Box<Self>, ready: io::Result<()>) {
        let Prepared { channel, options, run, .. } = *self;
        contained(move || run(channel, &options, ready));
    }

    fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    fn options(&self) -> &Options {
        &self.options
    }
}

/// Where programs are started.
#[derive(Debug, Clone)]
pub(crate) enum Launcher {
    Thread,
    Pool(Arc<Workers>),
}

impl Launcher {
    /// Opens the ledger of one bridge.
    fn open(&self, options: &Options) -> Ledger {
        let engine = match self {
            Launcher::Thread => "thread",
            Launcher::Pool(_) => "pool",
        };
        Ledger::open(engine, options.name.as_ref(), options.hook())
    }
}

pub(crate) fn pull<P>(launcher: Launcher, options: &Options, program: P) -> Chunks
where
    P: FnOnce(&mut Writer) -> io::Result<()> + Send + 'static,
{
    let channel = Arc::new(Channel::new(options));
    let ledger = launcher.open(options);
    let run = move |channel: Arc<Channel>, options: &Options, ready: io::Result<()>| {
        let mut writer = Writer::of_program(channel.clone(), options);
        let result = ready.and_then(|()| program::run(|| program(&mut writer)));
        writer.end_bridge(&channel, result);
    };
    let job = Prepared { channel: channel.clone(), launcher, options: options.clone(), run };
    Chunks::of_program(channel, ledger, Box::new(job))
}

pub(crate) fn push<T, P>(launcher: Launcher, options: &Options, program: P) -> Feed<T>
where
    T: Send + 'static,
    P: FnOnce(&mut Reader) -> io::Result<T> + Send + 'static,
{
    let channel = Arc::new(Channel::new(options));
    let verdict = Arc::new(Verdict::new(launcher.open(options)));
    let told = verdict.clone();
    let run = move |channel: Arc<Channel>, _: &Options, ready: io::Result<()>| {
        let mut reader = Reader::of_program(channel.clone());
        let result = ready.and_then(|()| program::run(|| program(&mut reader)));
        // Before the channel is closed, so that a failing write can return the reason.
        told.tell(result, &channel);
        channel.leave();
        drop(reader);
    };
    let job = Prepared { channel: channel.clone(), launcher, options: options.clone(), run };
    Feed::new(channel, options, verdict, Box::new(job))
}

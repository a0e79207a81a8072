//! Builds the bridge around a program of `Thread` or `Pool`, and the job that starts the program.

use std::io;
use std::mem;
use std::sync::Arc;

use super::pool::Workers;
use super::threads;
use crate::channel::{Channel, Chunks, Feed, Reader, Unstarted, Verdict, Writer};
use crate::ended::Ledger;
use crate::options::Options;
use crate::runtime::contained::contained;
use crate::runtime::{current, program};

/// A program that has not started, with everything it needs.
struct Prepared<F> {
    /// Where to run the program; replaced at the launch.
    launcher: Launcher,
    options: Options,
    run: F,
}

impl<F: FnOnce(Arc<Channel>, &Options, io::Result<()>) + Send + 'static> Unstarted for Prepared<F> {
    fn launch(mut self: Box<Self>, channel: Arc<Channel>) -> io::Result<()> {
        // A running program must not keep its pool alive.
        match mem::replace(&mut self.launcher, Launcher::Thread) {
            Launcher::Thread => threads::run(Job { channel, program: self }),
            Launcher::Pool(workers) => workers.launch(Job { channel, program: self }),
        }
    }

    /// Runs the program. Only dropping a result that no reader waits for can panic here, and that panic is discarded.
    fn run(self: Box<Self>, channel: Arc<Channel>, ready: io::Result<()>) {
        let Prepared { options, run, .. } = *self;
        contained(move || run(channel, &options, ready));
    }

    fn options(&self) -> &Options {
        &self.options
    }
}

/// A launched program on its way to the thread or worker that runs it.
pub(super) struct Job {
    pub(super) channel: Arc<Channel>,
    pub(super) program: Box<dyn Unstarted>,
}

impl Job {
    pub(super) fn options(&self) -> &Options {
        self.program.options()
    }

    /// Runs the program to its end, as the current one of this thread.
    pub(super) fn run(self, ready: io::Result<()>) -> Arc<Channel> {
        let Job { channel, program } = self;
        let own = channel.clone();
        current::enter(channel, || program.run(own, ready))
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
    let program = Prepared { launcher, options: options.clone(), run };
    Chunks::of_program(channel, ledger, Box::new(program))
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
    let program = Prepared { launcher, options: options.clone(), run };
    Feed::new(channel, options, verdict, Box::new(program))
}

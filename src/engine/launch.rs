//! A bridge around a program that runs elsewhere: what every engine but `Local` owes.

use std::io;
use std::sync::Arc;

use super::pool::Workers;
use super::threads;
use crate::channel::{Channel, Chunks, Feed, Reader, Verdict, Writer};
use crate::ended::Ledger;
use crate::options::Options;
use crate::runtime::program::{self, Program};

/// A program with all that it needs, to be run once: by an engine that is ready for it, or else with the reason why it
/// cannot run, which its host is told.
pub(crate) struct Job {
    pub(crate) channel: Arc<Channel>,
    pub(crate) run: Box<dyn Run>,
}

/// What `FnOnce` is, but that the box is gone while it runs: a program that waits holds its closure on its stack alone.
pub(crate) trait Run: Send {
    fn run(self: Box<Self>, channel: Arc<Channel>, ready: io::Result<()>);

    /// What its engine has to know of it.
    fn options(&self) -> &Options;
}

struct Optioned<F> {
    options: Options,
    run: F,
}

impl<F: FnOnce(Arc<Channel>, &Options, io::Result<()>) + Send> Run for Optioned<F> {
    /// Nothing in `run` panics but what it drops: a result that nobody waits for any more. Nobody can be told of that.
    fn run(self: Box<Self>, channel: Arc<Channel>, ready: io::Result<()>) {
        let Optioned { options, run } = *self;
        program::contained(move || run(channel, &options, ready));
    }

    fn options(&self) -> &Options {
        &self.options
    }
}

impl Job {
    pub(crate) fn options(&self) -> &Options {
        self.run.options()
    }

    /// Runs it, as the program that it is.
    pub(crate) fn run(self, ready: io::Result<()>) -> Arc<Channel> {
        let Job { channel, run } = self;
        let own = channel.clone();
        Program::enter(channel, || run.run(own, ready))
    }
}

/// A program that has not been asked for yet, and where it is to run.
pub(crate) struct Start {
    launcher: Launcher,
    run: Box<dyn Run>,
}

impl Start {
    fn new<F>(launcher: Launcher, options: &Options, run: F) -> Start
    where
        F: FnOnce(Arc<Channel>, &Options, io::Result<()>) + Send + 'static,
    {
        Start { launcher, run: Box::new(Optioned { options: options.clone(), run }) }
    }

    /// Sees to it that it runs. Does not wait for it.
    ///
    /// # Errors
    ///
    /// What the system says when it has no thread to give, or that the pool was shut down. The program is dropped then.
    pub(crate) fn launch(self, channel: Arc<Channel>) -> io::Result<()> {
        self.launcher.launch(Job { channel, run: self.run })
    }
}

/// Where programs are sent.
#[derive(Debug, Clone)]
pub(crate) enum Launcher {
    Thread,
    Pool(Arc<Workers>),
}

impl Launcher {
    /// The account of one of its bridges.
    fn open(&self, options: &Options) -> Ledger {
        let engine = match self {
            Launcher::Thread => "thread",
            Launcher::Pool(_) => "pool",
        };
        Ledger::open(options, engine)
    }

    fn launch(&self, job: Job) -> io::Result<()> {
        match self {
            Launcher::Thread => threads::run(job),
            Launcher::Pool(workers) => workers.launch(job),
        }
    }
}

pub(crate) fn pull<P>(launcher: Launcher, options: &Options, program: P) -> Chunks
where
    P: FnOnce(&mut Writer) -> io::Result<()> + Send + 'static,
{
    let channel = Arc::new(Channel::new(options));
    let ledger = launcher.open(options);
    let start = Start::new(launcher, options, move |channel, options, ready| {
        let mut writer = Writer::of_program(channel.clone(), options);
        let result = ready.and_then(|()| program::run(|| program(&mut writer)));
        writer.end_bridge(&channel, result);
    });
    Chunks::of_program(channel, ledger, start)
}

pub(crate) fn push<T, P>(launcher: Launcher, options: &Options, program: P) -> Feed<T>
where
    T: Send + 'static,
    P: FnOnce(&mut Reader) -> io::Result<T> + Send + 'static,
{
    let channel = Arc::new(Channel::new(options));
    let verdict = Arc::new(Verdict::new(launcher.open(options)));
    let start = {
        let verdict = verdict.clone();
        Start::new(launcher, options, move |channel, _, ready| {
            let mut reader = Reader::of_program(channel.clone());
            let result = ready.and_then(|()| program::run(|| program(&mut reader)));
            // Before the channel is seen to be closed: a write that fails says why.
            verdict.tell(result, &channel);
            channel.leave();
            drop(reader);
        })
    };
    Feed::new(channel, options, verdict, start)
}

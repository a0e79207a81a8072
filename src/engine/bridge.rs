//! A bridge around a program that runs elsewhere: what every engine but `Local` owes.

use std::io;
use std::sync::Arc;

use super::idle;
use super::pool::Workers;
use crate::ledger::Ledger;
use crate::options::Options;
use crate::pipe::{Channel, Chunks, Feed, Reader, Verdict, Writer};
use crate::program::{self, Program};

/// A program with all that it needs, to be run once: by an engine that is ready for it, or else with the reason why it
/// cannot run, which its host is told.
pub(crate) struct Job {
    pub(crate) program: Arc<Program>,
    pub(crate) run: Box<dyn Run>,
}

/// What `FnOnce` is, but that the box is gone while it runs: a program that waits holds its closure on its stack alone.
pub(crate) trait Run: Send {
    fn run(self: Box<Self>, ready: io::Result<()>);

    /// What its engine has to know of it.
    fn options(&self) -> &Options;
}

struct Optioned<F> {
    options: Options,
    run: F,
}

impl<F: FnOnce(io::Result<()>) + Send> Run for Optioned<F> {
    fn run(self: Box<Self>, ready: io::Result<()>) {
        let run = {
            let boxed = *self;
            boxed.run
        };
        run(ready);
    }

    fn options(&self) -> &Options {
        &self.options
    }
}

impl Job {
    /// Nothing in `run` panics but what it drops: a result that nobody waits for any more. Nobody can be told of that.
    fn new(program: Arc<Program>, options: Options, run: impl FnOnce(io::Result<()>) + Send + 'static) -> Job {
        let run = move |ready| program::contained(|| run(ready));
        Job { program, run: Box::new(Optioned { options, run }) }
    }

    pub(crate) fn options(&self) -> &Options {
        self.run.options()
    }

    /// Runs it, as the program that it is.
    pub(crate) fn run(self, ready: io::Result<()>) -> Arc<Program> {
        let Job { program, run } = self;
        program.enter(|| run.run(ready))
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

    /// Sees to it that the job runs. Does not wait for it.
    ///
    /// # Errors
    ///
    /// What the system says when it has no thread to give, or that the pool was shut down. The job is dropped then.
    fn launch(&self, job: Job) -> io::Result<()> {
        match self {
            Launcher::Thread => idle::run(job),
            Launcher::Pool(workers) => workers.launch(job),
        }
    }
}

pub(crate) fn pull<P>(launcher: Launcher, options: &Options, program: P) -> Chunks
where
    P: FnOnce(&mut Writer) -> io::Result<()> + Send + 'static,
{
    let channel = Arc::new(Channel::new(options));
    let token = Arc::new(Program::new(channel.clone()));
    let ledger = launcher.open(options);
    let start = {
        let (channel, token, options) = (channel.clone(), token.clone(), options.clone());
        move || {
            let mut writer = Writer::of_program(channel.clone(), &options, token.clone());
            let run = move |ready: io::Result<()>| {
                let result = ready.and_then(|()| program::run(|| program(&mut writer)));
                writer.end_bridge(&channel, result);
            };
            launcher.launch(Job::new(token, options, run))
        }
    };
    Chunks::of_program(channel, token, ledger, Box::new(start))
}

pub(crate) fn push<T, P>(launcher: Launcher, options: &Options, program: P) -> Feed<T>
where
    T: Send + 'static,
    P: FnOnce(&mut Reader) -> io::Result<T> + Send + 'static,
{
    let channel = Arc::new(Channel::new(options));
    let token = Arc::new(Program::new(channel.clone()));
    let verdict = Arc::new(Verdict::new(launcher.open(options)));
    let start = {
        let (channel, token, options) = (channel.clone(), token.clone(), options.clone());
        let verdict = verdict.clone();
        move || {
            let mut reader = Reader::of_program(Chunks::new(channel.clone()), token.clone());
            let own = token.clone();
            let run = move |ready: io::Result<()>| {
                let result = ready.and_then(|()| program::run(|| program(&mut reader)));
                // Before the channel is seen to be closed: a write that fails says why.
                verdict.tell(result, &own, &channel);
                channel.leave();
                drop(reader);
            };
            launcher.launch(Job::new(token, options, run))
        }
    };
    Feed::new(channel, options, verdict, token, Box::new(start))
}

//! A bridge around a program that runs elsewhere: what every engine but `Local` owes.

use std::io;
use std::sync::Arc;

use super::idle;
use crate::options::Options;
use crate::pipe::{Channel, Chunks, Feed, Reader, Verdict, Writer};
use crate::program::{self, Program};

/// A program with all that it needs, to be run once.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Where programs are sent.
#[derive(Debug, Clone)]
pub(crate) enum Launcher {
    Thread,
}

impl Launcher {
    /// Sees to it that the job runs. Does not wait for it.
    ///
    /// # Errors
    ///
    /// What the system says when it has no thread to give. The job is dropped then.
    fn launch(&self, options: &Options, job: Job) -> io::Result<()> {
        match self {
            Launcher::Thread => idle::run(job, options),
        }
    }
}

pub(crate) fn pull<P>(launcher: Launcher, options: &Options, program: P) -> Chunks
where
    P: FnOnce(&mut Writer) -> io::Result<()> + Send + 'static,
{
    let channel = Arc::new(Channel::new(options.capacity()));
    let token = Arc::new(Program::default());
    let start = {
        let (channel, token, options) = (channel.clone(), token.clone(), options.clone());
        move || {
            let mut writer = Writer::of_program(channel.clone(), &options, token.clone());
            let job = move || {
                token.enter(|| {
                    let result = program::run(move || program(&mut writer));
                    channel.end(result);
                });
            };
            launcher.launch(&options, Box::new(job))
        }
    };
    Chunks::of_program(channel, token, Box::new(start))
}

pub(crate) fn push<T, P>(launcher: Launcher, options: &Options, program: P) -> Feed<T>
where
    T: Send + 'static,
    P: FnOnce(&mut Reader) -> io::Result<T> + Send + 'static,
{
    let channel = Arc::new(Channel::new(options.capacity()));
    let token = Arc::new(Program::default());
    let verdict = Arc::new(Verdict::new());
    let start = {
        let (channel, token, options) = (channel.clone(), token.clone(), options.clone());
        let verdict = verdict.clone();
        move || {
            let mut reader = Reader::of_program(Chunks::new(channel.clone()), token.clone());
            let job = move || {
                token.enter(|| {
                    let result = program::run(|| program(&mut reader));
                    // Before the channel is seen to be closed: a write that fails says why.
                    verdict.tell(result);
                    channel.leave();
                    drop(reader);
                });
            };
            launcher.launch(&options, Box::new(job))
        }
    };
    Feed::new(channel, options, verdict, token, Box::new(start))
}

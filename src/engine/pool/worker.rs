//! A worker: a thread that runs many programs in turns, each on a stack of its own.

use std::io;
use std::mem;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread;
use std::time::Instant;

use super::inbox::Inbox;
use super::mailbox::Mail;
use super::slots::Slots;
use super::task::{self, Task};
use crate::channel::{Channel, Job};
use crate::engine::threads;
use crate::runtime::coroutine::{self, Coroutine};
use crate::runtime::current;
use crate::runtime::stack::Stack;
use crate::runtime::timer;
use crate::sys::fork;

/// How many programs are begun between the turns of two.
const MAX_BEGUN: usize = 64;

/// After how many turns a worker that has enough to do looks for mail: each look takes a line from whoever sends some.
const TURNS: u32 = 8;

/// How many turns ahead that which the worker has of a program is fetched; when it has come, its frame, and then its stack.
const PLACE_AHEAD: usize = 6;
const FRAME_AHEAD: usize = 4;
const STACK_AHEAD: usize = 2;

/// How many of them are not the next program's doing.
const MANY: usize = 8;

pub(super) struct Worker {
    inbox: Arc<Inbox>,
    /// Empty, but for the moment in which it is taken in.
    mail: Mail,
    /// How many turns it is until it looks for mail.
    turns: u32,
    programs: Slots<Pooled, Arc<Task>>,
    /// When the program that ran last gave way.
    now: Instant,
    /// In which it was started.
    process: u32,
}

/// A program that has begun. It stays here.
struct Pooled {
    coroutine: Coroutine<()>,
    /// Its bridge's. `None` while it runs.
    channel: Option<Arc<Channel>>,
    /// Where the inbox keeps its record.
    record: usize,
}

impl Worker {
    /// Starts a thread that works until there is nothing to do and never will be.
    ///
    /// # Errors
    ///
    /// When the system refuses a new thread.
    pub(super) fn spawn(inbox: Arc<Inbox>, number: usize) -> io::Result<()> {
        let work = move || {
            let (mail, programs, now) = (Mail::default(), Slots::new(), Instant::now());
            Worker { inbox, mail, turns: 0, programs, now, process: fork::process() }.work();
        };
        let spawned = thread::Builder::new().name(format!("pushpull-{number}")).spawn(work);
        spawned.map(drop).map_err(|error| threads::refused(&error))
    }

    fn work(mut self) {
        task::work_for(self.inbox.clone());
        timer::keep_clock();
        loop {
            let looked = self.turns == 0;
            if looked {
                self.take_in();
            }
            self.turns -= 1;
            self.begin_some();
            let alarm = timer::ring();
            match task::next([PLACE_AHEAD, FRAME_AHEAD, STACK_AHEAD]) {
                Some((task, others, ahead)) => {
                    self.fetch(ahead);
                    self.inbox.publish(others + 1);
                    self.run(task, others);
                    if fork::is_past(self.process) {
                        return self.leave_all();
                    }
                }
                None if !looked => self.turns = 0,
                None if self.inbox.is_finished() => break,
                None => self.sleep(alarm),
            }
        }
        self.inbox.mailbox.leave();
    }

    /// A program has returned in the child of a `fork`. Everything else here is the parent's, and does not go on in the
    /// child; this thread ends there, as any other whose function returns.
    #[cold]
    fn leave_all(self) {
        task::leave_all();
        mem::forget(self);
    }

    fn sleep(&mut self, alarm: Option<Instant>) {
        self.inbox.publish(0);
        self.inbox.mailbox.wait(alarm);
        self.now = Instant::now();
    }

    fn take_in(&mut self) {
        self.turns = TURNS;
        let mailbox = &self.inbox.mailbox;
        if mailbox.len() > 0 {
            mailbox.take(&mut self.mail);
            task::deliver(&mut self.mail);
        }
    }

    fn begin_some(&mut self) {
        let mut begun = 0;
        while begun < MAX_BEGUN
            && let Some(job) = task::next_job()
        {
            self.begin(job);
            begun += 1;
        }
        // A few take no time that is worth a look at the clock.
        if begun >= MANY {
            self.now = Instant::now();
        }
    }

    /// Gives a program a stack, and a place behind those that can go on.
    fn begin(&mut self, job: Box<dyn Job>) {
        let stack = Stack::new(job.options());
        let channel = job.channel().clone();
        let begun = stack.and_then(|stack| Ok((stack, self.inbox.begin(&channel)?)));
        let (stack, record) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                let channel = current::enter(channel, || job.run(Err(error)));
                self.inbox.retire();
                channel.program.leave();
                return;
            }
        };
        let coroutine = Coroutine::new(stack, || (), move |_| job.run(Ok(())));
        let pooled = Pooled { coroutine, channel: Some(channel), record };
        let inbox = &self.inbox;
        let place = self.programs.insert(pooled, |place| Arc::new(Task::new(place, inbox.clone())));
        self.programs.place(place).into_iter().for_each(|place| place.own.wake_by_ref());
    }

    /// Has the processor fetch what three of the next turns will need.
    fn fetch(&self, [place, frame, stack]: [Option<usize>; 3]) {
        place.and_then(|place| self.programs.place(place)).into_iter().for_each(coroutine::fetch);
        if let Some(pooled) = frame.and_then(|place| self.programs.get(place)) {
            pooled.coroutine.fetch_frame();
        }
        if let Some(pooled) = stack.and_then(|place| self.programs.get(place)) {
            pooled.coroutine.fetch_stack();
            pooled.channel.as_deref().into_iter().for_each(coroutine::fetch);
        }
    }

    /// Gives a program its turn.
    fn run(&mut self, task: Arc<Task>, others: usize) {
        task.run();
        let number = task.place();
        // It may have been woken when it had ended already, and its place, too, may be gone or another's.
        let Some(place) = self.programs.place_mut(number).filter(|place| Arc::ptr_eq(&place.own, &task)) else {
            return;
        };
        let Some(pooled) = &mut place.value else { return };
        let Some(channel) = pooled.channel.take() else { return };
        let waker = Waker::from(task);
        let channel = current::enter(channel, || pooled.coroutine.resume(Some(&waker)));
        let began = mem::replace(&mut self.now, Instant::now());
        channel.program.ran(self.now - began);
        if !pooled.coroutine.is_done() {
            pooled.channel = Some(channel);
            return;
        }
        if let Some(pooled) = self.programs.remove(number) {
            self.inbox.finish(pooled.record);
        }
        // Its stack is back, and all that it owned is gone. Whoever waited for that finds this worker free for the next.
        self.inbox.publish(others);
        self.inbox.retire();
        channel.program.leave();
    }
}

//! A worker: a thread that gives turns to many programs, each on its own stack.

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
use crate::channel::Channel;
use crate::engine::launch::Job;
use crate::engine::threads;
use crate::runtime::coroutine::Coroutine;
use crate::runtime::current;
use crate::runtime::stack::Stack;
use crate::runtime::timer;
use crate::sys::fork;
use crate::sys::prefetch;

/// The maximum number of programs that are started between two turns.
const MAX_BEGUN: usize = 64;

/// The number of turns between two looks at the mailbox of a busy worker. Each look takes a cache line from the
/// senders.
const TURNS: u32 = 8;

/// How many turns ahead the parts of a suspended program are prefetched: the worker's record, then its frame, then its
/// stack.
const PLACE_AHEAD: usize = 6;
const FRAME_AHEAD: usize = 4;
const STACK_AHEAD: usize = 2;

/// From this number of started programs on, their start is not counted as part of the next program's run.
const MANY: usize = 8;

pub(super) struct Worker {
    inbox: Arc<Inbox>,
    /// Empty except while mail is being delivered.
    mail: Mail,
    /// The number of turns until the next look at the mailbox.
    turns: u32,
    programs: Slots<Pooled, Arc<Task>>,
    /// The time at which the last program was suspended or ended.
    now: Instant,
    /// The process in which this worker was started.
    process: u32,
}

/// A program that has started. It stays on this worker.
struct Pooled {
    coroutine: Coroutine<()>,
    /// The channel of its bridge. `None` while the program runs.
    channel: Option<Arc<Channel>>,
    /// The place of its record in the inbox.
    record: usize,
}

impl Worker {
    /// Starts a thread that works until there is nothing left to do and nothing more can come.
    ///
    /// # Errors
    ///
    /// Returns an error if the system refuses a new thread.
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

    /// Forgets everything, after a program has returned in the child of a `fork`. The other programs belong to the
    /// parent and do not continue in the child. This thread ends there, as any other whose function returns.
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
        // Starting a few takes too little time to justify reading the clock.
        if begun >= MANY {
            self.now = Instant::now();
        }
    }

    /// Gives a new program a stack, and a place behind the runnable programs.
    fn begin(&mut self, job: Job) {
        let stack = Stack::new(job.options());
        let begun = stack.and_then(|stack| Ok((stack, self.inbox.begin(&job.channel)?)));
        let (stack, record) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                let channel = job.run(Err(error));
                self.inbox.retire();
                channel.program.leave();
                return;
            }
        };
        let Job { channel, program } = job;
        let own = channel.clone();
        let coroutine = Coroutine::new(stack, || (), move |_| program.run(own, Ok(())));
        let pooled = Pooled { coroutine, channel: Some(channel), record };
        let inbox = &self.inbox;
        let place = self.programs.insert(pooled, |place| Arc::new(Task::new(place, inbox.clone())));
        self.programs.place(place).into_iter().for_each(|place| place.own.wake_by_ref());
    }

    /// Prefetches what three of the next turns will need.
    fn fetch(&self, [place, frame, stack]: [Option<usize>; 3]) {
        place.and_then(|place| self.programs.place(place)).into_iter().for_each(prefetch::value);
        if let Some(pooled) = frame.and_then(|place| self.programs.get(place)) {
            pooled.coroutine.fetch_frame();
        }
        if let Some(pooled) = stack.and_then(|place| self.programs.get(place)) {
            pooled.coroutine.fetch_stack();
            pooled.channel.as_deref().into_iter().for_each(prefetch::value);
        }
    }

    /// Gives a program its turn.
    fn run(&mut self, task: Arc<Task>, others: usize) {
        task.run();
        let number = task.place();
        // The program may have been woken after its end. Then its place may be gone, or belong to another program.
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
        // The stack is back and everything the program owned is dropped. A thread that waited for that can use this
        // worker next.
        self.inbox.publish(others);
        self.inbox.retire();
        channel.program.leave();
    }
}

//! A worker: a thread that runs many programs in turns, each on a stack of its own.

use std::io;
use std::sync::Arc;
use std::task::Waker;
use std::thread;
use std::time::Instant;

use crossbeam_channel::Receiver;

use super::inbox::{Inbox, Message};
use super::slots::Slots;
use super::task::{self, Task};
use crate::alarm;
use crate::coroutine::{self, Coroutine};
use crate::engine::bridge::Job;
use crate::program::Program;
use crate::stack::Stack;

/// How many messages are looked at between the turns of two programs.
const MOST_TAKEN: usize = 64;

/// How many turns ahead that which the worker has of a program is fetched; when it has come, its frame, and then its stack.
const PLACE_AHEAD: usize = 6;
const FRAME_AHEAD: usize = 4;
const STACK_AHEAD: usize = 2;

/// How many of them are not the next program's doing.
const MANY: usize = 8;

/// How often a worker that has nothing to do gives way, and looks for a message, before it waits for one.
const OFFERS: usize = 4;

pub(super) struct Worker {
    inbox: Arc<Inbox>,
    messages: Receiver<Message>,
    programs: Slots<Pooled>,
    /// When the program that ran last gave way.
    now: Instant,
}

/// A program that has begun. It stays here.
struct Pooled {
    coroutine: Coroutine<()>,
    /// `None` while it runs.
    program: Option<Arc<Program>>,
    task: Arc<Task>,
    /// The task's.
    waker: Waker,
    /// Where the inbox keeps its record.
    record: usize,
}

impl Worker {
    /// Starts a thread that works until there is nothing to do and never will be.
    ///
    /// # Errors
    ///
    /// When the system refuses a new thread.
    pub(super) fn spawn(inbox: Arc<Inbox>, messages: Receiver<Message>, number: usize) -> io::Result<()> {
        let work = move || Worker { inbox, messages, programs: Slots::new(), now: Instant::now() }.work();
        thread::Builder::new().name(format!("pushpull-{number}")).spawn(work).map(drop)
    }

    fn work(mut self) {
        task::work_for(self.inbox.clone());
        alarm::keep_clock();
        loop {
            self.take_in();
            let alarm = alarm::ring();
            match task::next([PLACE_AHEAD, FRAME_AHEAD, STACK_AHEAD]) {
                Some((task, others, ahead)) => {
                    self.fetch(ahead);
                    self.inbox.publish(others + 1);
                    self.run(&task, others);
                }
                None if self.inbox.is_finished() => return,
                None => self.sleep(alarm),
            }
        }
    }

    fn sleep(&mut self, alarm: Option<Instant>) {
        self.inbox.publish(0);
        let message = match (self.take_after_offer(), alarm) {
            (Some(message), _) => Some(message),
            (None, None) => self.messages.recv().ok(),
            (None, Some(time)) => self.messages.recv_deadline(time).ok(),
        };
        if let Some(message) = message {
            self.accept(message);
        }
        self.now = Instant::now();
    }

    /// Where the one who is to wake a program shares this processor, it has been waiting for just that; the channel would
    /// first spin for two microseconds.
    fn take_after_offer(&self) -> Option<Message> {
        (0..OFFERS).find_map(|_| {
            thread::yield_now();
            self.messages.try_recv().ok()
        })
    }

    fn take_in(&mut self) {
        let mut taken = 0;
        while taken < MOST_TAKEN
            && let Ok(message) = self.messages.try_recv()
        {
            self.accept(message);
            taken += 1;
        }
        // A few take no time that is worth a look at the clock.
        if taken >= MANY {
            self.now = Instant::now();
        }
    }

    fn accept(&mut self, message: Message) {
        match message {
            Message::Start(job) => self.begin(job),
            Message::Wake(task) => task::queue(task),
            Message::Look => {}
        }
    }

    /// Gives a program a stack, and a place behind those that can go on.
    fn begin(&mut self, job: Job) {
        let stack = Stack::new(job.options());
        let begun = stack.and_then(|stack| Ok((stack, self.inbox.begin(&job.program)?)));
        let (stack, record) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                let program = job.run(Err(error));
                self.inbox.retire();
                program.leave();
                return;
            }
        };
        let Job { program, run } = job;
        let coroutine = Coroutine::new(stack, (), move |_| run.run(Ok(())));
        let inbox = &self.inbox;
        let place = self.programs.insert_with(|place| {
            let task = Arc::new(Task::new(place, inbox.clone()));
            let waker = task.clone().into();
            Pooled { coroutine, program: Some(program), task, waker, record }
        });
        if let Some(pooled) = self.programs.get_mut(place) {
            task::queue(pooled.task.clone());
        }
    }

    /// Has the processor fetch what three of the next turns will need.
    fn fetch(&self, [place, frame, stack]: [Option<usize>; 3]) {
        place.and_then(|place| self.programs.place(place)).into_iter().for_each(coroutine::fetch);
        if let Some(pooled) = frame.and_then(|place| self.programs.get(place)) {
            pooled.coroutine.fetch_frame();
            pooled.program.as_deref().into_iter().for_each(coroutine::fetch);
        }
        if let Some(pooled) = stack.and_then(|place| self.programs.get(place)) {
            pooled.coroutine.fetch_stack();
            pooled.program.as_deref().into_iter().for_each(Program::fetch_channel);
        }
    }

    /// Gives a program its turn.
    fn run(&mut self, task: &Arc<Task>, others: usize) {
        task.run();
        // It may have been woken when it had ended already, and its place may be another's.
        let Some(pooled) = self.programs.get_mut(task.place()).filter(|pooled| Arc::ptr_eq(&pooled.task, task)) else {
            return;
        };
        let Some(program) = pooled.program.take() else { return };
        let program = program.enter(|| pooled.coroutine.resume(Some(&pooled.waker)));
        let began = std::mem::replace(&mut self.now, Instant::now());
        program.ran(self.now - began);
        if !pooled.coroutine.is_done() {
            pooled.program = Some(program);
            return;
        }
        if let Some(pooled) = self.programs.remove(task.place()) {
            self.inbox.finish(pooled.record);
        }
        // Its stack is back, and all that it owned is gone. Whoever waited for that finds this worker free for the next.
        self.inbox.publish(others);
        self.inbox.retire();
        program.leave();
    }
}

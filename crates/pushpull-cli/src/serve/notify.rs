//! Tells the service manager about the state of the server (sd_notify(3)), over a Unix datagram.

use std::env;
use std::io;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use pushpull_gateway::host::Shutdown;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime;
use tokio::task::spawn_local;
use tokio::time::sleep;

use super::listen::is_meant;
use crate::log::Log;

/// What the manager wants to know. Does nothing if there is no manager.
#[derive(Clone)]
pub struct Manager(Option<Arc<Inner>>);

struct Inner {
    socket: UnixDatagram,
    address: SocketAddr,
    has_begun: AtomicBool,
    stopping: Once,
    /// The time in which the manager expects a sign of life.
    watchdog: Option<Duration>,
    /// One flag for each serving thread, set when the thread has run. The thread owns it.
    beats: Mutex<Vec<Weak<AtomicBool>>>,
    log: Log,
}

impl Manager {
    /// Finds the manager in the environment.
    pub fn of_environment(log: &Log) -> Manager {
        let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return Manager(None) };
        let connected = || {
            let address = match name.as_encoded_bytes() {
                #[cfg(target_os = "linux")]
                [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
                _ => SocketAddr::from_pathname(&name)?,
            };
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            Ok((socket, address))
        };
        let connected: io::Result<_> = connected();
        match connected {
            Ok((socket, address)) => Manager(Some(Arc::new(Inner {
                socket,
                address,
                has_begun: AtomicBool::new(false),
                stopping: Once::new(),
                watchdog: watchdog(),
                beats: Mutex::default(),
                log: log.clone(),
            }))),
            Err(error) => {
                log.trouble(&format_args!("cannot notify the service manager at {name:?}: {error}"));
                Manager(None)
            }
        }
    }

    /// Begins to report. Each serving thread calls this within its runtime, so the server is ready.
    pub fn serves(&self, shutdown: &Shutdown) {
        let Some(inner) = &self.0 else { return };
        if let Some(time) = inner.watchdog {
            let beat = Arc::new(AtomicBool::new(true));
            inner.beats().push(Arc::downgrade(&beat));
            spawn_local(async move {
                loop {
                    beat.store(true, Ordering::Relaxed);
                    sleep(time / 4).await;
                }
            });
        }
        if inner.has_begun.swap(true, Ordering::SeqCst) {
            return;
        }
        self.is_ready();
        let (stopping, begun) = (self.clone(), shutdown.begun());
        // Not a task of a serving thread, which may end without another turn for its tasks.
        inner.spawn("manager", move || {
            let runtime = runtime::Builder::new_current_thread().build();
            if let Ok(runtime) = runtime {
                runtime.block_on(begun);
                stopping.stops();
            }
        });
        if let Some(time) = inner.watchdog {
            let watching = inner.clone();
            inner.spawn("watchdog", move || watching.watch(time));
        }
    }

    /// Reports that the server stops. Only the first call does, and the others wait for it.
    pub fn stops(&self) {
        self.0.iter().for_each(|inner| inner.stopping.call_once(|| inner.say("STOPPING=1")));
    }

    /// Reports that the server reads its configuration again. [`is_ready`](Manager::is_ready) ends this.
    pub fn reloads(&self) {
        let Some(inner) = &self.0 else { return };
        let now = clock_gettime(ClockId::Monotonic);
        inner.say(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1_000_000 + now.tv_nsec / 1000));
    }

    /// Reports that the server serves.
    pub fn is_ready(&self) {
        self.0.iter().for_each(|inner| inner.say("READY=1"));
    }
}

impl Inner {
    fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) {
        if let Err(error) = thread::Builder::new().name(name.to_owned()).spawn(work) {
            self.log.trouble(&format_args!(
                "cannot start the thread {name:?}, which notifies the service manager: {error}"
            ));
        }
    }

    fn say(&self, state: &str) {
        if let Err(error) = self.socket.send_to_addr(state.as_bytes(), &self.address) {
            self.log.trouble(&format_args!("cannot notify the service manager: {error}"));
        }
    }

    fn beats(&self) -> std::sync::MutexGuard<'_, Vec<Weak<AtomicBool>>> {
        // Nothing panics while the lock is held.
        self.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a sign of life twice in each time, while every thread that serves still runs.
    fn watch(&self, time: Duration) {
        loop {
            if self.all_beat() {
                self.say("WATCHDOG=1");
                thread::sleep(time / 2);
            } else {
                thread::sleep(time / 16);
            }
        }
    }

    /// Returns `true` if every thread has run since this was `true` before.
    fn all_beat(&self) -> bool {
        let mut beats = self.beats();
        beats.retain(|beat| beat.strong_count() > 0);
        let beats: Vec<_> = beats.iter().filter_map(Weak::upgrade).collect();
        let all = beats.iter().all(|beat| beat.load(Ordering::Relaxed));
        if all {
            beats.iter().for_each(|beat| beat.store(false, Ordering::Relaxed));
        }
        all
    }
}

/// Returns the time of the watchdog, if it is meant for this process (sd_watchdog_enabled(3)).
fn watchdog() -> Option<Duration> {
    let time: u64 = env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    let is_meant = env::var("WATCHDOG_PID").map_or(true, |process| is_meant(&process));
    (is_meant && time > 0).then(|| Duration::from_micros(time))
}

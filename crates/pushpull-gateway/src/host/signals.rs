//! Signals that stop a server.
//!
//! A handler may do next to nothing (signal-safety(7)): it writes a byte to a pipe, which a thread reads.
#![allow(unsafe_code, reason = "handlers are set by system calls that take their addresses")]

use std::io::{self, PipeReader, PipeWriter, Read};
use std::mem;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use libc::c_int;
use parking_lot::Mutex;
use rustix::io::ioctl_fionbio;

use super::shutdown::Shutdown;

/// Where the handler writes: the number of a descriptor that is never closed.
static PIPE: AtomicI32 = AtomicI32::new(-1);

/// Those that a signal stops, once the thread is there.
static LISTENING: Mutex<Option<Vec<Listening>>> = Mutex::new(None);

struct Listening {
    shutdown: Shutdown,
    has_begun: bool,
}

/// Has `shutdown` begin with the first of the signals `stops`, and cut with the second.
///
/// # Errors
///
/// Returns an error if there is no descriptor or thread for it, or a signal cannot be caught.
pub(super) fn stop_on(stops: &[c_int], shutdown: &Shutdown) -> io::Result<()> {
    let mut listening = LISTENING.lock();
    let all = match &mut *listening {
        Some(all) => all,
        none => {
            listen()?;
            none.insert(Vec::new())
        }
    };
    all.push(Listening { shutdown: shutdown.clone(), has_begun: false });
    drop(listening);
    stops.iter().try_for_each(|signal| handle(*signal, tell))
}

/// Has these signals do nothing. They are caught, and not ignored: a program inherits what is ignored.
///
/// # Errors
///
/// Returns an error if one of them cannot be caught.
pub(super) fn disregard(signals: &[c_int]) -> io::Result<()> {
    extern "C" fn nothing(_: c_int) {}
    signals.iter().try_for_each(|signal| handle(*signal, nothing))
}

/// Makes the pipe and starts the thread that reads it.
fn listen() -> io::Result<()> {
    let (reader, writer): (PipeReader, PipeWriter) = io::pipe()?;
    // If the thread does not come to read, a handler does not wait for it.
    ioctl_fionbio(&writer, true)?;
    let name = thread::Builder::new().name("signals".into());
    PIPE.store(writer.as_raw_fd(), Ordering::Release);
    name.spawn(move || hear(reader)).inspect_err(|_| PIPE.store(-1, Ordering::Release))?;
    // It stays open for as long as the process runs.
    let _ = writer.into_raw_fd();
    Ok(())
}

fn hear(mut reader: PipeReader) {
    while reader.read_exact(&mut [0]).is_ok() {
        let mut listening = LISTENING.lock();
        let Some(all) = &mut *listening else { return };
        all.retain_mut(|one| {
            let is_second = mem::replace(&mut one.has_begun, true);
            if is_second {
                one.shutdown.cut()
            } else {
                one.shutdown.begin()
            }
            !is_second
        });
    }
}

/// Writes a byte to the pipe. If it is full, the thread has enough to do.
extern "C" fn tell(_: c_int) {
    // SAFETY: the address is that of this thread's `errno`, which lives as long as the thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: the handler runs on the thread whose `errno` it is, and nothing else holds a reference to it.
    let before = unsafe { *errno };
    // SAFETY: one byte is read, of a constant; the descriptor is never closed. The call may be made in a handler.
    unsafe { libc::write(PIPE.load(Ordering::Acquire), ptr::from_ref(&1_u8).cast(), 1) };
    // SAFETY: as above. What was interrupted may be about to read it.
    unsafe { *errno = before };
}

/// Sets the handler of a signal. Calls that it interrupts are begun again.
fn handle(signal: c_int, handler: extern "C" fn(c_int)) -> io::Result<()> {
    // SAFETY: all of its fields are numbers, of which zero is one.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: `action` is whole, and `handler` is a function of one number, as a handler without SA_SIGINFO is. It takes no
    // lock and asks for no memory.
    let set = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

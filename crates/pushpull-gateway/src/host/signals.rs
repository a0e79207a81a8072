//! Signals that stop a server.
//!
//! A handler may do next to nothing (signal-safety(7)): it counts, and writes a byte to a pipe, which a thread reads.
#![allow(unsafe_code, reason = "handlers are set by system calls that take their addresses")]

use std::io::{self, PipeReader, PipeWriter, Read};
use std::mem;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::thread;

use libc::{c_int, c_void, siginfo_t};
use parking_lot::Mutex;
use rustix::io::ioctl_fionbio;

/// Where the handler writes: the number of a descriptor that is never closed.
static PIPE: AtomicI32 = AtomicI32::new(-1);

/// How many signals have come and were not told. A child that has not begun its program yet has the pipe too, but not this
/// memory: what it is sent is not taken for a signal to this process.
static COME: AtomicUsize = AtomicUsize::new(0);

/// Who listens, once the thread is there.
static LISTENING: Mutex<Option<Vec<Heard>>> = Mutex::new(None);

/// The handlers that were there before, by the number of the signal.
static PREVIOUS: [OnceLock<usize>; 65] = [const { OnceLock::new() }; 65];

type Handler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);

/// Is called when a signal has come. Returns `false` if it is not to be called again.
type Heard = Box<dyn FnMut() -> bool + Send>;

/// Has `heard` called at each of these signals, on a thread for that.
///
/// # Errors
///
/// Returns an error if there is no descriptor or thread for it, or a signal cannot be caught.
pub(super) fn listen_for(signals: &[c_int], heard: impl FnMut() -> bool + Send + 'static) -> io::Result<()> {
    let mut listening = LISTENING.lock();
    let all = match &mut *listening {
        Some(all) => all,
        none => {
            start()?;
            none.insert(Vec::new())
        }
    };
    all.push(Box::new(heard));
    drop(listening);
    signals.iter().try_for_each(|signal| handle(*signal, tell))
}

/// Has these signals do nothing, unless they have a handler already. They are caught, and not ignored: a program inherits
/// what is ignored.
///
/// # Errors
///
/// Returns an error if one of them cannot be caught.
pub(super) fn disregard(signals: &[c_int]) -> io::Result<()> {
    extern "C" fn nothing(_: c_int, _: *mut siginfo_t, _: *mut c_void) {}
    signals.iter().try_for_each(|signal| if is_caught(&action(*signal)?) { Ok(()) } else { handle(*signal, nothing) })
}

/// Makes the pipe and starts the thread that reads it.
fn start() -> io::Result<()> {
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
        for _ in 0..COME.swap(0, Ordering::Acquire) {
            all.retain_mut(|heard| heard());
        }
    }
}

/// Counts the signal and writes a byte to the pipe. If it is full, the thread has enough to do. Then comes the handler that was there before.
extern "C" fn tell(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    COME.fetch_add(1, Ordering::Release);
    // SAFETY: the address is that of this thread's `errno`, which lives as long as the thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: the handler runs on the thread whose `errno` it is, and nothing else holds a reference to it.
    let before = unsafe { *errno };
    // SAFETY: one byte is read, of a constant; the descriptor is never closed. The call may be made in a handler.
    unsafe { libc::write(PIPE.load(Ordering::Acquire), ptr::from_ref(&1_u8).cast(), 1) };
    // SAFETY: as above. What was interrupted may be about to read it.
    unsafe { *errno = before };
    if let Some(previous) = PREVIOUS.get(signal as usize).and_then(OnceLock::get) {
        // SAFETY: the system was to call this function for this signal, with these arguments; a handler without SA_SIGINFO
        // leaves the last two alone.
        let previous: Handler = unsafe { mem::transmute::<usize, Handler>(*previous) };
        previous(signal, info, context);
    }
}

/// Sets the handler of a signal. Calls that it interrupts are begun again.
fn handle(signal: c_int, handler: Handler) -> io::Result<()> {
    let before = action(signal)?;
    if before.sa_sigaction == handler as *const () as usize {
        return Ok(());
    }
    if is_caught(&before) {
        let _ = PREVIOUS[signal as usize].set(before.sa_sigaction);
    }
    // SAFETY: all of its fields are numbers, of which zero is one, or an `Option`.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = libc::SA_RESTART | libc::SA_SIGINFO;
    // SAFETY: `action` is whole, and `handler` is a function of what a handler with SA_SIGINFO is given. It takes no lock
    // and asks for no memory.
    let set = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Returns what is done at a signal now.
fn action(signal: c_int) -> io::Result<libc::sigaction> {
    // SAFETY: all of its fields are numbers, of which zero is one, or an `Option`.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: nothing is changed, and there is room for the answer.
    let got = unsafe { libc::sigaction(signal, ptr::null(), &raw mut action) };
    if got == 0 { Ok(action) } else { Err(io::Error::last_os_error()) }
}

/// Returns `true` if a function handles the signal.
fn is_caught(action: &libc::sigaction) -> bool {
    !matches!(action.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN)
}

//! Stack overflow of a program: a message with the program's name and what to do, and the end of the process. There is
//! no other way out of a full stack.
//!
//! An access to the guard raises a signal: SIGSEGV, or on FreeBSD and Apple's systems SIGBUS. Its handler runs on a stack
//! of its own and is async-signal-safe. It forwards every other fault to the previous handler, such as the standard
//! library's for the stacks of threads.

use std::cell::{Cell, RefCell};
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::header::Header;
use super::{GUARD, regions};

/// The signals of an access to a guard.
#[cfg(target_os = "linux")]
const SIGNALS: [libc::c_int; 1] = [libc::SIGSEGV];
#[cfg(not(target_os = "linux"))]
const SIGNALS: [libc::c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// The previous handlers of `SIGNALS`.
static BEFORE: [OnceLock<libc::sigaction>; SIGNALS.len()] = [const { OnceLock::new() }; SIGNALS.len()];

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    /// The stack of the handler, on threads that have none for signals.
    static OWN_STACK: RefCell<Option<SignalStack>> = const { RefCell::new(None) };
}

/// Makes an overflow on this thread report a message.
pub(super) fn watch() {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    // Not a `Once`: if the parent forked during the installation, the child would wait forever.
    if !INSTALLED.swap(true, Ordering::Relaxed) {
        for (signal, kept) in SIGNALS.into_iter().zip(&BEFORE) {
            let before = action(signal, None);
            // Before the handler is installed, which reads it.
            let _ = kept.set(before);
            let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = handle;
            action(
                signal,
                Some(&libc::sigaction {
                    sa_sigaction: handler as usize,
                    sa_flags: libc::SA_SIGINFO | libc::SA_ONSTACK,
                    ..before
                }),
            );
        }
    }
    // A thread of the standard library has such a stack if the library found no handler before its own.
    if !WATCHED.replace(true) && !SignalStack::is_there() {
        let _ = OWN_STACK.try_with(|own| *own.borrow_mut() = Some(SignalStack::new()));
    }
}

/// Sets the action for a signal, if `new` is given, and returns the previous one.
fn action(signal: libc::c_int, new: Option<&libc::sigaction>) -> libc::sigaction {
    let mut old = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: both pointers are null or valid for what the call reads or writes. The handler is the one below, or the
    // previous one.
    unsafe { libc::sigaction(signal, new.map_or(ptr::null(), ptr::from_ref), old.as_mut_ptr()) };
    // SAFETY: a structure of integers and pointers, for which all zeros are valid, and which the call has filled in.
    unsafe { old.assume_init() }
}

extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid pointer to a handler with `SA_SIGINFO`.
    let fault = unsafe { &*info };
    // SAFETY: a positive code means that the kernel found a bad access, and recorded its address.
    let address = (fault.si_code > 0).then(|| unsafe { fault.si_addr() }.addr());
    if let Some((_, end)) = address.and_then(|address| regions::guarded(address, GUARD)) {
        let header = ptr::with_exposed_provenance::<Header>(end - size_of::<Header>());
        // SAFETY: the header was written before the program began, and changes only for another program. This program
        // runs now: it has just overflowed this stack.
        tell(unsafe { &*header });
        // SAFETY: ends the process, as a handler may.
        unsafe { libc::abort() }
    }
    leave_to_others(signal, info, context);
}

fn leave_to_others(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    type Plain = extern "C" fn(libc::c_int);
    type Informed = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
    let before = SIGNALS.iter().position(|known| *known == signal).and_then(|place| BEFORE[place].get());
    let handler = before.map(|before| (before.sa_sigaction, before.sa_flags & libc::SA_SIGINFO != 0));
    match handler {
        None | Some((libc::SIG_DFL | libc::SIG_IGN, _)) => {
            // The access is repeated when this returns, and the process then ends as without this handler.
            let mut default = action(signal, None);
            default.sa_sigaction = libc::SIG_DFL;
            action(signal, Some(&default));
        }
        Some((handler, true)) => {
            // SAFETY: the system would have called it with this signature, for this signal.
            let handler = unsafe { mem::transmute::<usize, Informed>(handler) };
            handler(signal, info, context);
        }
        Some((handler, false)) => {
            // SAFETY: as above.
            let handler = unsafe { mem::transmute::<usize, Plain>(handler) };
            handler(signal);
        }
    }
}

/// Writes the message of a stack whose program has overflowed it.
fn tell(header: &Header) {
    for part in header.message(&mut [0; 24]) {
        // SAFETY: the bytes of a slice, to standard error, which a handler may write to. If that is closed, the
        // message is lost.
        unsafe { libc::write(libc::STDERR_FILENO, part.as_ptr().cast(), part.len()) };
    }
}

/// The stack for signal handlers of one thread.
struct SignalStack(Vec<u8>);

impl SignalStack {
    /// Enough for the handler above and for what the kernel saves, which is a few kilobytes on the largest processors.
    const SIZE: usize = 64 << 10;

    fn is_there() -> bool {
        SignalStack::set(None).ss_flags & libc::SS_DISABLE == 0
    }

    fn new() -> SignalStack {
        let mut stack = SignalStack(Vec::with_capacity(SignalStack::SIZE));
        let ss_sp = stack.0.spare_capacity_mut().as_mut_ptr().cast();
        SignalStack::set(Some(libc::stack_t { ss_sp, ss_flags: 0, ss_size: SignalStack::SIZE }));
        stack
    }

    /// Sets this thread's signal stack, if `new` is given, and returns the previous one.
    fn set(new: Option<libc::stack_t>) -> libc::stack_t {
        let new = new.as_ref().map_or(ptr::null(), ptr::from_ref);
        let mut old = MaybeUninit::<libc::stack_t>::zeroed();
        // SAFETY: both pointers are null or valid for what the call reads or writes. The memory lives until `drop`
        // takes it back.
        unsafe { libc::sigaltstack(new, old.as_mut_ptr()) };
        // SAFETY: a structure of integers and a pointer, for which all zeros are valid, and which the call has filled
        // in.
        unsafe { old.assume_init() }
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        SignalStack::set(Some(libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 }));
    }
}

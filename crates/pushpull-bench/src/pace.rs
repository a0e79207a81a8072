//! The pace of a side.

use std::fmt;
use std::hint;
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

/// What a side does between its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Nothing: the next call follows at once.
    Full,
    /// The side pauses after every `calls` calls.
    Paused {
        /// The number of calls before each pause.
        calls: u32,
        /// How long it pauses.
        pause: Duration,
    },
}

/// A shorter pause is spent computing: timers wake too late for it.
const SHORT: Duration = Duration::from_micros(20);

/// A longer pause would make the measurement too long.
const LONGEST: Duration = Duration::from_secs(10);

impl Pace {
    /// Returns the average pause per call.
    pub fn per_call(self) -> Duration {
        match self {
            Pace::Full => Duration::ZERO,
            Pace::Paused { calls, pause } => pause / calls,
        }
    }

    /// Returns the number of calls per pause.
    pub fn calls(self) -> u64 {
        match self {
            Pace::Full => 1,
            Pace::Paused { calls, .. } => calls.into(),
        }
    }

    /// Limits the pauses to `most`.
    pub fn hurried(self, most: Duration) -> Pace {
        match self {
            Pace::Full => self,
            Pace::Paused { calls, pause } => Pace::Paused { calls, pause: pause.min(most) },
        }
    }

    /// Returns the pause after the call with this number, counted from zero.
    pub fn after(self, call: u64) -> Option<Duration> {
        match self {
            Pace::Paused { calls, pause } if (call + 1).is_multiple_of(u64::from(calls)) => Some(pause),
            _ => None,
        }
    }
}

/// Waits for `time`. Returns `true` if the thread slept.
pub fn pause(time: Duration) -> bool {
    if time >= SHORT {
        thread::sleep(time);
        return true;
    }
    let start = Instant::now();
    while start.elapsed() < time {
        hint::spin_loop();
    }
    false
}

/// Parses `full`, `10ms` (after each call), or `16x10ms` (after every 16 calls).
impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Pace, String> {
        if text == "full" {
            return Ok(Pace::Full);
        }
        let wrong = || format!("expected a pace such as full, 10ms or 16x10ms, got {text:?}");
        let (calls, pause) = match text.split_once('x') {
            Some((calls, pause)) => (calls.parse().map_err(|_| wrong())?, pause),
            None => (1, text),
        };
        let pause = humantime::parse_duration(pause).map_err(|_| wrong())?;
        match (calls, pause) {
            (0, _) => Err(wrong()),
            (_, pause) if pause > LONGEST => Err(format!("expected a pause of at most 10 s, got {text:?}")),
            (_, Duration::ZERO) => Ok(Pace::Full),
            _ => Ok(Pace::Paused { calls, pause }),
        }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Pace::Full => f.write_str("full"),
            Pace::Paused { calls: 1, pause } => humantime::format_duration(pause).fmt(f),
            Pace::Paused { calls, pause } => write!(f, "{calls}x{}", humantime::format_duration(pause)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paces_parse_back_as_they_are_displayed() {
        let paused = |calls, millis| Pace::Paused { calls, pause: Duration::from_millis(millis) };
        for (text, pace) in [("full", Pace::Full), ("10ms", paused(1, 10)), ("16x2ms", paused(16, 2))] {
            assert_eq!((text.parse(), pace.to_string()), (Ok(pace), text.to_owned()));
        }
        assert_eq!("0s".parse(), Ok(Pace::Full));
        for text in ["", "fast", "10", "x2ms", "0x2ms", "-1ms", "2x", "11s", "1e9y"] {
            assert!(text.parse::<Pace>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_pause_follows_every_group_of_calls() {
        let pace = Pace::Paused { calls: 3, pause: Duration::from_millis(6) };
        let pauses: Vec<_> = (0..7).map(|call| pace.after(call).is_some()).collect();
        assert_eq!(pauses, [false, false, true, false, false, true, false]);
        assert_eq!(pace.per_call(), Duration::from_millis(2));
        assert_eq!((Pace::Full.after(0), Pace::Full.per_call()), (None, Duration::ZERO));
    }
}

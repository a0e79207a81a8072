//! Fits the user's workload into its time. Pauses take the same time on every bridge, so fewer bytes are written first,
//! then fewer settings are tried. A contender that would take all of the time alone is left out.

use std::time::Duration;

use crate::contender::Sizes;
use crate::effort::Effort;
use crate::entry::Entry;
use crate::pace::Pace;
use crate::workload::Workload;

/// A contender with its settings, and the number of writes to each bridge.
#[derive(Debug, Clone)]
pub struct Setting {
    pub contender: Entry,
    pub sizes: Sizes,
    pub writes: u64,
}

#[derive(Debug)]
pub struct Plan {
    pub settings: Vec<Setting>,
    pub left_out: Vec<String>,
    /// The estimated time of the minimum number of rounds.
    pub takes: Duration,
}

/// The estimated seconds to create and drop a bridge.
const BRIDGE: f64 = 20e-6;

/// The same for a bridge with a thread of its own.
const BRIDGE_OF_THREAD: f64 = 60e-6;

/// The estimated seconds per byte of one bridge, and of many bridges, whose bytes do not fit into a cache.
const BYTE: f64 = 0.2e-9;
const FAR_BYTE: f64 = 1e-9;

/// The search for a run time stops here.
const SHORTEST: f64 = 1e-6;

/// Chooses settings and numbers of writes that fit into `time`. The writes in `settings` are the maximum.
pub fn plan(workload: &Workload, mut settings: Vec<Setting>, effort: Effort, time: Duration) -> Plan {
    let run = time.as_secs_f64() / (effort.rounds + 1) as f64;
    let mut left_out = Vec::new();
    let least = |setting: &Setting| setting.least(workload).takes(workload);
    let alone = |mine: &&[Setting]| mine.iter().map(least).fold(f64::MAX, f64::min);
    let (in_time, late): (Vec<_>, Vec<_>) = of_contenders(&settings).partition(|mine| alone(mine) <= run);
    if !in_time.is_empty() && !late.is_empty() {
        let late = late.iter().map(|mine| mine[0].contender.name()).collect::<Vec<_>>().join(", ");
        settings = in_time.concat();
        left_out
            .push(format!("{late}: programs that share a thread pause one after the other, which would take too long"));
    }
    if settings.iter().map(least).sum::<f64>() > run {
        let usual = usual(&settings);
        if usual.len() < settings.len() {
            left_out.push("settings other than the defaults: they would take too long".to_owned());
        }
        settings = usual;
    }
    let mut longest = run;
    let within = |longest| settings.iter().map(|setting| setting.within(longest, workload)).collect::<Vec<_>>();
    let takes = |settings: &[Setting]| settings.iter().map(|setting| setting.takes(workload)).sum::<f64>();
    while longest > SHORTEST && takes(&within(longest)) > run {
        longest *= 0.8;
    }
    let settings = within(longest);
    let takes = Duration::from_secs_f64(takes(&settings) * (effort.rounds + 1) as f64);
    Plan { settings, left_out, takes }
}

/// Returns one setting of each contender.
fn usual(settings: &[Setting]) -> Vec<Setting> {
    let of_contender =
        |mine: &[Setting]| mine.iter().find(|setting| setting.sizes == Sizes::DEFAULT).unwrap_or(&mine[0]).clone();
    of_contenders(settings).map(of_contender).collect()
}

/// Returns the settings of each contender. They are not empty.
fn of_contenders(settings: &[Setting]) -> impl Iterator<Item = &[Setting]> {
    settings.chunk_by(|a, b| a.contender.name() == b.contender.name())
}

impl Setting {
    /// Returns the seconds of a run.
    fn takes(&self, workload: &Workload) -> f64 {
        self.moves(workload) + self.lives(workload)
    }

    /// Returns the seconds that do not depend on the number of writes.
    fn lives(&self, workload: &Workload) -> f64 {
        let bridge = if self.contender.has_threads() { BRIDGE_OF_THREAD } else { BRIDGE };
        bridge * workload.bridges as f64
    }

    /// Returns the seconds that grow with the number of writes.
    fn moves(&self, workload: &Workload) -> f64 {
        let Workload { write, writer, reader, bridges } = *workload;
        // A program that pauses blocks its thread, so programs on one thread pause one after the other.
        let in_turns = bridges.div_ceil(self.contender.about().placement.threads(bridges));
        let bytes = self.writes * write as u64;
        let pulls = bytes.div_ceil(self.sizes.chunk as u64);
        let byte = if bridges == 1 { BYTE } else { FAR_BYTE };
        writer.per_call().as_secs_f64() * self.writes as f64 * in_turns as f64
            + reader.per_call().as_secs_f64() * pulls as f64
            + byte * bytes as f64 * bridges as f64
    }

    /// Reduces the writes to the fewest that let each side pause once.
    fn least(&self, workload: &Workload) -> Setting {
        let a_pull = match workload.writer {
            Pace::Full => (self.sizes.chunk / workload.write).max(1) as u64,
            Pace::Paused { .. } => 1,
        };
        let least = workload.writer.calls().max(workload.reader.calls().saturating_mul(a_pull));
        Setting { writes: self.writes.min(least), ..self.clone() }
    }

    /// Reduces the writes to what a run of `longest` seconds has time for.
    fn within(&self, longest: f64, workload: &Workload) -> Setting {
        let part = (longest - self.lives(workload)).max(0.0) / self.moves(workload);
        if part >= 1.0 {
            return self.clone();
        }
        Setting { writes: self.least(workload).writes.max((self.writes as f64 * part) as u64), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contenders;
    use crate::questions::own;

    fn planned(workload: &str, effort: Effort) -> Plan {
        own::plan(&contenders::usual(), &workload.parse().unwrap(), effort, effort.total)
    }

    fn full(seconds: u64) -> Effort {
        Effort::full(Duration::from_secs(seconds))
    }

    #[test]
    fn writes_are_limited_by_the_time() {
        let workload = "write=4096,reader=10ms,bridges=1000";
        let [long, short] = [60, 5].map(|seconds| planned(workload, full(seconds)));
        assert!(long.takes <= Duration::from_secs(60) && short.takes <= Duration::from_secs(5), "{long:?}, {short:?}");
        let writes = |plan: &Plan| plan.settings.iter().map(|setting| setting.writes).max();
        assert!(writes(&short) < writes(&long) && writes(&long) <= Some(128), "{long:?}, {short:?}");
        let plain = planned("write=4096", full(60));
        assert!(plain.settings.iter().all(|setting| setting.writes == 1 << 14), "{plain:?}");
    }

    #[test]
    fn the_plan_says_how_long_a_workload_takes_that_does_not_fit() {
        let plan = planned("writer=10s", full(3));
        // One write each, in the discarded round and in three that count.
        assert_eq!(plan.settings.iter().map(|setting| setting.writes).collect::<Vec<_>>(), [1; 7]);
        assert_eq!(plan.takes.as_secs(), 7 * 4 * 10);
        assert_eq!(plan.left_out, ["settings other than the defaults: they would take too long"]);
    }

    #[test]
    fn a_contender_that_takes_all_of_the_time_is_left_out() {
        let plan = planned("writer=100ms,bridges=2000", full(60));
        assert!(plan.settings.iter().any(|setting| setting.contender.name() == "Thread"), "{plan:?}");
        assert!(plan.settings.iter().all(|setting| setting.contender.name() != "Local"), "{plan:?}");
        assert!(plan.left_out.iter().any(|left_out| left_out.starts_with("Local")), "{plan:?}");
    }

    #[test]
    fn a_quick_run_shortens_pauses() {
        for workload in ["reader=1s", "writer=10s", "writer=10s,reader=10s,bridges=100"] {
            let plan = planned(workload, Effort::QUICK);
            assert!(plan.takes <= Duration::from_secs(1), "{workload}: {plan:?}");
        }
    }
}

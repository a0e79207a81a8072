//! The measures of a bridge, and their units.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::quantity;
use super::statistics::Spread;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// The time of one unit of the question: a chunk, a bridge or a byte.
    Time,
    /// Bytes per second.
    Throughput,
    /// Wake-ups per mebibyte, of threads that slept and of tasks that waited.
    Wakes,
    /// The share of the time that the writer was blocked.
    Held,
    /// The maximum number of bytes in flight.
    InFlight,
    /// The median time from a write to the pull of its last byte.
    Latency,
    /// The 99th percentile of that time.
    SlowLatency,
}

impl Measure {
    /// Returns the name for people.
    pub fn name(self) -> &'static str {
        match self {
            Measure::Time => "time",
            Measure::Throughput => "throughput",
            Measure::Wakes => "wake-ups per MiB",
            Measure::Held => "writer blocked",
            Measure::InFlight => "maximum in flight",
            Measure::Latency => "latency, median",
            Measure::SlowLatency => "latency, 99th percentile",
        }
    }

    /// Returns the unit of its values.
    pub fn unit(self) -> Unit {
        match self {
            Measure::Time | Measure::Latency | Measure::SlowLatency => Unit::Seconds,
            Measure::Throughput => Unit::BytesPerSecond,
            Measure::Wakes => Unit::PerMebibyte,
            Measure::Held => Unit::Part,
            Measure::InFlight => Unit::Bytes,
        }
    }

    /// Returns the factor by which `new` is worse than `old`, or `None` if the measure is neither good nor bad.
    pub fn worsening(self, old: f64, new: f64) -> Option<f64> {
        let (worse, than) = match self {
            Measure::Time | Measure::Latency | Measure::SlowLatency => (new, old),
            Measure::Throughput => (old, new),
            Measure::Wakes | Measure::Held | Measure::InFlight => return None,
        };
        (worse > 0.0 && than > 0.0).then(|| worse / than)
    }

    /// Returns a value with its unit, for people.
    pub fn show(self, value: f64) -> String {
        match self.unit() {
            Unit::Seconds => quantity::seconds(value),
            Unit::BytesPerSecond => quantity::per_second(value),
            Unit::Bytes => quantity::bytes(value),
            Unit::PerMebibyte => quantity::digits(value),
            Unit::Part => format!("{:.0} %", value * 100.0),
        }
    }
}

/// The unit of a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Bytes per second.
    BytesPerSecond,
    /// A number per mebibyte.
    PerMebibyte,
    /// Bytes.
    Bytes,
    /// A share from 0 to 1.
    Part,
}

/// The figures of one run.
pub type Sample = BTreeMap<Measure, f64>;

/// The figure of all runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The unit of all values.
    pub unit: Unit,
    /// The lower quartile.
    pub low: f64,
    /// The median of the rounds.
    pub median: f64,
    /// The upper quartile.
    pub high: f64,
    /// The samples in the order of the rounds: samples at the same index of two figures are from the same round.
    pub samples: Vec<f64>,
}

impl Figure {
    /// Creates the figure of these samples. Returns `None` if there are none.
    pub fn new(measure: Measure, samples: Vec<f64>) -> Option<Figure> {
        let Spread { low, middle: median, high } = Spread::of(&samples)?;
        Some(Figure { unit: measure.unit(), low, median, high, samples })
    }

    /// Returns the median and the middle half.
    pub fn spread(&self) -> Spread {
        Spread { low: self.low, middle: self.median, high: self.high }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_time_and_less_throughput_are_worse() {
        assert_eq!(Measure::Time.worsening(1.0, 2.0), Some(2.0));
        assert_eq!(Measure::Throughput.worsening(1.0, 2.0), Some(0.5));
        assert_eq!(Measure::InFlight.worsening(1.0, 2.0), None);
        assert_eq!(Measure::Time.worsening(0.0, 2.0), None);
    }
}

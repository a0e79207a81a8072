//! Scales: map figures to positions.

/// A mapping from a range of figures to the length of an axis.
#[derive(Debug, Clone, Copy)]
pub enum Scale {
    /// Equal factors have equal length.
    Log { low: f64, high: f64 },
    /// Starts at zero.
    Linear { high: f64 },
}

/// More labels would overlap.
const MAX_TICKS: usize = 6;

impl Scale {
    /// Returns a logarithmic scale that holds all positive values, or `None` without any.
    pub fn log(values: impl Iterator<Item = f64>) -> Option<Scale> {
        let (low, high) = bounds(values.filter(|value| *value > 0.0))?;
        // A margin; it also gives a range to values that are all the same.
        let air = (high / low).powf(0.06).max(1.15);
        Some(Scale::Log { low: low / air, high: high * air })
    }

    pub fn linear(values: impl Iterator<Item = f64>) -> Option<Scale> {
        let (_, high) = bounds(values)?;
        Some(Scale::Linear { high: if high > 0.0 { high * 1.08 } else { 1.0 } })
    }

    /// Returns the position from 0 to 1. A value outside the range is at the nearer end.
    pub fn place(self, value: f64) -> f64 {
        let place = match self {
            Scale::Log { low, high } if value > 0.0 => (value / low).ln() / (high / low).ln(),
            Scale::Log { .. } => 0.0,
            Scale::Linear { high } => value / high,
        };
        place.clamp(0.0, 1.0)
    }

    /// Returns round figures for the labels.
    pub fn ticks(self) -> Vec<f64> {
        match self {
            Scale::Log { low, high } => {
                let of_steps = |steps: &'static [f64]| {
                    decades(low, high).flat_map(move |decade| steps.iter().map(move |step| step * decade))
                };
                let within = |steps| of_steps(steps).filter(|tick| (low..=high).contains(tick)).collect::<Vec<_>>();
                let all = [within(&[1.0, 2.0, 5.0]), within(&[1.0, 3.0]), within(&[1.0])];
                if all[0].len() < 3 {
                    // Less than about a factor of ten: use equal steps, as on a linear scale.
                    let step = step((high - low) / 4.0);
                    return (0..)
                        .map(|n| ((low / step).ceil() + f64::from(n)) * step)
                        .take_while(|tick| *tick <= high)
                        .collect();
                }
                let fitting = all.iter().find(|ticks| ticks.len() <= MAX_TICKS).cloned();
                fitting.unwrap_or_else(|| all[2].iter().copied().step_by(2).collect())
            }
            Scale::Linear { high } => {
                let step = step(high / 4.0);
                (0..).map(|n| f64::from(n) * step).take_while(|tick| *tick <= high).collect()
            }
        }
    }
}

fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = values.filter(|value| value.is_finite());
    finite.map(|value| (value, value)).reduce(|(low, high), (value, _)| (low.min(value), high.max(value)))
}

fn decades(low: f64, high: f64) -> impl Iterator<Item = f64> {
    (low.log10().floor() as i32..=high.log10().ceil() as i32).map(|exponent| 10_f64.powi(exponent))
}

/// Returns the smallest round figure (1, 2 or 5 and zeros) that is not below `least`.
fn step(least: f64) -> f64 {
    let decade = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|digit| digit * decade).into_iter().find(|step| *step >= least).unwrap_or(10.0 * decade)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_a_position() {
        let scale = Scale::log([64.0, 1048576.0].into_iter()).unwrap();
        assert!(scale.place(64.0) > 0.0 && scale.place(1048576.0) < 1.0 && scale.place(0.0) == 0.0);
        let same = Scale::log([5.0, 5.0, 0.0, f64::NAN].into_iter()).unwrap();
        assert!((same.place(5.0) - 0.5).abs() < 1e-9);
        assert!(Scale::log([0.0].into_iter()).is_none() && Scale::linear([].into_iter()).is_none());
        assert_eq!(Scale::linear([0.0].into_iter()).unwrap().place(0.0), 0.0);
    }

    #[test]
    fn ticks_are_few_and_within_the_scale() {
        for (low, high) in [(1.0, 10.0), (3.0, 3.1), (1e-9, 1.0), (0.02, 900.0)] {
            let scale = Scale::log([low, high].into_iter()).unwrap();
            let ticks = scale.ticks();
            assert!((2..=MAX_TICKS).contains(&ticks.len()), "{low} to {high}: {ticks:?}");
            assert!(ticks.iter().all(|tick| (0.0..=1.0).contains(&scale.place(*tick))));
        }
        assert_eq!(Scale::linear([100.0].into_iter()).unwrap().ticks(), [0.0, 50.0, 100.0]);
    }
}

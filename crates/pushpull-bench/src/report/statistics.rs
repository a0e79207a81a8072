//! Statistics of a few samples from a noisy machine.

/// The median, and the middle half around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The lower quartile.
    pub low: f64,
    /// The median.
    pub middle: f64,
    /// The upper quartile.
    pub high: f64,
}

impl Spread {
    /// Returns the quartiles, or `None` without samples.
    pub fn of(samples: &[f64]) -> Option<Spread> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        let at = |part: f64| {
            let place = part * last as f64;
            let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Some(Spread { low: at(0.25), middle: at(0.5), high: at(0.75) })
    }

    /// Returns the quartiles of the ratios, pair by pair: a disturbance of both samples does not change their ratio.
    pub fn of_ratios(over: &[f64], under: &[f64]) -> Option<Spread> {
        let pairs = over.iter().zip(under).filter(|(_, under)| **under > 0.0);
        Spread::of(&pairs.map(|(over, under)| over / under).collect::<Vec<_>>())
    }

    /// Returns the width of the middle half, relative to the median.
    pub fn width(self) -> f64 {
        if self.middle == 0.0 { 0.0 } else { (self.high - self.low) / self.middle.abs() }
    }
}

/// Returns the median.
pub fn median(samples: &[f64]) -> Option<f64> {
    Spread::of(samples).map(|spread| spread.middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles() {
        let spread = |samples: &[f64]| Spread::of(samples).map(|spread| (spread.low, spread.middle, spread.high));
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[5.0]), Some((5.0, 5.0, 5.0)));
        assert_eq!(spread(&[5.0, 1.0, 4.0, 2.0, 3.0]), Some((2.0, 3.0, 4.0)));
        assert_eq!(spread(&[1.0, 2.0]), Some((1.25, 1.5, 1.75)));
        assert_eq!(Spread::of(&[2.0, 3.0, 4.0]).unwrap().width(), 1.0 / 3.0);
    }

    #[test]
    fn a_disturbance_of_both_samples_does_not_change_their_ratio() {
        let ours = [10.0, 30.0, 20.0];
        let theirs = [20.0, 60.0, 40.0];
        assert_eq!(Spread::of_ratios(&ours, &theirs), Spread::of(&[0.5]));
        assert_eq!(Spread::of_ratios(&ours, &[0.0; 3]), None);
    }
}

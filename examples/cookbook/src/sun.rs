//! A table to download: the position of the sun over Greenwich, minute by minute, since the first of January 2000.
//!
//! It uses the low-precision formulas for the sun's coordinates and the sidereal time in the *Astronomical Almanac*
//! (also at the U.S. Naval Observatory, "Computing Approximate Solar Coordinates"). They are accurate to about a
//! hundredth of a degree for two centuries around the year 2000.

use serde::Serialize;
use time::macros::date;
use time::{Date, Duration};

/// The first day of the table.
const FIRST: Date = date!(2000 - 01 - 01);

/// The latitude of the observatory. Its longitude is zero.
const LATITUDE: f64 = 51.4769;

/// The number of rows per day.
pub const ROWS: u32 = 24 * 60;

/// One day of the table.
#[derive(Debug, Clone, Copy)]
pub struct Day {
    date: Date,
    /// The number of days since the first day of the table.
    number: u32,
}

/// One row: angles in degrees.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The time in UTC.
    pub time: String,
    /// The declination: the angle north of the equator.
    pub declination: f64,
    /// The elevation above the horizon.
    pub elevation: f64,
    /// The azimuth, from north over east.
    pub azimuth: f64,
}

/// Returns the first `count` days of the table.
pub fn days(count: u32) -> impl Iterator<Item = Day> + Send + Clone + 'static {
    (0..count).map(|number| Day { date: FIRST + Duration::days(number.into()), number })
}

/// Returns the rows of the first `count` days.
pub fn rows(count: u32) -> impl Iterator<Item = Row> + Send + Clone + 'static {
    days(count).flat_map(Day::rows)
}

impl Day {
    /// Returns the date.
    pub fn date(self) -> Date {
        self.date
    }

    /// Returns a row per minute.
    pub fn rows(self) -> impl Iterator<Item = Row> + Send + Clone + 'static {
        (0..ROWS).map(move |minute| self.row(minute))
    }

    fn row(self, minute: u32) -> Row {
        // Days since noon of the first day, the epoch J2000.0.
        let since = f64::from(self.number) - 0.5 + f64::from(minute) / f64::from(ROWS);
        let anomaly = (357.528 + 0.985_600_3 * since).to_radians();
        let longitude =
            (280.460 + 0.985_647_4 * since + 1.915 * anomaly.sin() + 0.020 * (2.0 * anomaly).sin()).to_radians();
        let obliquity = (23.439 - 0.000_000_4 * since).to_radians();
        let ascension = (obliquity.cos() * longitude.sin()).atan2(longitude.cos());
        let declination = (obliquity.sin() * longitude.sin()).asin();
        let sidereal = (15.0 * (18.697_374_558 + 24.065_709_824_419_08 * since)).to_radians();
        let hour = sidereal - ascension;
        let latitude = LATITUDE.to_radians();
        let height = latitude.sin() * declination.sin() + latitude.cos() * declination.cos() * hour.cos();
        let azimuth = (-hour.sin()).atan2(declination.tan() * latitude.cos() - latitude.sin() * hour.cos());
        Row {
            time: format!("{}T{:02}:{:02}Z", self.date, minute / 60, minute % 60),
            declination: rounded(declination),
            elevation: rounded(height.asin()),
            azimuth: rounded(azimuth.rem_euclid(std::f64::consts::TAU)),
        }
    }
}

/// Converts to degrees with four decimals: more would pretend a higher accuracy.
fn rounded(radians: f64) -> f64 {
    (radians.to_degrees() * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(day: usize, minute: usize) -> Row {
        rows(400).nth(day * ROWS as usize + minute).unwrap()
    }

    #[test]
    fn the_sun_is_at_its_known_positions() {
        // The solstice of 2000 was on the 21st of June at 01:48, and noon in Greenwich two minutes after twelve.
        let noon = row(31 + 29 + 31 + 30 + 31 + 20, 12 * 60 + 2);
        assert_eq!(noon.time, "2000-06-21T12:02Z");
        assert!((noon.declination - 23.44).abs() < 0.01, "{noon:?}");
        assert!((noon.elevation - (90.0 - LATITUDE + 23.44)).abs() < 0.02, "{noon:?}");
        assert!((noon.azimuth - 180.0).abs() < 0.5, "{noon:?}");
        // The equinox: the 20th of March at 07:35.
        let equinox = row(31 + 29 + 19, 7 * 60 + 35);
        assert_eq!(equinox.time, "2000-03-20T07:35Z");
        assert!(equinox.declination.abs() < 0.01, "{equinox:?}");
        assert!(equinox.elevation > 0.0 && equinox.azimuth > 90.0, "after sunrise: {equinox:?}");
    }
}

//! What can be wrong with the options.

use std::fmt;

/// What is wrong with the options. The command line and a file name an option in their own ways.
#[derive(Debug)]
pub enum Wrong {
    Value {
        name: String,
        value: String,
        expected: String,
    },
    /// An option that does not fit the others. `why` has the names of options as on the command line.
    Use {
        name: &'static str,
        why: &'static str,
    },
    /// A value that names something unusable.
    Named {
        name: &'static str,
        what: String,
    },
    Other(String),
}

impl Wrong {
    /// Returns the words that may be the names of the options.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let name = match self {
            Wrong::Value { name, .. } => name,
            Wrong::Use { name, .. } | Wrong::Named { name, .. } => *name,
            Wrong::Other(_) => "",
        };
        name.split_whitespace().map(|word| word.trim_start_matches("--"))
    }

    /// Returns the message about a file, in which names have no dashes.
    pub fn in_file(&self) -> String {
        match self {
            Wrong::Value { name, value, expected } => format!("{name:?} is {value}: expected {expected}"),
            Wrong::Use { .. } => self.to_string().replace("--", ""),
            Wrong::Named { .. } | Wrong::Other(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Value { name, value, expected } => {
                write!(f, "invalid value {value} for --{name}: expected {expected}")
            }
            Wrong::Use { name, why } => write!(f, "cannot use --{name} {why}"),
            Wrong::Named { what, .. } | Wrong::Other(what) => f.write_str(what),
        }
    }
}

impl From<Wrong> for String {
    fn from(wrong: Wrong) -> String {
        wrong.to_string()
    }
}

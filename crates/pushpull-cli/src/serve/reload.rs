//! Reads the configuration file again on SIGHUP.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use pushpull_gateway::ErrorStream;
use pushpull_gateway::host::Shutdown;

use super::config::{Config, Configuration, Keys};
use super::notify::Manager;
use super::served::Served;
use crate::log::Log;

/// How often it is looked whether what was replaced still runs.
const INTERVAL: Duration = Duration::from_secs(1);

/// Everything that a reload needs.
pub struct Reload {
    pub config: Config,
    /// The keys of the server that were in force at the start.
    pub keys: Keys,
    pub served: Served,
    /// The log of the applications, unless a front server has one.
    pub error_log: Option<ErrorStream>,
    pub manager: Manager,
    pub log: Log,
    pub shutdown: Shutdown,
}

impl Reload {
    /// Reloads at each hangup. Never returns while the sender exists.
    pub fn run(self, hangups: &Receiver<()>) {
        let mut is_retiring = false;
        loop {
            let time = if is_retiring { INTERVAL } else { Duration::MAX };
            match hangups.recv_timeout(time) {
                Ok(()) if self.shutdown.has_begun() => {}
                Ok(()) => {
                    self.manager.reloads();
                    match self.reload() {
                        Ok(count) => self.log.note(&format_args!("reloaded {}: {count} mounts", self.config.name)),
                        Err(error) => self.log.trouble(&format_args!("cannot reload: {error}; nothing has changed")),
                    }
                    self.manager.is_ready();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            is_retiring = self.served.drop_idle();
        }
    }

    /// Replaces what is served. Returns the number of mounts.
    fn reload(&self) -> Result<usize, String> {
        let Configuration { apps, keys, .. } = self.config.read()?;
        if let Some(key) = self.changed(&keys) {
            return Err(format!("{}: {key:?} has changed: expected a restart", self.config.name));
        }
        let count = apps.len();
        self.served.replace(super::mounted(&apps, self.error_log.as_ref()));
        Ok(count)
    }

    /// Returns a key of the server whose values differ from those in force.
    fn changed<'a>(&'a self, keys: &'a Keys) -> Option<&'a String> {
        let all = self.keys.keys().chain(keys.keys());
        all.filter(|key| self.keys.get(*key) != keys.get(*key)).min()
    }
}

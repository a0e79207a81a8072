//! Reads the configuration file and the certificate again on SIGHUP.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use pushpull_gateway::ErrorStream;
use pushpull_gateway::host::Shutdown;

use super::config::{Config, Keys};
use super::notify::Manager;
use super::served::Served;
use super::tls::{Certified, Tls};
use crate::log::Log;

/// How often it is looked whether what was replaced still runs.
const INTERVAL: Duration = Duration::from_secs(1);

/// Everything that a reload needs.
pub struct Reload {
    /// The file, with the keys of the server that were in force at the start.
    pub config: Option<(Config, Keys)>,
    /// The time that the server waits for request bodies.
    pub timeout_idle: Duration,
    /// The certificate of the start, and what uses it.
    pub certified: Option<Certified>,
    pub tls: Option<Tls>,
    pub served: Served,
    /// The log of the applications, unless a front server has one, and that of their workers.
    pub error_log: Option<ErrorStream>,
    pub workers_log: ErrorStream,
    pub manager: Manager,
    pub log: Log,
    pub shutdown: Shutdown,
}

impl Reload {
    /// Returns `true` if there is something to reload.
    pub fn is_possible(&self) -> bool {
        self.config.is_some() || self.certified.is_some()
    }

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
                        Ok(what) => self.log.note(&format_args!("reloaded {what}")),
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

    /// Replaces what is served, and the certificate. Returns what was reloaded.
    fn reload(&self) -> Result<String, String> {
        let Some((config, keys)) = &self.config else {
            let certified = self.certified.as_ref().map(Certified::again).transpose()?;
            let name = certified.as_ref().map(Certified::name).unwrap_or_default();
            self.certify(certified);
            return Ok(name);
        };
        let new = config.read()?;
        if let Some(key) = changed(keys, &new.keys) {
            return Err(format!("{}: {key:?} has changed: expected a restart", config.name));
        }
        if new.settings.client_limits.get_timeout_idle() > self.timeout_idle {
            return Err(format!(
                "{}: \"timeout-idle\" is longer than any at the start: expected a restart",
                config.name
            ));
        }
        let (count, s) = (new.apps.len(), if new.apps.len() == 1 { "" } else { "s" });
        self.served
            .replace(|| Ok(super::mounted(super::started(new.apps, &self.workers_log)?, self.error_log.as_ref())))?;
        self.certify(new.settings.certified);
        Ok(format!("{}: {count} mount{s}", config.name))
    }

    fn certify(&self, certified: Option<Certified>) {
        if let (Some(certified), Some(tls)) = (certified, &self.tls) {
            certified.trouble().iter().for_each(|trouble| self.log.trouble(trouble));
            certified.replace(tls);
        }
    }
}

/// Returns a key of the server whose values differ. Those of TLS are files, which are read again.
fn changed<'a>(old: &'a Keys, new: &'a Keys) -> Option<&'a String> {
    let differs = |key: &&String| match (old.get(*key), new.get(*key)) {
        (Some(_), Some(_)) if key.starts_with("tls-") => false,
        (old, new) => old != new,
    };
    old.keys().chain(new.keys()).filter(differs).min()
}

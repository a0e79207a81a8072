//! Starts PHP's own FastCGI server.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::host::wait_until;

/// The place of `php-fpm` on Debian.
pub const FPM: &str = "/usr/sbin/php-fpm8.2";

/// The number of workers.
const WORKERS: usize = 2;

pub struct Fpm {
    master: Child,
    directory: TempDir,
}

impl Fpm {
    /// Starts `php-fpm` with these settings, in a directory for all files of it and its applications. `prepare` fills
    /// the directory.
    pub fn start(prepare: impl FnOnce(&Fpm), settings: &[(&str, &str)]) -> Fpm {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        // A placeholder until the configuration exists.
        let master = Command::new("true").spawn().unwrap();
        let mut fpm = Fpm { master, directory };
        for name in ["sessions", "temporary"] {
            fs::create_dir(fpm.path(name)).unwrap();
        }
        prepare(&fpm);
        let at = fpm.place("");
        let mut text = format!(
            "[global]\nerror_log = {at}log\ndaemonize = no\n[www]\nlisten = {at}socket\npm = static\n\
             pm.max_children = {WORKERS}\nphp_admin_value[session.save_path] = {at}sessions\nphp_admin_value[upload_tmp_dir] = {at}temporary\n"
        );
        // A master that runs as root needs a user for its workers.
        if rustix::process::geteuid().is_root() {
            text += "user = root\ngroup = root\n";
        }
        for (name, value) in settings {
            text += &format!("php_admin_value[{name}] = \"{}\"\n", value.replace("AT/", &at));
        }
        fs::write(fpm.path("fpm.conf"), text).unwrap();
        fpm.master.wait().unwrap();
        fpm.master = Command::new(FPM)
            .args(["-F", "-R", "-d", &format!("sys_temp_dir={}", fpm.place("temporary")), "-y"])
            .arg(fpm.path("fpm.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("PHP listens", || UnixStream::connect(fpm.path("socket")).is_ok());
        fpm
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Returns the directory as a string.
    pub fn place(&self, name: &str) -> String {
        self.path(name).into_os_string().into_string().unwrap()
    }

    /// Returns the address for `--upstream`.
    pub fn address(&self) -> String {
        format!("fastcgi://unix:{}", self.place("socket"))
    }
}

impl Drop for Fpm {
    fn drop(&mut self) {
        // Let the master stop its workers.
        if let Some(id) = rustix::process::Pid::from_raw(self.master.id() as i32) {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        let _ = self.master.wait();
    }
}

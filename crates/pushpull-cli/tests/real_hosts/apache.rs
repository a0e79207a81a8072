//! Apache's httpd.

use std::process::Command;

use super::server::{Place, Server, put_app};
use pushpull_testing::needed::place;

const COMMON: &str = r#"
ServerRoot DIRECTORY
ServerName localhost
DefaultRuntimeDir DIRECTORY
PidFile DIRECTORY/apache.pid
ErrorLog DIRECTORY/error.log
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
Timeout 60
MaxKeepAliveRequests 0
StartServers 1
ServerLimit 2
ThreadLimit 100
ThreadsPerChild 100
MaxRequestWorkers 200
"#;

/// Since 2.4.59, a program's Content-Length is dropped unless it is trusted. Without it, a truncation is invisible.
const CGID: &str = r#"
LoadModule env_module /usr/lib/apache2/modules/mod_env.so
SetEnv ap_trust_cgilike_cl 1
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LoadModule cgid_module /usr/lib/apache2/modules/mod_cgid.so
ScriptSock DIRECTORY/cgid
ScriptAlias /app DIRECTORY/app
<Directory DIRECTORY>
    Require all granted
</Directory>
"#;

/// Runs the application as a CGI program.
pub fn cgid() -> Server {
    start(|place| {
        put_app(&place.file("app"));
        CGID.to_owned()
    })
}

/// Passes requests to a responder of `protocol`, "fcgi" or "scgi".
pub fn proxy(protocol: &str, responder: &str) -> Server {
    start(|_| {
        // Only FastCGI keeps connections and can switch buffering off.
        let options = if protocol == "fcgi" { "enablereuse=on flushpackets=on" } else { "" };
        format!(
            "LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so\n\
             LoadModule proxy_{protocol}_module /usr/lib/apache2/modules/mod_proxy_{protocol}.so\n\
             ProxyPass /app {protocol}://{responder}/app {options}\n"
        )
    })
}

fn start(more: impl Fn(&Place<'_>) -> String) -> Server {
    let program = place("apache2").unwrap();
    Server::start(|place| {
        let user = if rustix::process::getuid().is_root() { "User nobody\nGroup nogroup\n" } else { "" };
        let text = format!("Listen 127.0.0.1:{}\n{COMMON}{user}{}", place.port, more(place));
        let config = place.write("apache.conf", &text);
        let mut command = Command::new(&program);
        command.args(["-D", "FOREGROUND", "-f"]).arg(config);
        command
    })
}

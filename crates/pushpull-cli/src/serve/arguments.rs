//! Parses and checks the command line of `serve`.

use std::ffi::{OsStr, OsString};
use std::mem::take;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};
use pushpull_gateway::host::{Address, BadAddress, ClientLimits, MAX_THREADS};
use pushpull_gateway::{BodyPolicy, ExitStatus, Mount, ProgramLimits, Script, Upstream};

use super::app::App;

pub const HELP: &str = "\
Serves a CGI program or a FastCGI application over HTTP, FastCGI or SCGI.

Usage: pushpull serve [OPTIONS] -- PROGRAM [ARGUMENTS]...
       pushpull serve [OPTIONS] --upstream fastcgi://ADDRESS [--root DIRECTORY]

A CGI program (RFC 3875) is started once per request. HTTP clients use HTTP/1.1
or HTTP/2. With FastCGI and SCGI, a front server such as nginx, Apache, lighttpd
or HAProxy passes the requests on.

Examples:
  pushpull serve -- ./hello.cgi
  pushpull serve --listen 0.0.0.0:8000 --mount /hello --max-programs 16 \\
      -- ./hello.cgi
  pushpull serve --request-body stream --env GIT_PROJECT_ROOT=/srv/git \\
      --env GIT_HTTP_EXPORT_ALL=1 -- git http-backend
  pushpull serve --protocol fastcgi --listen unix:/run/hello.sock -- ./hello.cgi
  pushpull serve --protocol scgi --listen 127.0.0.1:4000 \\
      --accept-param DOCUMENT_ROOT -- ./hello.cgi
  pushpull serve --upstream fastcgi://unix:/run/php/php8.2-fpm.sock \\
      --root /srv/www
  pushpull serve --env REDIRECT_STATUS=200 \\
      --env SCRIPT_FILENAME=/srv/www/index.php -- php-cgi

Server:
  --protocol PROTOCOL     http, fastcgi or scgi (default: http)
  --listen ADDRESS        HOST:PORT, where port 0 takes a free port and prints
                          it; or unix:PATH, a socket created with mode 0660 and
                          removed at exit (default: 127.0.0.1:8080)
  --mount /PREFIX         path prefix that is served; it becomes SCRIPT_NAME
                          (default: every path; with FastCGI and SCGI, the
                          front server splits the path)
  --health /PATH          path of the health check, answered without a program:
                          200, or 503 while stopping (default: none)
  --threads N             threads that serve (default: one per core,
                          maximum: 1024)
  --help                  prints this text

Program:
  --request-body HOW      spool: the whole body is taken before the program
                          starts; stream: the program starts at once; reject: as
                          stream, but a body without a length is answered with
                          411 (default: spool)
  --env NAME=VALUE        variable for the program; repeatable
  --pass-env NAME         variable of this process for the program, besides
                          PATH, TZ, LANG and LC_ALL; repeatable
  --pass-authorization    passes the Authorization field on (default: off; http
                          only: with FastCGI and SCGI, the front server decides)
  --directory DIRECTORY   working directory (default: the program's directory)
  --exit-status cut|log   cut: a failing exit status truncates the response,
                          unless the response is complete by its Content-Length
                          or is an error page; log: it is only logged
                          (default: cut)

Front server (FastCGI and SCGI; SCRIPT_FILENAME does not choose the program):
  --accept-param NAME     parameter to accept besides those of RFC 3875,
                          REQUEST_URI, REMOTE_PORT and HTTP_*; repeatable
  --no-multiplex          one request at a time per connection (FastCGI only)

Upstream (a running FastCGI application such as php-fpm, instead of a program):
  --upstream fastcgi://A  fastcgi://HOST:PORT or fastcgi://unix:PATH
  --root DIRECTORY        directory of the scripts: the first *.php below the
                          mount that is a regular file is requested, and the
                          rest of the path is PATH_INFO. For a directory, its
                          index.php is requested. Anything else is answered
                          with 404, and links are not followed (default: none;
                          the application gets every request)
  --max-idle N            idle connections, each kept for 10 s (default: 0).
                          Keep 0 for PHP: a script that works on after
                          fastcgi_finish_request delays the next request

  With --upstream, --env sets a parameter and --max-programs limits requests.
  --pass-env, --directory and --kill-grace need a program.

Limits of the program (S in seconds, maximum: 1000000000):
  --timeout-first-byte S  time until the response begins, else 504 (default: 60)
  --timeout-idle S        time between two pieces of the response, or of the
                          request body (default: 60)
  --timeout-total S       time for the whole run of a program (default: none)
  --timeout-work S        time that a program may work on after its response is
                          complete (default: none)
  --max-programs N        programs that run at a time, else 503 (default: 256)
  --max-head BYTES        size of the response head, else 502 (default: 65536)
  --kill-grace S          time from SIGTERM to SIGKILL when a program is stopped
                          (default: 3)

Limits of the client:
  --timeout-head S        time until the whole head of a request has arrived,
                          since the connection began or the last response ended;
                          with FastCGI and SCGI, since its first byte
                          (default: 10)
  --timeout-client S      time in which a client takes nothing of a response; a
                          slow client is not cut (default: 60)
  --max-body BYTES        size of a request body, else 413 (default: 1073741824)
  --max-connections N     open connections; one more is answered with 503, or
                          closed with FastCGI and SCGI (default: 10000)

Stopping (on SIGTERM, SIGINT, SIGHUP or SIGQUIT; a second signal stops at once):
  --shutdown-notice S     time in which only the answer of --health changes
                          (default: 0)
  --shutdown-grace S      time after that for running responses, and for
                          programs that work on (default: 10)

Each request is logged on standard output: time, client, request, status, bytes,
duration, and how it ended: done, cut (by the program or a limit), or gone (the
client). Errors and the standard error of programs go to standard error.
";

pub struct Arguments {
    pub speaks: Speaks,
    pub listen: Address,
    pub threads: Option<usize>,
    /// The path of the health check.
    pub health: Option<String>,
    pub app: App,
    pub client_limits: ClientLimits,
    /// The maximum number of running programs.
    pub max_programs: usize,
}

/// The protocol with its settings.
pub enum Speaks {
    Http,
    FastCgi { front: Front, multiplexes: bool },
    Scgi { front: Front },
}

/// The settings for front servers.
pub struct Front {
    pub mount: Option<Mount>,
    pub accepted: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http,
    FastCgi,
    Scgi,
}

pub enum Wish {
    Serve(Box<Arguments>),
    Help,
}

/// The options as given. A script is created only once its program is known.
struct Said {
    protocol: Protocol,
    listen: Address,
    threads: Option<usize>,
    health: Option<String>,
    mount: Option<Mount>,
    authorization: bool,
    accepted: Vec<String>,
    multiplexes: bool,
    request_body: BodyPolicy,
    exit_status: ExitStatus,
    set: Vec<(OsString, OsString)>,
    passed: Vec<OsString>,
    directory: Option<OsString>,
    upstream: Option<Address>,
    root: Option<OsString>,
    max_idle: Option<usize>,
    kill_grace: Option<Duration>,
    program_limits: ProgramLimits,
    client_limits: ClientLimits,
}

pub fn parse(mut parser: Parser) -> Result<Wish, String> {
    let mut said = Said {
        protocol: Protocol::Http,
        listen: Address::Tcp("127.0.0.1:8080".to_owned()),
        threads: None,
        health: None,
        mount: None,
        authorization: false,
        accepted: Vec::new(),
        multiplexes: true,
        request_body: BodyPolicy::default(),
        exit_status: ExitStatus::default(),
        set: Vec::new(),
        passed: Vec::new(),
        directory: None,
        upstream: None,
        root: None,
        max_idle: None,
        kill_grace: None,
        program_limits: ProgramLimits::new(),
        client_limits: ClientLimits::new(),
    };
    loop {
        match parser.next().map_err(crate::unclear)? {
            Some(Arg::Long("help") | Arg::Short('h')) => return Ok(Wish::Help),
            Some(Arg::Value(program)) => {
                // The rest are the program's arguments, even if they look like options.
                let arguments = parser.raw_args().map_err(crate::unclear)?.collect();
                let app = said.script(program, arguments)?;
                return said.complete(app).map(|arguments| Wish::Serve(Box::new(arguments)));
            }
            Some(Arg::Long(name)) => {
                let name = name.to_owned();
                said.take(&name, &mut parser)?;
            }
            Some(other) => return Err(crate::unclear(other.unexpected())),
            None => {
                let app = said.upstream()?;
                return said.complete(app).map(|arguments| Wish::Serve(Box::new(arguments)));
            }
        }
    }
}

impl Said {
    /// Parses one option.
    fn take(&mut self, name: &str, parser: &mut Parser) -> Result<(), String> {
        let mut value = || parser.value().map_err(|_| crate::missing(name, expected(name)));
        let (of_program, of_client) = (&mut self.program_limits, &mut self.client_limits);
        match name {
            "protocol" => {
                let protocols = [("http", Protocol::Http), ("fastcgi", Protocol::FastCgi), ("scgi", Protocol::Scgi)];
                self.protocol = choice(name, &value()?, &protocols)?;
            }
            "listen" => {
                let listen = text(name, value()?)?;
                self.listen = listen.parse().map_err(|_: BadAddress| invalid(name, listen))?;
            }
            "accept-param" => self.accepted.push(text(name, bare(name, value()?)?)?),
            "no-multiplex" => self.multiplexes = false,
            "threads" => {
                let number = value()?;
                let threads = number.to_str().and_then(|text| text.parse().ok());
                let threads = threads.filter(|threads| (1..=MAX_THREADS).contains(threads));
                self.threads = Some(threads.ok_or_else(|| invalid(name, number))?);
            }
            "health" => self.health = Some(path(name, value()?)?),
            "mount" => {
                let mount = text(name, value()?)?;
                self.mount = Some(Mount::at(&mount).map_err(|_| invalid(name, mount))?);
            }
            "pass-authorization" => self.authorization = true,
            "request-body" => {
                let ways =
                    [("spool", BodyPolicy::Spool), ("stream", BodyPolicy::Stream), ("reject", BodyPolicy::Reject)];
                self.request_body = choice(name, &value()?, &ways)?;
            }
            "exit-status" => {
                self.exit_status = choice(name, &value()?, &[("cut", ExitStatus::Cut), ("log", ExitStatus::Log)])?;
            }
            "env" => self.set.push(variable(name, &value()?)?),
            "pass-env" => self.passed.push(bare(name, value()?)?),
            "upstream" => self.upstream = Some(upstream(name, text(name, value()?)?)?),
            "root" => self.root = Some(value()?),
            "max-idle" => {
                let most = usize::try_from(whole(name, value()?)?);
                self.max_idle =
                    Some(most.map_err(|_| format!("--{name} is too large: expected at most {}", usize::MAX))?);
            }
            "directory" => self.directory = Some(value()?),
            "timeout-first-byte" => *of_program = take(of_program).timeout_first_byte(positive(name, value()?)?),
            "timeout-idle" => {
                let time = positive(name, value()?)?;
                *of_program = take(of_program).timeout_idle(time);
                *of_client = take(of_client).timeout_idle(time);
            }
            "timeout-work" => *of_program = take(of_program).timeout_work(positive(name, value()?)?),
            "timeout-total" => *of_program = take(of_program).timeout_total(positive(name, value()?)?),
            "max-programs" => *of_program = take(of_program).max_programs(number(name, value()?)?),
            "max-head" => *of_program = take(of_program).max_head(number(name, value()?)?),
            "max-body" => *of_program = take(of_program).max_body(whole(name, value()?)?),
            "kill-grace" => self.kill_grace = Some(seconds(name, value()?)?),
            "timeout-head" => *of_client = take(of_client).timeout_head(positive(name, value()?)?),
            "timeout-client" => *of_client = take(of_client).timeout_client(positive(name, value()?)?),
            "max-connections" => *of_client = take(of_client).max_connections(number(name, value()?)?),
            "shutdown-notice" => *of_client = take(of_client).shutdown_notice(seconds(name, value()?)?),
            "shutdown-grace" => *of_client = take(of_client).shutdown_grace(seconds(name, value()?)?),
            _ => return Err(format!("unknown option --{name}; try --help")),
        }
        Ok(())
    }

    /// Creates the application that starts a program.
    fn script(&self, program: OsString, arguments: Vec<OsString>) -> Result<App, String> {
        let is_said = [self.upstream.is_some(), self.root.is_some(), self.max_idle.is_some()];
        if let Some((name, _)) = ["upstream", "root", "max-idle"].iter().zip(is_said).find(|(_, is_said)| *is_said) {
            return Err(format!("cannot use --{name} with program {program:?}: expected --upstream and no program"));
        }
        let limits = self.kill_grace.iter().fold(self.program_limits.clone(), |limits, time| limits.kill_grace(*time));
        let mut script = Script::new(program)
            .map_err(|error| format!("{error}; expected an executable file, such as ./hello.cgi, or a name in PATH"))?
            .args(arguments)
            .mount(self.mount())
            .request_body(self.request_body)
            .exit_status(self.exit_status)
            .limits(limits);
        for name in &self.passed {
            script = script.pass_env(name);
        }
        for (name, value) in &self.set {
            script = script.env(name, value).map_err(|error| error.to_string())?;
        }
        if let Some(directory) = &self.directory {
            script = script.directory(directory).map_err(|error| format!("{error}; expected a directory"))?;
        }
        Ok(App::Script(script))
    }

    /// Creates the application that connects to an upstream.
    fn upstream(&mut self) -> Result<App, String> {
        let Some(address) = self.upstream.take() else {
            return Err("missing program: expected PROGRAM or --upstream; try --help".to_owned());
        };
        let is_said = [!self.passed.is_empty(), self.directory.is_some(), self.kill_grace.is_some()];
        if let Some((name, _)) =
            ["pass-env", "directory", "kill-grace"].iter().zip(is_said).find(|(_, is_said)| *is_said)
        {
            return Err(format!("cannot use --{name} with --upstream: expected a program"));
        }
        let mut upstream = Upstream::at(address)
            .mount(self.mount())
            .request_body(self.request_body)
            .exit_status(self.exit_status)
            .limits(self.program_limits.clone());
        for (name, value) in &self.set {
            upstream = upstream.param(name.as_bytes(), value.as_bytes()).map_err(|error| error.to_string())?;
        }
        if let Some(most) = self.max_idle {
            upstream = upstream.max_idle(most);
        }
        if let Some(root) = &self.root {
            upstream = upstream.root(root).map_err(|error| format!("{error}; expected a directory"))?;
            // A front server need not know which part of a path is the script.
            self.mount.get_or_insert_with(Mount::root);
        }
        Ok(App::Upstream(upstream))
    }

    fn mount(&self) -> Mount {
        self.mount.clone().unwrap_or_default().pass_authorization(self.authorization)
    }

    fn complete(self, app: App) -> Result<Arguments, String> {
        let max_programs = self.program_limits.get_max_programs();
        let front = Front { mount: self.mount, accepted: self.accepted };
        let speaks = match self.protocol {
            Protocol::Http if !front.accepted.is_empty() => {
                return Err("cannot use --accept-param with --protocol http: expected fastcgi or scgi".to_owned());
            }
            Protocol::FastCgi | Protocol::Scgi if self.authorization => {
                return Err("cannot use --pass-authorization with this protocol: expected --protocol http".to_owned());
            }
            Protocol::Http | Protocol::Scgi if !self.multiplexes => {
                return Err("cannot use --no-multiplex with this protocol: expected --protocol fastcgi".to_owned());
            }
            Protocol::Http => Speaks::Http,
            Protocol::FastCgi => Speaks::FastCgi { front, multiplexes: self.multiplexes },
            Protocol::Scgi => Speaks::Scgi { front },
        };
        Ok(Arguments {
            speaks,
            listen: self.listen,
            threads: self.threads,
            health: self.health,
            app,
            client_limits: self.client_limits,
            max_programs,
        })
    }
}

/// Returns what an option with a value expects.
fn expected(name: &str) -> &'static str {
    match name {
        "protocol" => "http, fastcgi or scgi",
        "listen" => "HOST:PORT or unix:PATH, with a port from 0 to 65535",
        "mount" => "a path such as /name or /a/b, without empty or dot segments",
        "health" => "a path such as /health",
        "request-body" => "spool, stream or reject",
        "exit-status" => "cut or log",
        "env" => "NAME=VALUE",
        "pass-env" => "a name without a value; --env sets NAME=VALUE",
        "accept-param" => "a name without a value",
        "upstream" => "fastcgi://HOST:PORT or fastcgi://unix:PATH",
        "root" | "directory" => "a directory",
        "threads" => "a whole number from 1 to 1024",
        "max-programs" | "max-head" | "max-connections" => "a whole number from 1, below 2^64",
        "max-idle" | "max-body" => "a whole number from 0, below 2^64",
        "kill-grace" | "shutdown-notice" | "shutdown-grace" => "seconds from 0 to 1000000000",
        _ => "seconds above 0, at most 1000000000",
    }
}

fn invalid(name: &str, value: impl std::fmt::Debug) -> String {
    crate::invalid(name, value, expected(name))
}

/// Parses the address of an upstream.
fn upstream(name: &str, text: String) -> Result<Address, String> {
    let address = text.strip_prefix("fastcgi://").and_then(|address| address.parse().ok());
    address.ok_or_else(|| invalid(name, text))
}

fn text(name: &str, value: OsString) -> Result<String, String> {
    value.into_string().map_err(|value| crate::invalid(name, value, "UTF-8"))
}

fn path(name: &str, value: OsString) -> Result<String, String> {
    let path = text(name, value)?;
    let is_one = path.starts_with('/') && path.parse::<http::Uri>().is_ok_and(|uri| uri.path() == path);
    if is_one { Ok(path) } else { Err(invalid(name, path)) }
}

fn whole(name: &str, value: OsString) -> Result<u64, String> {
    value.parse().map_err(|_| invalid(name, value))
}

/// Parses a number that is at least 1.
fn number(name: &str, value: OsString) -> Result<usize, String> {
    let number = whole(name, value.clone())?;
    usize::try_from(number).ok().filter(|number| *number > 0).ok_or_else(|| invalid(name, value))
}

fn seconds(name: &str, value: OsString) -> Result<Duration, String> {
    let parsed = value.to_str().and_then(|text| text.parse().ok());
    let time = parsed.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    // A timer cannot be set further ahead.
    let time = time.filter(|time| *time <= Duration::from_secs(1_000_000_000));
    time.ok_or_else(|| invalid(name, value))
}

fn positive(name: &str, value: OsString) -> Result<Duration, String> {
    let time = seconds(name, value.clone())?;
    if time.is_zero() { Err(invalid(name, value)) } else { Ok(time) }
}

fn choice<T: Copy>(name: &str, value: &OsStr, choices: &[(&str, T)]) -> Result<T, String> {
    let chosen = choices.iter().find(|(word, _)| value == *word);
    chosen.map(|(_, choice)| *choice).ok_or_else(|| invalid(name, value))
}

/// Checks the name of a variable. `NAME=VALUE` would name none, without a word.
fn bare(name: &str, value: OsString) -> Result<OsString, String> {
    let is_bare = !value.is_empty() && !value.as_bytes().contains(&b'=');
    if is_bare { Ok(value) } else { Err(invalid(name, value)) }
}

fn variable(name: &str, value: &OsStr) -> Result<(OsString, OsString), String> {
    let bytes = value.as_bytes();
    let part = |bytes| OsStr::from_bytes(bytes).to_owned();
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) if at > 0 => Ok((part(&bytes[..at]), part(&bytes[at + 1..]))),
        _ => Err(invalid(name, value)),
    }
}

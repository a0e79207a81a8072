//! The command line of `serve`, checked.

use std::ffi::{OsStr, OsString};
use std::mem::take;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};
use pushpull_gateway::host::{Address, BadAddress, ClientLimits};
use pushpull_gateway::{BodyPolicy, ExitStatus, Mount, ProgramLimits, Script, Upstream};

use super::app::App;

pub const HELP: &str = "\
Serves a CGI program (RFC 3875): runs it once for each request, over HTTP/1.1 and HTTP/2, or as a FastCGI or SCGI
application behind a front server such as nginx, Apache, lighttpd or HAProxy.

Usage: pushpull serve [OPTIONS] -- PROGRAM [ARGUMENTS]...
       pushpull serve [OPTIONS] --upstream fastcgi://ADDRESS [--root DIRECTORY]

  --protocol PROTOCOL       http (the default), fastcgi or scgi
  --listen ADDRESS          where (127.0.0.1:8080): HOST:PORT, of which port 0 takes a free one and prints it; or
                            unix:PATH, a socket that is made with mode 0660 and goes with the server
  --mount /PREFIX           serves only what is below the prefix, which is SCRIPT_NAME (all; over FastCGI and SCGI the
                            path is parted as the front server says, unless this is given)
  --health /PATH            answers this path itself: 200, or 503 once it is to stop
  --request-body HOW        spool: all of it is taken before the program starts (the default);
                            stream: the program starts at once; reject: the same, with a length only (411)
  --env NAME=VALUE          sets a variable for the program, as often as you like
  --pass-env NAME           passes a variable of this process on, beside PATH, TZ, LANG and LC_ALL
  --pass-authorization      passes the Authorization field on (HTTP; a front server decides that itself)
  --directory DIRECTORY     where the program works (where it lies)
  --exit-status cut|log     what a failing exit status does: cuts the response (the default; not one that is complete by
                            its Content-Length, nor an error page), or is logged only
  --threads N               how many threads serve (one per core)

Front servers (FastCGI and SCGI). The program is the one named here, whatever SCRIPT_FILENAME says:
  --accept-param NAME       passes one more parameter on, beside those of RFC 3875, REQUEST_URI, REMOTE_PORT and HTTP_*,
                            as often as you like
  --no-multiplex            one request at a time on a connection (FastCGI)

Upstream, in place of a program: a FastCGI application that runs already, such as php-fpm:
  --upstream fastcgi://A    where it is: fastcgi://HOST:PORT or fastcgi://unix:PATH
  --root DIRECTORY          the scripts: the first *.php on a request's path, below the mount, that is a regular file is
                            asked for, what follows is PATH_INFO; a directory is its index.php. All else is 404, and no
                            link is followed. Without a root the application is asked for everything
  --max-idle N              how many connections are kept while nothing is asked (0), each for 10 s. Keep none to PHP: a
                            script that works on after fastcgi_finish_request holds up the next request
                            --env sets a parameter, --max-programs is the number of requests, and --pass-env,
                            --directory and --kill-grace are for programs only

Limits of the program (times in seconds, sizes in bytes):
  --timeout-first-byte S    until its response begins (60), else 504
  --timeout-idle S          between two pieces of its response, or of the client's body (60)
  --timeout-total S         for all of it (none)
  --timeout-work S          for a program that works on after its response is complete (none)
  --max-programs N          how many run at a time (256), else 503
  --max-head BYTES          the head of its response (65536), else 502
  --kill-grace S            from SIGTERM to SIGKILL, once it is to stop (3)

Limits of the client:
  --timeout-head S          until the whole head of a request is there, from the connection's beginning or the last
                            answer (10); over FastCGI and SCGI from its first byte
  --timeout-client S        for taking nothing of a response (60): one that takes a little is not cut
  --max-body BYTES          the body of a request (1073741824), else 413
  --max-connections N       how many there are at a time (10000), else 503; FastCGI and SCGI: one more is closed

  --shutdown-notice S       for which all but the answer of --health stays as it is when SIGTERM, SIGINT, SIGHUP or
                            SIGQUIT comes (0)
  --shutdown-grace S        then, for responses that run and programs that work on (10); a second signal does not wait
  --help                    this text

A line for each request goes to standard output: time, client, request, status, bytes, duration, and how it ended: done,
cut (by the program or a limit), or gone (the client). What programs say on their standard error, and what goes wrong,
goes to standard error.

Examples:
  pushpull serve -- ./hello.cgi
  pushpull serve --listen 0.0.0.0:8000 --mount /hello --max-programs 16 -- ./hello.cgi
  pushpull serve --request-body stream --env GIT_PROJECT_ROOT=/srv/git --env GIT_HTTP_EXPORT_ALL=1 -- git http-backend
  pushpull serve --protocol fastcgi --listen unix:/run/hello.sock -- ./hello.cgi
  pushpull serve --protocol scgi --listen 127.0.0.1:4000 --accept-param DOCUMENT_ROOT -- ./hello.cgi
  pushpull serve --upstream fastcgi://unix:/run/php/php8.2-fpm.sock --root /srv/www
  pushpull serve --env REDIRECT_STATUS=200 --env SCRIPT_FILENAME=/srv/www/index.php -- php-cgi
";

pub struct Arguments {
    pub speaks: Speaks,
    pub listen: Address,
    pub threads: Option<usize>,
    /// The path at which balancers are answered.
    pub health: Option<String>,
    pub app: App,
    pub client_limits: ClientLimits,
    /// How many programs may run at a time.
    pub max_programs: usize,
}

/// The protocol, and what is asked of it.
pub enum Speaks {
    Http,
    FastCgi { front: Front, multiplexes: bool },
    Scgi { front: Front },
}

/// What a front server may say.
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

/// What was said, before it is put together: a script can be made only when its program is known.
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
                // What follows is the program's, whatever it looks like.
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
    /// Takes one option.
    fn take(&mut self, name: &str, parser: &mut Parser) -> Result<(), String> {
        let mut value = || parser.value().map_err(crate::unclear);
        let (of_program, of_client) = (&mut self.program_limits, &mut self.client_limits);
        match name {
            "protocol" => {
                let protocols = [("http", Protocol::Http), ("fastcgi", Protocol::FastCgi), ("scgi", Protocol::Scgi)];
                self.protocol = choice(name, &value()?, &protocols)?;
            }
            "listen" => self.listen = text(name, value()?)?.parse().map_err(|error: BadAddress| error.to_string())?,
            "accept-param" => self.accepted.push(text(name, value()?)?),
            "no-multiplex" => self.multiplexes = false,
            "threads" => self.threads = Some(number(name, value()?)?),
            "health" => self.health = Some(path(name, value()?)?),
            "mount" => self.mount = Some(Mount::at(&text(name, value()?)?).map_err(|error| error.to_string())?),
            "pass-authorization" => self.authorization = true,
            "request-body" => {
                let ways =
                    [("spool", BodyPolicy::Spool), ("stream", BodyPolicy::Stream), ("reject", BodyPolicy::Reject)];
                self.request_body = choice(name, &value()?, &ways)?;
            }
            "exit-status" => {
                self.exit_status = choice(name, &value()?, &[("cut", ExitStatus::Cut), ("log", ExitStatus::Log)])?;
            }
            "env" => self.set.push(variable(&value()?)?),
            "pass-env" => self.passed.push(value()?),
            "upstream" => self.upstream = Some(upstream(&text(name, value()?)?)?),
            "root" => self.root = Some(value()?),
            "max-idle" => {
                let most = usize::try_from(whole(name, value()?)?);
                self.max_idle = Some(most.map_err(|_| format!("--{name} is too large"))?);
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
            _ => return Err(format!("there is no option --{name}; try --help")),
        }
        Ok(())
    }

    /// A program that is started.
    fn script(&self, program: OsString, arguments: Vec<OsString>) -> Result<App, String> {
        let told = |error: std::io::Error| error.to_string();
        let is_said = [self.upstream.is_some(), self.root.is_some(), self.max_idle.is_some()];
        if let Some((name, _)) = ["upstream", "root", "max-idle"].iter().zip(is_said).find(|(_, is_said)| *is_said) {
            return Err(format!("--{name} is not for a program, and {program:?} is one"));
        }
        let limits = self.kill_grace.iter().fold(self.program_limits.clone(), |limits, time| limits.kill_grace(*time));
        let mut script = Script::new(program)
            .map_err(told)?
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
            script = script.directory(directory).map_err(told)?;
        }
        Ok(App::Script(script))
    }

    /// An application that is asked.
    fn upstream(&mut self) -> Result<App, String> {
        let Some(address) = self.upstream.take() else {
            return Err("which program, or --upstream? Try --help".to_owned());
        };
        let is_said = [!self.passed.is_empty(), self.directory.is_some(), self.kill_grace.is_some()];
        if let Some((name, _)) =
            ["pass-env", "directory", "kill-grace"].iter().zip(is_said).find(|(_, is_said)| *is_said)
        {
            return Err(format!("--{name} is for a program only, not for --upstream"));
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
            upstream = upstream.root(root).map_err(|error| error.to_string())?;
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
            Protocol::Http if !front.accepted.is_empty() => return Err("--accept-param is not for http".to_owned()),
            Protocol::FastCgi | Protocol::Scgi if self.authorization => {
                return Err("--pass-authorization is for http only".to_owned());
            }
            Protocol::Http | Protocol::Scgi if !self.multiplexes => {
                return Err("--no-multiplex is for fastcgi only".to_owned());
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

/// Where an application is.
fn upstream(text: &str) -> Result<Address, String> {
    let Some(address) = text.strip_prefix("fastcgi://") else {
        return Err(format!("--upstream takes fastcgi://HOST:PORT or fastcgi://unix:PATH, which {text:?} is not"));
    };
    address.parse().map_err(|error: BadAddress| error.to_string())
}

fn text(name: &str, value: OsString) -> Result<String, String> {
    value.into_string().map_err(|value| format!("--{name} is not given as text: {value:?}"))
}

fn path(name: &str, value: OsString) -> Result<String, String> {
    let path = text(name, value)?;
    let is_one = path.starts_with('/') && path.parse::<http::Uri>().is_ok_and(|uri| uri.path() == path);
    if is_one { Ok(path) } else { Err(format!("--{name} takes a path such as /health, which {path:?} is not")) }
}

fn whole(name: &str, value: OsString) -> Result<u64, String> {
    value.parse().map_err(|_| format!("--{name} takes a whole number, which {value:?} is not"))
}

/// A number of things, of which there is at least one.
fn number(name: &str, value: OsString) -> Result<usize, String> {
    match usize::try_from(whole(name, value)?) {
        Ok(0) => Err(format!("--{name} 0: there has to be one")),
        Ok(number) => Ok(number),
        Err(_) => Err(format!("--{name} is too large")),
    }
}

fn seconds(name: &str, value: OsString) -> Result<Duration, String> {
    let parsed = value.to_str().and_then(|text| text.parse().ok());
    let time = parsed.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    // A clock can be set no further.
    let time = time.filter(|time| *time <= Duration::from_secs(1_000_000_000));
    time.ok_or_else(|| format!("--{name} takes a number of seconds, which {value:?} is not"))
}

fn positive(name: &str, value: OsString) -> Result<Duration, String> {
    let time = seconds(name, value)?;
    if time.is_zero() { Err(format!("--{name} 0: nothing is as fast as that")) } else { Ok(time) }
}

fn choice<T: Copy>(name: &str, value: &OsStr, choices: &[(&str, T)]) -> Result<T, String> {
    let chosen = choices.iter().find(|(word, _)| value == *word);
    chosen.map(|(_, choice)| *choice).ok_or_else(|| {
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        format!("--{name} is one of {}, which {value:?} is not", words.join(", "))
    })
}

fn variable(value: &OsStr) -> Result<(OsString, OsString), String> {
    let bytes = value.as_bytes();
    let Some(at) = bytes.iter().position(|byte| *byte == b'=') else {
        return Err(format!("--env takes NAME=VALUE, which {value:?} is not"));
    };
    let part = |bytes| OsStr::from_bytes(bytes).to_owned();
    Ok((part(&bytes[..at]), part(&bytes[at + 1..])))
}

//! The texts of `serve --help`, by topic.

use lexopt::{Arg, Parser};

pub const OVERVIEW: &str = "\
Serves files, CGI programs or a FastCGI application over HTTP, FastCGI or SCGI.

Usage: pushpull serve [OPTIONS] [--root DIRECTORY]
       pushpull serve [OPTIONS] [--root DIRECTORY] -- PROGRAM [ARGUMENTS]...
       pushpull serve [OPTIONS] [--root DIRECTORY] --fastcgi-program -- PROGRAM
       pushpull serve [OPTIONS] [--root DIRECTORY] --upstream fastcgi://ADDRESS
       pushpull serve --config FILE [--check]

Without any of these, the files of the current directory are served and listed.
A CGI program (RFC 3875) is started once per request. HTTP clients use HTTP/1.1
or HTTP/2. With FastCGI and SCGI, a front server such as nginx, Apache, lighttpd
or HAProxy passes the requests on.

Examples:
  pushpull serve
  pushpull serve --root /srv/www --cgi-bin /cgi-bin/ --cgi '*.cgi,*.pl'
  pushpull serve -- ./hello.cgi
  pushpull serve --root /usr/share/cgit -- /usr/lib/cgit/cgit.cgi
  pushpull serve --upstream fastcgi://unix:/run/php/php8.2-fpm.sock \\
      --root /srv/www

Topics, each by `pushpull serve --help TOPIC`:
  files     --root --listing --index --cgi-bin --cgi --hide --follow-links
  server    --protocol --listen --mount --health --threads --tls-...
  program   --request-body --env --pass-env --pass-authorization --directory
            --exit-status
  front     --accept-param --no-multiplex
  proxy     --trust-proxy --proxy-fields --proxy-protocol
  workers   --fastcgi-program --workers --max-requests
  upstream  --upstream --max-idle
  limits    --timeout-... --max-... --queue... --keep-alive --kill-grace
  log       --log-format --metrics
  stopping  --shutdown-notice --shutdown-grace
  config    --config --check
  examples  more examples
  all       all of these

Each request is logged on standard output: time, client, request, status, bytes,
duration, and how it ended: done, cut (by the program or a limit), or gone (the
client). Errors and the standard error of programs go to standard error.
";

/// The topics, in the order of `all`.
const TOPICS: [(&str, &str); 12] = [
    ("files", FILES),
    ("server", SERVER),
    ("program", PROGRAM),
    ("front", FRONT),
    ("proxy", PROXY),
    ("workers", WORKERS),
    ("upstream", UPSTREAM),
    ("limits", LIMITS),
    ("log", LOG),
    ("stopping", STOPPING),
    ("config", CONFIG),
    ("examples", EXAMPLES),
];

const FILES: &str = "\
Files (of a directory, alone or beside a program or an upstream):
  --root DIRECTORY        directory of files and programs (default: the current
                          directory, listed, unless there is a program or an
                          upstream)
  --listing               lists directories that have no index
  --index FILE            file that answers for a directory; repeatable, the
                          first that exists counts. If it is a program, it also
                          gets every path that names nothing, as PATH_INFO
                          (default: index.html; before it index.php with
                          --upstream; after it index.cgi with --cgi)
  --cgi-bin /PREFIX/      path prefix below which every file is a program;
                          repeatable
  --cgi NAMES             names of programs, such as '*.cgi,*.pl'; repeatable
  --hide NAMES            names that are not found, such as '*.log', or path
                          prefixes, such as /data/,/conf/; repeatable
  --follow-links          follows symbolic links, wherever they lead

  A program must be executable. The rest of a path after it is PATH_INFO, and
  its working directory is its own. Beside one PROGRAM, what is no file goes to
  that program.

  A program is never sent as text. Never found are dot files (except
  /.well-known), backups (*~ #*# *.bak *.old *.orig *.save *.swp), files of
  programs that nothing here runs (*.php *.phtml *.phar *.phps *.inc *.cgi
  *.fcgi /cgi-bin/ /htbin/), links, pipes and devices. If a client accepts it,
  FILE.br, FILE.zst or FILE.gz is sent for FILE.
";

const SERVER: &str = "\
Server:
  --protocol PROTOCOL     http, fastcgi or scgi (default: http)
  --listen ADDRESS        HOST:PORT, where port 0 takes a free port and prints
                          it; or unix:PATH, a socket created with mode 0660 and
                          removed at exit; or a socket that is handed over:
                          fd:NUMBER, fd:NAME (of LISTEN_FDNAMES) or stdin
                          (default: the one of systemd, or 127.0.0.1:8080)
  --mount /PREFIX         path prefix that is served; it becomes SCRIPT_NAME
                          (default: every path; with FastCGI and SCGI, the
                          front server splits the path)
  --health /PATH          path of the health check, answered without a program:
                          200, or 503 while stopping (default: none)
  --threads N             threads that serve (default: one per core,
                          maximum: 1024)
  --tls-certificate FILE  PEM file of a certificate and its chain, for HTTPS;
                          the client chooses HTTP/2 or HTTP/1.1 (http only;
                          default: none). On SIGHUP the files are read again
  --tls-key FILE          PEM file of the private key
  --help [TOPIC]          prints this text
";

const PROGRAM: &str = "\
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
";

const FRONT: &str = "\
Front server (FastCGI and SCGI; SCRIPT_FILENAME does not choose the program):
  --accept-param NAME     parameter to accept besides those of RFC 3875,
                          REQUEST_URI, REQUEST_SCHEME, REMOTE_PORT, HTTPS and
                          HTTP_*; repeatable
  --no-multiplex          one request at a time per connection (FastCGI only)
";

const PROXY: &str = "\
Proxy or balancer (in front of this server, such as nginx or HAProxy):
  --trust-proxy NETWORK   peers that may say who the client is: 10.0.0.0/8, an
                          address, or unix for all peers of a Unix socket;
                          repeatable (default: none)
  --proxy-fields KIND     x-forwarded: X-Forwarded-For, X-Forwarded-Proto and
                          X-Forwarded-Host; forwarded: Forwarded (RFC 7239);
                          only this kind is read (default: x-forwarded)
  --proxy-protocol        connections of these peers, and all on a Unix socket,
                          must begin with a header of the PROXY protocol,
                          version 1 or 2; one without it is closed

  The fields set REMOTE_ADDR, HTTPS, HTTP_HOST, SERVER_NAME and SERVER_PORT, and
  the client in the log. They are read from right to left, up to the first
  address that is no trusted proxy. An invalid field is ignored and logged. The
  proxy must set or delete each field of this kind, or clients can choose it.
";

const WORKERS: &str = "\
Workers (processes of a FastCGI program such as php-cgi, kept running):
  --fastcgi-program       the program speaks FastCGI: it is started in advance,
                          with a listening socket as its descriptor 0, and each
                          process answers one request after the other
  --workers N             processes (default: one per core)
  --max-requests N        requests of a process, on average, after which all are
                          replaced, one after the other (default: no limit)
  --cgi NAMES             scripts below the root that the program gets, such as
                          '*.php' (default: it gets what is no file)

  A process that ends is started again: at once the first time, then after 1 s,
  2 s, and so on up to 30 s. While none runs, requests are answered with 502.
  --env, --pass-env, --directory and --kill-grace are as for a CGI program, and
  --max-programs limits requests. On Linux and FreeBSD, the processes also end
  if this server is killed.

  With --max-requests, no request is lost. A process that catches SIGUSR1, as
  those with libfcgi and php-cgi do, receives it, finishes its request and ends
  (Linux). Others receive SIGTERM when no request runs.
";

const UPSTREAM: &str = "\
Upstream (a running FastCGI application such as php-fpm, instead of a program):
  --upstream fastcgi://A  fastcgi://HOST:PORT or fastcgi://unix:PATH
  --root DIRECTORY        directory of the scripts: the first *.php below the
                          mount that is a regular file is requested, and the
                          rest of the path is PATH_INFO. For a directory, its
                          index.php is requested. Other files are sent, and
                          links are not followed: see the topic files (default:
                          none; the application gets every request)
  --max-idle N            idle connections, each kept for 10 s (default: 0).
                          Keep 0 for PHP: a script that works on after
                          fastcgi_finish_request delays the next request

  With --upstream, --env sets a parameter and --max-programs limits requests.
  Only programs have --pass-env, --directory and --kill-grace.
";

const LIMITS: &str = "\
Limits of the program (S in seconds, maximum: 1000000000):
  --timeout-first-byte S  time until the response begins, else 504 (default: 60)
  --timeout-idle S        time between two pieces of the response, or of the
                          request body (default: 60)
  --timeout-total S       time for the whole run of a program (default: none)
  --timeout-work S        time that a program may work on after its response is
                          complete (default: none)
  --max-programs N        programs that run at a time, else 503 (default: 256)
  --queue N               requests that wait, in order, until a program ends if
                          all of these run, else 503 (default: 0)
  --queue-timeout S       time that a request may wait there, else 503
                          (default: 10)
  --max-head BYTES        size of the response head, else 502 (default: 65536)
  --kill-grace S          time from SIGTERM to SIGKILL when a program is stopped
                          (default: 3)

Limits of the client:
  --timeout-head S        time until the whole head of a request has arrived,
                          since the connection began; for a later request, and
                          with FastCGI and SCGI, since its first byte
                          (default: 10)
  --keep-alive S          time that a connection is kept after a response; set
                          more than a proxy's own time (http only; default: 10)
  --timeout-client S      time in which a client takes nothing of a response; a
                          slow client is not cut (default: 60)
  --max-body BYTES        size of a request body, else 413 (default: 1073741824)
  --max-connections N     open connections; one more is answered with 503, or
                          closed with FastCGI and SCGI (default: 10000)
";

const LOG: &str = "\
Log and figures:
  --log-format text|json  form of the lines (default: text). As JSON, a request
                          is one object with time, client, method, target,
                          protocol, status, bytes, duration_ms, end and, if it
                          was cut, cut: service, stalled or stopped. A message
                          has time, level and message
  --metrics ADDRESS       HOST:PORT or unix:PATH on which GET /metrics is
                          answered with figures in the format of OpenMetrics,
                          for Prometheus (default: none)
";

const STOPPING: &str = "\
Stopping (on SIGTERM, SIGINT, SIGHUP or SIGQUIT; a second signal stops at once):
  --shutdown-notice S     time in which only the answer of --health changes
                          (default: 0)
  --shutdown-grace S      time after that for running responses, and for
                          programs that work on (default: 10)

  With --config or --tls-certificate, SIGHUP does not stop the server. It reads
  these files again: see the topic config.
";

const CONFIG: &str = "\
Configuration file (several mounts in one server; no other option beside it):
  --config FILE           TOML file: an option is a key without its dashes, with
                          the value as here; a flag is true or false, and a
                          repeatable option may be an array
  --check                 checks the file and all that it names, and prints what
                          would be served, one line for each mount

  The first lines are the options of the server. Each [[mount]] has a path
  (default: /), and root, program or upstream with their options. A request goes
  to the longest path that matches. A program is an array of the program and its
  arguments, or one string. Relative paths begin at the folder of the file.

      listen = \"127.0.0.1:8080\"

      [[mount]]
      root = \"/srv/www\"

      [[mount]]
      path = \"/git\"
      program = [\"git\", \"http-backend\"]
      env = [\"GIT_PROJECT_ROOT=/srv/git\", \"GIT_HTTP_EXPORT_ALL=1\"]

  On SIGHUP the file is read again. New requests get the new mounts; requests
  that run finish with the old ones. New connections get the new certificate. If
  the file has an error, or a change needs a restart, nothing changes, and the
  log says why. A restart is needed for the keys of the server other than the
  files of TLS, and for a timeout-idle that is longer than any at the start.
";

const EXAMPLES: &str = "\
More examples:
  pushpull serve --root /srv/app --index index.php \\
      --upstream fastcgi://127.0.0.1:9000
  pushpull serve --listen 0.0.0.0:8000 --mount /hello --max-programs 16 \\
      -- ./hello.cgi
  pushpull serve --request-body stream --env GIT_PROJECT_ROOT=/srv/git \\
      --env GIT_HTTP_EXPORT_ALL=1 -- git http-backend
  pushpull serve --listen '[::]:443' --tls-certificate chain.pem \\
      --tls-key key.pem
  pushpull serve --protocol fastcgi --listen unix:/run/hello.sock -- ./hello.cgi
  pushpull serve --protocol scgi --listen 127.0.0.1:4000 \\
      --accept-param DOCUMENT_ROOT -- ./hello.cgi
  pushpull serve --env REDIRECT_STATUS=200 \\
      --env SCRIPT_FILENAME=/srv/www/index.php -- php-cgi
";

/// Returns the texts of all topics.
pub fn topics() -> Vec<&'static str> {
    TOPICS.iter().map(|(_, text)| *text).collect()
}

/// Returns the text of the topic that follows on the command line, or the overview.
pub fn of(parser: &mut Parser) -> Result<String, String> {
    let Some(Arg::Value(topic)) = parser.next().map_err(crate::unclear)? else { return Ok(OVERVIEW.to_owned()) };
    if topic == "all" {
        let texts = TOPICS.iter().map(|(_, text)| *text);
        return Ok(std::iter::once(OVERVIEW).chain(texts).collect::<Vec<_>>().join("\n"));
    }
    let found = TOPICS.iter().find(|(name, _)| topic == *name);
    found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| {
        let names = TOPICS.map(|(name, _)| name).join(", ");
        format!("unknown topic {topic:?} for --help: expected {names} or all")
    })
}

//! A browser simulated with `curl`: cookies, forms, links and downloads.

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use tempfile::TempDir;

use crate::host::{Serving, wait_until};

/// The versions of HTTP that `curl` speaks without TLS.
pub const VERSIONS: [&str; 3] = ["--http1.0", "--http1.1", "--http2-prior-knowledge"];

/// The characters that a browser encodes in a link. Bytes beyond ASCII are always encoded.
const IN_LINKS: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');

/// A user with a cookie jar.
pub struct Browser {
    address: SocketAddr,
    pub version: &'static str,
    files: TempDir,
}

/// A complete response: `curl` fails if a response is truncated.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Browser {
    pub fn new(serving: &Serving, version: &'static str) -> Browser {
        Browser { address: serving.address, version, files: tempfile::tempdir().unwrap() }
    }

    /// Creates one browser per version of HTTP.
    pub fn each(serving: &Serving) -> impl Iterator<Item = Browser> {
        VERSIONS.into_iter().map(|version| Browser::new(serving, version))
    }

    fn curl(&self, path: &str) -> Command {
        let mut curl = Command::new("curl");
        let url = format!("http://{}{path}", self.address);
        // `-q` comes first: ignore the settings of the user.
        curl.args(["-q", "-sS", "-g", "--noproxy", "*", "-m", "120", self.version, &url]);
        curl
    }

    pub fn get(&self, path: &str) -> Page {
        self.ask(path, &[])
    }

    /// Sends a request with additional `curl` options.
    pub fn ask(&self, path: &str, options: &[&str]) -> Page {
        let [jar, head, body] = ["jar", "head", "body"].map(|name| self.files.path().join(name));
        let _ = fs::remove_file(&body);
        let mut curl = self.curl(path);
        curl.arg("-b").arg(&jar).arg("-c").arg(&jar).arg("-D").arg(&head).arg("-o").arg(&body).args(options);
        let said = curl.output().unwrap();
        let head = fs::read(&head).map(|head| String::from_utf8_lossy(&head).into_owned()).unwrap_or_default();
        let error = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{} {path} {options:?}: {error}{head}", self.version);
        // The last head: a `100 Continue` may come before it.
        let head = head.trim_end().rsplit("\r\n\r\n").next().unwrap().to_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.trim().parse().ok()).unwrap();
        Page { status, head, body: fs::read(&body).unwrap_or_default() }
    }

    /// Sends a HEAD request.
    pub fn head(&self, path: &str) -> Page {
        let page = self.ask(path, &["-I"]);
        // With this option, `curl` prints the head as a body.
        Page { body: Vec::new(), ..page }
    }

    /// Submits a form.
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        // Through files: a command line is too short for long texts.
        let fields = fields.iter().enumerate().map(|(number, (name, value))| {
            if value.is_empty() {
                return format!("{name}=");
            }
            let file = self.files.path().join(format!("field {number}"));
            fs::write(&file, value).unwrap();
            format!("{name}@{}", file.display())
        });
        let fields: Vec<String> = fields.collect();
        let options: Vec<&str> = fields.iter().flat_map(|field| ["--data-urlencode", field]).collect();
        self.ask(path, &options)
    }

    /// Submits a form with files. A value that starts with `@` is the path of a file.
    pub fn upload(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let options: Vec<&str> = fields.iter().flat_map(|field| ["-F", field]).collect();
        self.ask(path, &options)
    }

    /// Follows the redirect of a response.
    pub fn follow(&self, page: &Page) -> Page {
        let location = page.field("location").unwrap_or_else(|| panic!("no redirect: {page:?}"));
        self.get(&self.path("/", &location).unwrap())
    }

    /// Requests a response that is truncated, checks that `curl` reports it, and returns the bytes that arrived.
    pub fn cut(&self, path: &str) -> String {
        let said = self.curl(path).output().unwrap();
        // A partial transfer, a connection reset, or a stream reset.
        assert!(matches!(said.status.code(), Some(18 | 56 | 92)), "{} {path}: {said:?}", self.version);
        String::from_utf8_lossy(&said.stdout).into_owned()
    }

    /// Reads a part of a response larger than all buffers, runs a check, and disconnects.
    pub fn abort(&self, path: &str, meanwhile: impl FnOnce()) {
        self.abort_with(path, &[], meanwhile);
    }

    /// Does the same with additional `curl` options.
    pub fn abort_with(&self, path: &str, options: &[&str], meanwhile: impl FnOnce()) {
        let mut curl = self.curl(path);
        curl.arg("-b").arg(self.files.path().join("jar")).args(options);
        let mut curl = curl.stdout(Stdio::piped()).spawn().unwrap();
        curl.stdout.as_mut().unwrap().read_exact(&mut [0; 4096]).unwrap();
        meanwhile();
        curl.kill().unwrap();
        curl.wait().unwrap();
    }

    /// Follows all links from a page, and from the pages that it leads to. Returns their paths.
    pub fn walk(&self, first: &str, max: usize, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let (mut paths, mut at) = (vec![first.to_owned()], 0);
        while at < paths.len().min(max) {
            let page = self.get(&paths[at]);
            assert_eq!(page.status, 200, "{}: {}", paths[at], page.text());
            let is_page = page.field("content-type").is_some_and(|kind| kind.starts_with("text/html"));
            for link in page.attributes("href").into_iter().filter(|_| is_page) {
                let path = self.path(&paths[at], &link).filter(|path| wanted(path) && !paths.contains(path));
                paths.extend(path);
            }
            at += 1;
        }
        paths.truncate(at);
        paths
    }

    /// Returns the path of a link within this site.
    pub fn path(&self, from: &str, link: &str) -> Option<String> {
        let link = link.strip_prefix(&format!("http://{}", self.address)).unwrap_or(link);
        let link = link.split('#').next().unwrap();
        let path = match link.bytes().next()? {
            b'/' => link.to_owned(),
            b'?' => format!("{}{link}", from.split('?').next().unwrap()),
            _ => return None,
        };
        Some(utf8_percent_encode(&path, IN_LINKS).to_string())
    }
}

impl Page {
    /// Returns the value of a header field, which must occur once.
    pub fn field(&self, name: &str) -> Option<String> {
        let mut fields = self.fields(name);
        assert!(fields.len() < 2, "several of {name}: {}", self.head);
        fields.pop()
    }

    pub fn fields(&self, name: &str) -> Vec<String> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).collect()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Checks that the page contains a text.
    pub fn has(&self, status: u16, part: &str) -> &Page {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.text());
        assert!(self.text().contains(part), "no {part:?} in {}", self.text());
        self
    }

    /// Checks that a page is complete.
    pub fn is_whole(&self) -> &Page {
        assert!(self.text().trim_end().ends_with("</html>"), "{}", self.text());
        self
    }

    /// Returns the values of an attribute, in either kind of quotes.
    pub fn attributes(&self, name: &str) -> Vec<String> {
        let (text, name) = (self.text(), format!(" {name}="));
        let parts = text.split(&name).skip(1);
        let values = parts.filter_map(|part| {
            let quote = part.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            Some(html_escape::decode_html_entities(part[1..].split(quote).next()?).into_owned())
        });
        values.collect()
    }

    /// Returns the value of a form's hidden input.
    pub fn hidden(&self, name: &str) -> String {
        let text = self.text().replace('\'', "\"");
        let after = text.split_once(&format!(" name=\"{name}\" value=\"")).map(|(_, after)| after);
        after.unwrap_or_else(|| panic!("no input {name}: {text}")).split('"').next().unwrap().to_owned()
    }
}

/// Returns the processes with this text in their environment.
pub fn processes(mark: &str) -> usize {
    let found = fs::read_dir("/proc").unwrap().flatten().filter(|process| {
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        environment.windows(mark.len()).any(|window| window == mark.as_bytes())
    });
    found.count()
}

/// Checks that an aborted download leaves no process behind, with each version of HTTP.
pub fn leaves_no_process(serving: &Serving, path: &str, mark: &str) {
    for browser in Browser::each(serving) {
        browser.abort(path, || assert_ne!(processes(mark), 0, "{path} had ended before its client went"));
        wait_until("all programs have ended", || processes(mark) == 0);
    }
    // The line is logged after the program was reaped.
    let records = serving.requests.wait_for(&format!("GET {path} "), VERSIONS.len());
    assert!(records.iter().all(|line| line.ends_with(" gone")), "{records:#?}");
}

//! cgit, a CGI program in C that shows repositories.

use super::browser::{Browser, leaves_no_process};
use super::repository::{LARGE, MIDDLING, ODD, ODD_IN_URL, Repository, clones, gunzipped, same};
use crate::host::Serving;
use pushpull_testing::needed::there;

const CGIT: &str = "/usr/lib/cgit/cgit.cgi";

const SETTINGS: &str = "root-title=All of them\nsnapshots=tar.gz tar\nenable-index-links=1\nenable-commit-graph=1\n\
                        cache-root=ROOT/cache\ncache-size=CACHE\nscan-path=ROOT\n";

fn start(repository: &Repository, cache: &str, options: &[&str]) -> Serving {
    let settings = repository.file("cgitrc", &SETTINGS.replace("CACHE", cache));
    let settings = format!("CGIT_CONFIG={settings}");
    let arguments = [options, &["--env", &settings, "--", CGIT]].concat();
    Serving::start(&arguments)
}

#[test]
fn cgit_shows_the_repository_in_every_version_of_http() {
    if !there(&[CGIT, "git", "curl"]) {
        return;
    }
    let repository = Repository::new(MIDDLING);
    // cgit sends cached pages with other code than new pages.
    for cache in ["0", "100"] {
        let serving = start(&repository, cache, &[]);
        for browser in Browser::each(&serving) {
            browser.get("/").has(200, "All of them").is_whole();
            browser.get("/served.git/").has(200, "Zweite &lt;Änderung&gt;").is_whole();
            browser.get("/served.git/log/?qt=grep&q=Erste+%C3%84nd").has(200, "Erste Änderung");
            browser.get(&format!("/served.git/tree/{ODD_IN_URL}")).has(200, "Grüße &amp; &lt;b&gt;").is_whole();
            same(&browser.get(&format!("/served.git/plain/{ODD_IN_URL}")), &repository.blob(ODD));
            same(&browser.get("/served.git/plain/later?id=main"), b"later\n");
            let page = browser.get("/served.git/plain/large");
            same(&page, &repository.blob("large"));
            assert_eq!(page.field("content-length"), Some(page.body.len().to_string()));
            let page = browser.get("/served.git/snapshot/served-1.0.tar");
            same(&page, &repository.archive("served-1.0", "v1.0"));
            assert_eq!(page.field("content-type").unwrap(), "application/x-tar; charset=UTF-8");
            let page = browser.get("/served.git/snapshot/served-1.0.tar.gz");
            assert!(gunzipped(&page) == repository.archive("served-1.0", "v1.0"));
            let tag = browser.get("/served.git/atom/?h=main");
            assert!(tag.has(200, "<title>Zweite").text().trim_end().ends_with("</feed>"));
            // cgit sends an ETag but ignores the client's: its response reaches the client unchanged.
            let tag = browser.get("/served.git/plain/later").field("etag").unwrap();
            let again = browser.ask("/served.git/plain/later", &["-H", &format!("If-None-Match: {tag}")]);
            same(&again, b"later\n");
            let head = browser.head("/served.git/plain/large");
            assert_eq!((head.status, head.field("content-length")), (200, page_length(&repository)));
            browser.get("/nothing.git/").has(404, "No repositories found").is_whole();
            browser.get("/served.git/plain/nothing").has(404, "Not found").is_whole();
            browser.get("/served.git/snapshot/served-9.tar").has(404, "Not found").is_whole();
        }
        let records = serving.requests.wait_for(" HTTP/", 3 * 16);
        assert!(records.iter().all(|line| line.ends_with(" done")), "{records:#?}");
    }
}

fn page_length(repository: &Repository) -> Option<String> {
    Some(repository.blob("large").len().to_string())
}

#[test]
fn cgit_has_its_style_and_logo() {
    const FILES: &str = "/usr/share/cgit";
    if !there(&[CGIT, "git", "curl"]) {
        return;
    }
    let repository = Repository::new(100);
    let serving = start(&repository, "0", &["--root", FILES]);
    for browser in Browser::each(&serving) {
        let page = browser.get("/");
        page.has(200, "All of them").is_whole();
        for (path, kind) in [("/cgit.css", "text/css; charset=utf-8"), ("/cgit.png", "image/png")] {
            page.has(200, path);
            let file = browser.get(path);
            same(&file, &std::fs::read(format!("{FILES}{path}")).unwrap());
            assert_eq!(file.field("content-type").as_deref(), Some(kind));
        }
        browser.get("/served.git/tree/later").has(200, "later").is_whole();
    }
}

#[test]
fn every_link_of_cgit_below_a_mount_leads_to_a_page() {
    if !there(&[CGIT, "git", "curl"]) {
        return;
    }
    let repository = Repository::new(MIDDLING);
    let serving = start(&repository, "0", &["--mount", "/git/browse"]);
    let browser = Browser::new(&serving, "--http1.1");
    // The large file takes long to show as a table.
    let paths = browser.walk("/git/browse", 80, |path| path.starts_with("/git/browse/") && !path.contains("large"));
    assert!(paths.len() > 30, "{paths:#?}");
    assert!(paths.iter().any(|path| path.contains("na%c3%afve%20100%25%20%231")), "{paths:#?}");
}

#[test]
fn git_clones_from_cgit() {
    if !there(&[CGIT, "git", "curl"]) {
        return;
    }
    let repository = Repository::new(MIDDLING);
    repository.git(&["update-server-info"]);
    let serving = start(&repository, "0", &[]);
    clones(&format!("http://{}/served.git", serving.address), &repository);
}

#[test]
fn an_aborted_download_leaves_no_process_of_cgit() {
    if !there(&[CGIT, "git", "curl"]) {
        return;
    }
    let repository = Repository::new(LARGE);
    let serving = start(&repository, "0", &[]);
    leaves_no_process(&serving, "/served.git/plain/large", &repository.mark());
    // Here cgit waits for a gzip process.
    leaves_no_process(&serving, "/served.git/snapshot/served-1.0.tar.gz", &repository.mark());
}

//! gitweb, a CGI program in Perl that shows repositories with git's own commands.

use super::browser::{Browser, leaves_no_process};
use super::repository::{LARGE, MIDDLING, ODD, ODD_IN_URL, Repository, gunzipped, same};
use crate::host::Serving;
use pushpull_testing::needed::there;

const GITWEB: &str = "/usr/lib/cgi-bin/gitweb.cgi";

/// The Perl module with which gitweb parses its clients' times.
const DATES: &str = "/usr/share/perl5/HTTP/Date.pm";

const SETTINGS: &str = "our $projectroot = 'ROOT'; our $projects_list = $projectroot; our $site_name = 'All of them';
$feature{'snapshot'}{'default'} = ['tgz']; $feature{'search'}{'default'} = [1];
$feature{'pathinfo'}{'default'} = [PATHS]; 1;";

fn start(repository: &Repository, paths: &str, options: &[&str]) -> Serving {
    let settings = repository.file("gitweb.conf", &SETTINGS.replace("PATHS", paths));
    let settings = format!("GITWEB_CONFIG={settings}");
    let arguments = [options, &["--env", &settings, "--", GITWEB]].concat();
    Serving::start(&arguments)
}

#[test]
fn gitweb_shows_the_repository_in_every_version_of_http() {
    if !there(&[GITWEB, DATES, "git", "curl"]) {
        return;
    }
    let repository = Repository::new(MIDDLING);
    let serving = start(&repository, "1", &[]);
    for browser in Browser::each(&serving) {
        browser.get("/").has(200, "All of them").is_whole();
        browser.get("/?p=served.git;a=log").has(200, "Zweite &lt;Änderung&gt;").is_whole();
        browser.get("/served.git/shortlog/refs/heads/main").has(200, "Erste Änderung").is_whole();
        browser.get("/?p=served.git;a=search;s=Erste+%C3%84nd").has(200, "Erste").is_whole();
        same(&browser.get(&format!("/served.git/blob_plain/HEAD:/{ODD_IN_URL}")), &repository.blob(ODD));
        let query = "/?p=served.git;a=blob_plain;hb=HEAD;f=W%C3%B6rter+%26+mehr/na%C3%AFve+100%25+%231%2B2.txt";
        same(&browser.get(query), &repository.blob(ODD));
        same(&browser.get("/served.git/blob_plain/HEAD:/large"), &repository.blob("large"));
        let page = browser.get("/served.git/snapshot/refs/tags/v1.0.tar.gz");
        let name = page.field("content-disposition").unwrap();
        let name = name.split("filename=\"").nth(1).unwrap().strip_suffix(".tar.gz\"").unwrap();
        assert!(gunzipped(&page) == repository.archive(name, "v1.0"), "the snapshot differs");
        // Gitweb handles conditional requests itself.
        let feed = browser.get("/served.git/atom");
        assert!(feed.has(200, "Erste Änderung").text().trim_end().ends_with("</feed>"));
        let since = format!("If-Modified-Since: {}", feed.field("last-modified").unwrap());
        let again = browser.ask("/served.git/atom", &["-H", &since]);
        assert_eq!((again.status, again.body.len()), (304, 0));
        let again = browser.ask("/served.git/atom", &["-H", "If-Modified-Since: Mon, 01 Jan 2001 00:00:00 GMT"]);
        again.has(200, "Erste Änderung");
        assert_eq!(browser.head("/served.git/blob_plain/HEAD:/large").status, 200);
        browser.get("/?p=nothing.git").has(404, "No such project").is_whole();
        browser.get("/served.git/blob_plain/HEAD:/nothing").has(404, "Cannot find file").is_whole();
        browser.get("/?p=served.git;a=nothing").has(400, "Invalid action parameter").is_whole();
    }
    let records = serving.requests.wait_for(" HTTP/", 3 * 15);
    assert!(records.iter().all(|line| line.ends_with(" done")), "{records:#?}");
}

#[test]
fn every_link_of_gitweb_below_a_mount_leads_to_a_page() {
    if !there(&[GITWEB, "git", "curl"]) {
        return;
    }
    let repository = Repository::new(MIDDLING);
    for paths in ["0", "1"] {
        let serving = start(&repository, paths, &["--mount", "/git/browse"]);
        let browser = Browser::new(&serving, "--http1.1");
        // Another server provides its stylesheet and its images.
        let wanted =
            |path: &str| path.starts_with("/git/browse") && !path.contains("large") && !path.contains("static/");
        let found = browser.walk("/git/browse", 25, wanted);
        assert!(found.len() > 20, "{found:#?}");
    }
}

#[test]
fn an_aborted_download_leaves_no_process_of_gitweb() {
    if !there(&[GITWEB, "git", "curl"]) {
        return;
    }
    let repository = Repository::new(LARGE);
    let serving = start(&repository, "1", &[]);
    leaves_no_process(&serving, "/served.git/blob_plain/HEAD:/large", &repository.mark());
    // Here a shell waits for git and gzip.
    leaves_no_process(&serving, "/served.git/snapshot/refs/tags/v1.0.tar.gz", &repository.mark());
}

//! DokuWiki, behind `php-fpm` and as a program of `php-cgi`.

use std::fs;

use super::browser::Browser;
use super::git::noise;
use super::php_fpm::{FPM, Fpm};
use crate::host::{Scripts, Serving, wait_until};
use pushpull_testing::needed::there;

const ROOT: &str = "/usr/share/dokuwiki";
const SCRIPT: &str = "/usr/share/dokuwiki/doku.php";

const PASSWORD: &str = "geheim ü&=1";

/// The files of the wiki's directory. The user's line contains the SHA-1 of the password.
const FILES: [(&str, &str); 4] = [
    ("prepend.php", "<?php define('DOKU_CONF', 'AT/conf/');"),
    (
        "conf/local.php",
        "<?php $conf['savedir'] = 'AT/data'; $conf['title'] = 'Ein Wiki'; $conf['useacl'] = 1;
         $conf['superuser'] = '@admin'; $conf['updatecheck'] = 0; $conf['license'] = '';",
    ),
    ("conf/users.auth.php", "anna:SHA1:Anna:anna@example.com:admin,user\n"),
    ("conf/acl.auth.php", "*\t@ALL\t1\n*\t@user\t8\n"),
];

/// The output of `sha1sum` for the password.
const SHA1: &str = "59ecf9bc268f181103a3a2e4802631cca285f0d2";

const DATA: [&str; 11] =
    ["attic", "cache", "index", "locks", "log", "media", "media_attic", "media_meta", "meta", "pages", "tmp"];

/// Fills a wiki's directory, whose path ends with a slash.
fn fill(at: &str) {
    fs::create_dir(format!("{at}conf")).unwrap();
    for name in DATA {
        fs::create_dir_all(format!("{at}data/{name}")).unwrap();
    }
    for (name, text) in FILES {
        fs::write(format!("{at}{name}"), text.replace("AT/", at).replace("SHA1", SHA1)).unwrap();
    }
}

/// Starts the wiki behind `php-fpm`.
fn behind_fpm() -> Option<(Fpm, Serving)> {
    behind_fpm_with(&[])
}

fn behind_fpm_with(options: &[&str]) -> Option<(Fpm, Serving)> {
    if !there(&[FPM, SCRIPT, "curl"]) {
        return None;
    }
    let settings = [
        ("auto_prepend_file", "AT/prepend.php"),
        ("upload_max_filesize", "32M"),
        ("post_max_size", "33M"),
        ("memory_limit", "256M"),
    ];
    let fpm = Fpm::start(|fpm| fill(&fpm.place("")), &settings);
    let serving = Serving::start(&[&["--upstream", &fpm.address(), "--root", ROOT], options].concat());
    Some((fpm, serving))
}

fn logged_in(browser: &Browser) {
    let form = browser.get("/doku.php?id=start&do=login");
    form.has(200, "<legend>Log In</legend>").is_whole();
    let token = form.hidden("sectok");
    let fields = |password| [("u", "anna"), ("p", password), ("do", "login"), ("id", "start"), ("sectok", &*token)];
    browser.post("/doku.php?id=start", &fields("falsch")).has(403, "username or password was wrong").is_whole();
    let page = browser.post("/doku.php?id=start", &fields(PASSWORD));
    assert!(page.status == 302 && page.fields("set-cookie").len() >= 2, "{page:?}");
    browser.follow(&page).has(200, "<bdi>Anna</bdi>").is_whole();
}

/// Logs in, writes a page, and reads it again.
fn edits(browser: &Browser, number: usize) {
    logged_in(browser);
    let id = format!("id=b%C3%BCcher:%C3%A4pfel_{number}");
    browser.get(&format!("/doku.php?{id}")).has(200, "This topic does not exist yet").is_whole();
    let form = browser.get(&format!("/doku.php?{id}&do=edit"));
    form.has(200, "wiki__text").is_whole();
    // Browsers send these line endings.
    let long = "Viel Text, über den nichts zu sagen ist. ".repeat(4000);
    let text = format!("====== Äpfel & <Birnen> ======\r\n\r\nGrüße, 100% + **fett**, 🍎\r\n\r\n{long}");
    let hidden = ["sectok", "id", "rev", "date", "prefix", "suffix", "changecheck", "target"];
    let values = hidden.map(|name| (name, form.hidden(name)));
    let mut fields: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.extend([("wikitext", text.as_str()), ("summary", "erster Text"), ("do[save]", "1")]);
    let saved = browser.post(&format!("/doku.php?{id}&do=edit"), &fields);
    assert_eq!(saved.status, 302, "{saved:?}");
    let page = browser.follow(&saved);
    page.has(200, "Äpfel &amp; &lt;Birnen&gt;").has(200, "<strong>fett</strong>, 🍎").is_whole();
    let raw = browser.get(&format!("/doku.php?{id}&do=export_raw"));
    assert_eq!((raw.status, raw.text()), (200, text.replace('\r', "")));
    browser.get(&format!("/doku.php?{id}&do=revisions")).has(200, "erster Text").is_whole();
    let head = browser.head(&format!("/doku.php?{id}"));
    assert_eq!(head.status, 200);
}

#[test]
fn dokuwiki_is_edited_behind_php_fpm() {
    let Some((fpm, serving)) = behind_fpm() else { return };
    for (number, browser) in Browser::each(&serving).enumerate() {
        let page = browser.get("/");
        assert_eq!((page.status, page.body.len()), (302, 0));
        browser.follow(&page).has(200, "Ein Wiki").is_whole();
        edits(&browser, number);
        browser.get("/doku.php?do=search&q=Birnen").has(200, "Ein Wiki").is_whole();
        let again = Browser::new(&serving, "--http1.1");
        again.get("/doku.php?id=start").has(200, "do=login").is_whole();
        // Links are not followed unless asked.
        browser.get("/lib/tpl/dokuwiki/main.php").has(404, "");
        browser.get("/conf/local.php").has(404, "");
    }
    assert_eq!(fs::read_dir(fpm.path("data/pages/buecher")).unwrap().count(), 3);
    let records = serving.requests.wait_for(" HTTP/", 3 * 17);
    assert!(records.iter().all(|line| line.ends_with(" done")), "{records:#?}");
}

#[test]
fn dokuwiki_is_edited_as_a_program() {
    if !there(&["php-cgi", SCRIPT, "curl"]) {
        return;
    }
    let files = Scripts::new();
    let at = format!("{}/", files.path().display());
    fill(&at);
    fs::create_dir(files.path().join("sessions")).unwrap();
    let (prepend, sessions) = (format!("auto_prepend_file={at}prepend.php"), format!("session.save_path={at}sessions"));
    let script = format!("SCRIPT_FILENAME={SCRIPT}");
    let mut arguments = vec!["--mount", "/doku.php", "--env", "REDIRECT_STATUS=200", "--env", &script];
    arguments.extend(["--", "php-cgi", "-d", &prepend, "-d", &sessions]);
    let serving = Serving::start(&arguments);
    for (number, browser) in Browser::each(&serving).enumerate() {
        edits(&browser, number);
    }
    wait_until("all programs have ended", || serving.children().is_empty());
}

#[test]
fn dokuwiki_has_its_images_and_styles() {
    // Debian's package keeps templates and plugins elsewhere, behind links.
    let Some((_fpm, serving)) = behind_fpm_with(&["--follow-links"]) else { return };
    for browser in Browser::each(&serving) {
        let page = browser.get("/doku.php?id=start");
        let names = [page.attributes("src"), page.attributes("href")].concat();
        let mut paths: Vec<_> = names.iter().filter_map(|link| browser.path("/doku.php", link)).collect();
        paths.retain(|path| path.starts_with("/lib/"));
        let mut kinds = Vec::new();
        for path in &paths {
            let file = browser.get(path);
            let kind = file.field("content-type").unwrap_or_default();
            assert!(file.status == 200 && !file.body.is_empty(), "{path}: {file:?}");
            if !path.contains(".php") {
                let name = path.split('?').next().unwrap();
                assert!(fs::read(format!("{ROOT}{name}")).unwrap() == file.body, "{path}");
            }
            kinds.push(kind.split(';').next().unwrap().to_owned());
        }
        for kind in ["text/css", "image/png", "image/gif"] {
            assert!(kinds.iter().any(|found| found == kind), "{paths:#?} {kinds:?}");
        }
        for path in
            ["/.htaccess", "/.htaccess.dist", "/lib/plugins/.htaccess", "/conf/local.php", "/lib/images/none.png"]
        {
            browser.get(path).has(404, "");
        }
    }
}

#[test]
fn every_link_of_dokuwiki_leads_to_a_page() {
    let Some((_fpm, serving)) = behind_fpm() else { return };
    let browser = Browser::new(&serving, "--http1.1");
    edits(&browser, 0);
    let wanted = |path: &str| {
        let script = ["/doku.php?", "/lib/exe/", "/feed.php"].iter().any(|script| path.starts_with(script));
        script && !path.contains("do=logout")
    };
    let paths = browser.walk("/doku.php?id=b%C3%BCcher:%C3%A4pfel_0", 60, wanted);
    assert!(paths.len() > 20 && paths.iter().any(|path| path.starts_with("/lib/exe/css.php")), "{paths:#?}");
}

#[test]
fn files_of_dokuwiki_arrive_unchanged() {
    let Some((fpm, serving)) = behind_fpm() else { return };
    for (number, browser) in Browser::each(&serving).enumerate() {
        logged_in(&browser);
        let token = browser.get("/doku.php?id=start&do=edit").hidden("sectok");
        for (size, name) in [(0, "leer"), (100, "klein"), (5 << 20, "groß")] {
            let bytes = noise(size, 9);
            let file = fpm.path("sent.zip");
            fs::write(&file, &bytes).unwrap();
            let field = format!("@{};type=application/zip", file.display());
            let id = format!("{name} & mehr {number}.zip");
            let fields =
                [("call", "mediaupload"), ("ns", "ablage"), ("sectok", &token), ("mediaid", &id), ("qqfile", &field)];
            let sent = browser.upload("/lib/exe/ajax.php", &fields);
            sent.has(200, "\"success\":true");
            let name = name.replace("ß", "ss");
            let path = format!("/lib/exe/fetch.php?media=ablage:{name}_mehr_{number}.zip");
            let page = browser.get(&path);
            assert!(page.status == 200 && page.body == bytes, "{path}: {}", page.text().len());
            let tag = format!("If-None-Match: {}", page.field("etag").unwrap());
            let page = browser.ask(&path, &["-H", &tag]);
            assert_eq!((page.status, page.body.len()), (304, 0));
            let page = browser.head(&path);
            assert_eq!((page.status, page.field("content-length")), (200, Some(size.to_string())));
            if size > 50 {
                let page = browser.ask(&path, &["-r", "10-49"]);
                assert_eq!((page.status, &page.body[..]), (206, &bytes[10..50]));
                assert_eq!(page.field("content-range"), Some(format!("bytes 10-49/{size}")));
            }
        }
        browser.get("/lib/exe/fetch.php?media=ablage:nichts.zip").has(404, "Not Found");
    }
}

#[test]
fn an_aborted_download_of_dokuwiki_frees_its_worker() {
    let Some((fpm, serving)) = behind_fpm() else { return };
    fs::create_dir(fpm.path("data/media/ablage")).unwrap();
    fs::write(fpm.path("data/media/ablage/large.zip"), noise(16 << 20, 5)).unwrap();
    let path = "/lib/exe/fetch.php?media=ablage:large.zip";
    let before = serving.descriptors();
    // More often than there are workers.
    for browser in Browser::each(&serving).chain(Browser::each(&serving)) {
        browser.abort(path, || assert!(serving.descriptors() > before));
    }
    let records = serving.requests.wait_for(&format!("GET {path} "), 6);
    assert!(records.iter().all(|line| line.ends_with(" gone")), "{records:#?}");
    for browser in Browser::each(&serving) {
        assert!(browser.get(path).body == noise(16 << 20, 5));
    }
}

//! Adminer with an SQLite database, behind `php-fpm` and as a program of `php-cgi`.

use std::fs;

use super::browser::{Browser, Page};
use super::php_fpm::{FPM, Fpm};
use crate::host::{Scripts, Serving, wait_until};
use pushpull_testing::needed::there;

/// Adminer's place on Debian, and the PHP modules for the database.
const NEEDED: [&str; 3] = ["/usr/share/adminer/adminer.php", "/etc/php/8.2/mods-available/sqlite3.ini", "curl"];

/// A login as Adminer's documentation suggests: a database without a password needs one defined in PHP.
const INDEX: &str = "<?php
function adminer_object() {
    include_once '/usr/share/adminer/plugins/plugin.php';
    include_once '/usr/share/adminer/plugins/login-password-less.php';
    return new AdminerPlugin([new AdminerLoginPasswordLess(password_hash('geheim', PASSWORD_BCRYPT))]);
}
include '/usr/share/adminer/adminer.php';
";

/// A user with a browser, below a mount, with the database at a path.
struct User<'a> {
    browser: &'a Browser,
    mount: &'a str,
    database: &'a str,
}

impl User<'_> {
    fn path(&self, rest: &str) -> String {
        format!("{}/?sqlite=&username=&db={}{rest}", self.mount, self.database.replace('/', "%2F"))
    }

    fn get(&self, rest: &str) -> Page {
        self.browser.get(&self.path(rest))
    }

    /// Submits a form of the page at this path.
    fn post(&self, rest: &str, fields: &[(&str, &str)]) -> Page {
        let token = self.get(rest).hidden("token");
        self.browser.post(&self.path(rest), &[fields, &[("token", &token)]].concat())
    }

    fn log_in(&self) {
        let first = format!("{}/", self.mount);
        self.browser.get(&first).has(200, "<title>Login - Adminer</title>");
        let fields = |password| {
            let database = ("auth[db]", self.database);
            [("auth[driver]", "sqlite"), ("auth[username]", ""), ("auth[password]", password), database]
        };
        let page = self.browser.post(&first, &fields("falsch"));
        self.follow(&page)
            .has(403, "Database does not support password.")
            .has(403, "setupSubmitHighlight(document);</script>");
        let page = self.browser.post(&first, &fields("geheim"));
        self.follow(&page).has(200, "Tables and views").has(200, "setupSubmitHighlight(document);</script>");
    }

    /// Checks the redirect for a URL without a path.
    fn follow(&self, page: &Page) -> Page {
        let location = page.field("location").unwrap_or_else(|| panic!("no redirect: {page:?}"));
        assert!(page.status == 302 && location.starts_with("?sqlite="), "{page:?}");
        self.browser.get(&format!("{}/{location}", self.mount))
    }

    fn works(&self, number: usize) {
        self.log_in();
        let table = format!("bücher_{number}");
        let sql = format!(
            "CREATE TABLE {table} (id integer PRIMARY KEY, titel text);\n\
             INSERT INTO {table} (titel) VALUES ('Grüße & <b>'), ('100% 🍎');"
        );
        self.post("&sql=", &[("query", &sql)]).has(200, "Query executed OK, 2 rows affected.");
        self.post("&sql=", &[("query", "SELECT * FROM nirgends")]).has(200, "no such table: nirgends");
        let name = table.replace('ü', "%C3%BC");
        self.get(&format!("&select={name}")).has(200, "Grüße &amp; &lt;b&gt;").has(200, "100% 🍎");
        let place = format!("&edit={name}&where%5Bid%5D=2");
        let saved = self.post(&place, &[("fields[titel]", "zwei\nZeilen ü"), ("fields[id]", "2")]);
        self.follow(&saved).has(200, "Item has been updated.");
        self.get(&place).has(200, "zwei\nZeilen ü</textarea>");
        // An SQL file larger than the part of a request that is kept in memory.
        let inserts: String = (3..303).map(|n| format!("INSERT INTO {table} VALUES ({n}, '{n:0600}');\n")).collect();
        let sql = format!("BEGIN;\n{inserts}COMMIT;\n");
        let file = fs::canonicalize(self.database).unwrap().with_file_name("import.sql");
        fs::write(&file, sql).unwrap();
        let token = self.get("&import=").hidden("token");
        let file = format!("@{}", file.display());
        let fields = [("sql_file[]", file.as_str()), ("only_errors", "1"), ("token", &token)];
        self.browser.upload(&self.path("&import="), &fields).has(200, "302 queries executed OK.");
        let fields = [("output", "file"), ("format", "csv"), ("data_style", "INSERT"), ("data[]", &table)];
        let page = self.post(&format!("&dump={name}"), &fields);
        assert!(page.field("content-disposition").unwrap().starts_with("attachment; filename="), "{page:?}");
        let rows: String = (3..303).map(|n| format!("{n},\"{n:0600}\"\n")).collect();
        // Adminer starts the file with a byte order mark, and quotes values that a spreadsheet would take for numbers.
        let expected = format!("\u{feff}1,Grüße & <b>\n2,\"zwei\nZeilen ü\"\n{rows}");
        assert_eq!(page.text().replace("\r\n", "\n"), expected);
        assert_eq!(self.browser.head(&self.path("")).status, 200);
    }

    fn log_out(&self) {
        let page = self.post("", &[("logout", "Logout")]);
        self.follow(&page).has(200, "Logout successful.");
        self.get("").has(403, "auth[password]");
    }
}

fn behind_fpm() -> Option<(Fpm, Serving)> {
    if !there(&[&[FPM][..], &NEEDED].concat()) {
        return None;
    }
    let prepare = |fpm: &Fpm| {
        fs::create_dir(fpm.path("www")).unwrap();
        fs::write(fpm.path("www/index.php"), INDEX).unwrap();
        fs::write(fpm.path("data.sqlite"), "").unwrap();
    };
    let fpm = Fpm::start(prepare, &[]);
    let serving = Serving::start(&["--upstream", &fpm.address(), "--root", &fpm.place("www")]);
    Some((fpm, serving))
}

#[test]
fn adminer_edits_a_database_behind_php_fpm() {
    let Some((fpm, serving)) = behind_fpm() else { return };
    for (number, browser) in Browser::each(&serving).enumerate() {
        let user = User { browser: &browser, mount: "", database: &fpm.place("data.sqlite") };
        user.works(number);
        // The script itself serves Adminer's files, and knows what a browser has cached.
        let page = browser.get("/?file=default.css&version=4.8.1");
        page.has(200, "body");
        let since = format!("If-Modified-Since: {}", page.field("last-modified").unwrap());
        let page = browser.ask("/?file=default.css&version=4.8.1", &["-H", &since]);
        assert_eq!((page.status, page.body.len()), (304, 0));
        user.log_out();
    }
    let records = serving.requests.wait_for(" HTTP/", 3 * 20);
    assert!(records.iter().all(|line| line.ends_with(" done")), "{records:#?}");
}

#[test]
fn adminer_edits_a_database_as_a_program() {
    if !there(&[&["php-cgi"][..], &NEEDED].concat()) {
        return;
    }
    let files = Scripts::new();
    let script = format!("SCRIPT_FILENAME={}", files.file("index.php", INDEX, 0o644));
    let database = files.file("data.sqlite", "", 0o644);
    // Adminer also counts failed logins here.
    let (sessions, temporary) =
        ["session.save_path", "upload_tmp_dir"].map(|name| format!("{name}={}", files.path().display())).into();
    let mut arguments = vec!["--mount", "/db", "--env", "REDIRECT_STATUS=200", "--env", &script];
    arguments.extend(["--", "php-cgi", "-d", &sessions, "-d", &temporary]);
    let serving = Serving::start(&arguments);
    for (number, browser) in Browser::each(&serving).enumerate() {
        let user = User { browser: &browser, mount: "/db", database: &database };
        user.works(number);
        user.log_out();
    }
    wait_until("all programs have ended", || serving.children().is_empty());
}

#[test]
fn an_aborted_export_of_adminer_frees_its_worker() {
    let Some((fpm, serving)) = behind_fpm() else { return };
    let database = fpm.place("data.sqlite");
    let browser = Browser::new(&serving, "--http1.1");
    let user = User { browser: &browser, mount: "", database: &database };
    user.log_in();
    let sql = "CREATE TABLE t (a text); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
               INSERT INTO t SELECT printf('%01000d', i) FROM n;";
    user.post("&sql=", &[("query", sql)]).has(200, "Query executed OK, 20,000 rows affected.");
    let token = user.get("&dump=t").hidden("token");
    let export = ["output=file", "format=csv", "data_style=INSERT", "data[]=t", &format!("token={token}")].join("&");
    let before = serving.descriptors();
    // More often than there are workers.
    for _ in 0..5 {
        browser.abort_with(&user.path("&dump=t"), &["-d", &export], || assert!(serving.descriptors() > before));
    }
    serving.requests.wait_for(" gone", 5);
    let page = browser.ask(&user.path("&dump=t"), &["-d", &export]);
    assert_eq!((page.status, page.body.len()), (200, 3 + 20_000 * 1004));
}

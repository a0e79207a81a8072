//! A typical script with Perl's CGI.pm.

use std::fs;

use super::browser::{Browser, leaves_no_process};
use super::git::noise;
use crate::host::{Scripts, Serving};
use pushpull_testing::needed::there;

/// The place of CGI.pm on Debian.
const MODULE: &str = "/usr/share/perl5/CGI.pm";

const SCRIPT: &str = r##"#!/usr/bin/perl
use strict;
use warnings;
use utf8;
use CGI qw(-utf8);
use CGI::Carp qw(fatalsToBrowser warningsToBrowser);
use CGI::Cookie;
use Digest::MD5;
binmode STDOUT, ':utf8';
$CGI::POST_MAX = 8 << 20;
my $q = CGI->new;
my $path = $q->path_info;
if ($path eq '' || $path eq '/') {
    print $q->header(-charset => 'utf-8'), $q->start_html('Überschrift'), $q->h1('Grüße'),
        $q->start_form(-action => $q->url . '/form'), $q->textfield('name'), $q->end_form,
        $q->a({ href => $q->url . '/form?name=a%26b' }, 'a form'), ' ', $q->a({ href => $q->url(-absolute => 1) . '/cookies' }, 'cookies'),
        $q->end_html;
} elsif ($path =~ m{^/form}) {
    print $q->header(-type => 'text/plain', -charset => 'utf-8', -status => '201 Made');
    print join('|', $q->request_method, $path, $q->query_string, map { my $n = $_; map { "$n=$_" } $q->multi_param($n) } $q->multi_param), "\n";
} elsif ($path eq '/upload') {
    print $q->header(-type => 'text/plain', -charset => 'utf-8');
    print "error ", $q->cgi_error, "\n" if $q->cgi_error;
    for my $file ($q->upload('file')) {
        my $digest = Digest::MD5->new->addfile($file)->hexdigest;
        utf8::decode(my $name = "$file");
        print "$name ", -s $file, " $digest ", $q->uploadInfo($file)->{'Content-Type'}, "\n";
    }
    print "comment ", $q->param('comment') // '-', "\n";
} elsif ($path eq '/set') {
    print $q->header(-cookie => [
        CGI::Cookie->new(-name => 'first', -value => ['a b', 'c&d']),
        CGI::Cookie->new(-name => 'second', -value => 'Grüße', -path => '/', -expires => '+1h', -httponly => 1),
    ], -type => 'text/plain'), "set\n";
} elsif ($path eq '/login') {
    print $q->redirect(-uri => $q->url . '/cookies', -status => 303, -cookie => $q->cookie(-name => 'session', -value => '17', -path => '/'));
} elsif ($path eq '/cookies') {
    print $q->header('text/plain');
    print "$_=", join(',', $q->cookie($_)), "\n" for sort $q->cookie;
} elsif ($path eq '/inside') {
    print $q->redirect(-uri => $ENV{SCRIPT_NAME} . '/form/inside?name=1', -status => '');
} elsif ($path eq '/bare') {
    print 'Location: ', $ENV{SCRIPT_NAME}, "/form/inside?name=1\n\n";
} elsif ($path eq '/relative') {
    print $q->redirect(-uri => 'form?name=2');
} elsif ($path eq '/large') {
    binmode STDOUT, ':raw';
    print $q->header(-type => 'application/octet-stream', -attachment => 'gross.bin', -Content_length => 16 << 20);
    print 'x' x 65536 for 1 .. 256;
} elsif ($path eq '/no content') {
    print $q->header(-status => '204 No Content');
} elsif ($path eq '/warns') {
    warn "careful\n";
    print $q->header, $q->start_html('Warned');
    warningsToBrowser(1);
    print $q->end_html;
} elsif ($path eq '/dies') {
    die "on purpose <b>\n";
} elsif ($path eq '/dies late') {
    $| = 1;
    print $q->header, $q->start_html('Begun'), "begun\n";
    die "on purpose <b>\n";
} elsif ($path eq '/not there') {
    print $q->header(-status => '404 Not Found'), $q->start_html('Nothing'), $q->end_html;
}
"##;

fn start(scripts: &Scripts, options: &[&str]) -> Option<Serving> {
    if !there(&[MODULE, "perl", "curl"]) {
        return None;
    }
    let script = scripts.file("script.pl", SCRIPT, 0o755);
    let mark = format!("MARK={}", scripts.path().display());
    Some(Serving::start(&[options, &["--mount", "/cgi-bin/script.pl", "--env", &mark, "--", &script]].concat()))
}

fn mark(scripts: &Scripts) -> String {
    format!("MARK={}", scripts.path().display())
}

const AT: &str = "/cgi-bin/script.pl";

#[test]
fn cgi_pm_takes_forms_and_files() {
    let scripts = Scripts::new();
    for policy in ["spool", "stream"] {
        let Some(serving) = start(&scripts, &["--request-body", policy]) else { return };
        for browser in Browser::each(&serving) {
            let page = browser.get(AT);
            page.has(200, "<h1>Grüße</h1>").is_whole();
            let paths = browser.walk(&format!("{AT}/"), 9, |path| path.ends_with("cookies"));
            assert_eq!(paths, [format!("{AT}/"), format!("{AT}/cookies")]);
            let asked = browser.get(&format!("{AT}/form/%C3%BC%20b?name=Gr%C3%BC%C3%9Fe&name=a%26b;c=+%2B"));
            asked.has(201, "GET|/form/");
            asked.has(201, "name=Grüße|name=a&b|c= +\n");
            let sent = browser.post(&format!("{AT}/form"), &[("name", "Grüße & <b>"), ("name", "a\nb"), ("empty", "")]);
            sent.has(201, "POST|/form|").has(201, "name=Grüße & <b>|name=a\nb|empty=\n");
            // From an empty file to one larger than memory buffers and pipes.
            for size in [0, 1, 70_000, 3 << 20] {
                let bytes = noise(size, 3);
                let name = format!("Übung {size}.bin");
                let file = scripts.path().join(&name);
                fs::write(&file, &bytes).unwrap();
                let field = format!("@{};type=image/x-odd", file.display());
                let page = browser.upload(&format!("{AT}/upload"), &[("file", &field), ("comment", "Grüße")]);
                // Another program reads the file back.
                let sum = std::process::Command::new("md5sum").arg(&file).output().unwrap().stdout;
                let sum = String::from_utf8(sum).unwrap();
                let sum = sum.trim_start_matches('\\').split(' ').next().unwrap().to_owned();
                page.has(200, &format!("{name} {size} {sum} image/x-odd\n")).has(200, "comment Grüße\n");
            }
            // The script reads nothing of a body that is too large. On HTTP/2, a response that completes before its
            // request ends with a reset without an error (RFC 9113, 8.1). curl before 8.0 reports that as a failure.
            if policy == "stream" && browser.version == "--http2-prior-knowledge" {
                continue;
            }
            let file = scripts.path().join("too large");
            fs::write(&file, vec![0; 9 << 20]).unwrap();
            let page = browser.upload(&format!("{AT}/upload"), &[("file", &format!("@{}", file.display()))]);
            page.has(200, "error 413 ").has(200, "comment -\n");
        }
    }
}

#[test]
fn cgi_pm_sets_cookies_and_redirects() {
    let scripts = Scripts::new();
    let Some(serving) = start(&scripts, &[]) else { return };
    for browser in Browser::each(&serving) {
        let page = browser.get(&format!("{AT}/set"));
        assert_eq!(page.has(200, "set\n").fields("set-cookie").len(), 2, "{page:?}");
        browser.get(&format!("{AT}/cookies")).has(200, "first=a b,c&d\nsecond=");
        let page = browser.post(&format!("{AT}/login"), &[("user", "a")]);
        assert_eq!((page.status, page.fields("set-cookie").len()), (303, 1));
        assert!(page.field("location").unwrap().starts_with("http://127.0.0.1:"), "{page:?}");
        browser.follow(&page).has(200, "session=17\n");
        // The server itself follows a path without a host, as RFC 3875 requires.
        for path in ["inside", "bare"] {
            let page = browser.get(&format!("{AT}/{path}"));
            assert_eq!(page.has(201, "GET|/form/inside|name=1|").field("location"), None);
        }
        let page = browser.get(&format!("{AT}/relative"));
        assert_eq!((page.status, page.field("location").as_deref()), (302, Some("form?name=2")));
        let page = browser.get(&format!("{AT}/no%20content"));
        assert_eq!((page.status, page.body.len(), page.field("content-length")), (204, 0, None));
    }
}

#[test]
fn error_pages_of_cgi_pm_are_complete() {
    let scripts = Scripts::new();
    let Some(serving) = start(&scripts, &[]) else { return };
    for browser in Browser::each(&serving) {
        browser.get(&format!("{AT}/not%20there")).has(404, "Nothing").is_whole();
        browser.get(&format!("{AT}/warns")).has(200, "<!-- warning: careful").is_whole();
        // CGI::Carp writes an error page, and then the script exits with an error.
        let page = browser.get(&format!("{AT}/dies"));
        page.has(500, "on purpose &lt;b&gt;");
        assert!(page.text().contains("Software error"), "{page:?}");
        // An unfinished page of a failing script is truncated, although its status is 200.
        assert!(browser.cut(&format!("{AT}/dies%20late")).contains("begun"));
        // For an unknown path, the script writes nothing.
        assert_eq!(browser.get(&format!("{AT}/unknown")).status, 502);
    }
    serving.troubles.wait_for("on purpose", 6);
    serving.troubles.wait_for("careful", 3);
    let records = serving.requests.wait_for(" HTTP/", 3 * 5);
    let (late, others): (Vec<_>, Vec<_>) = records.iter().partition(|line| line.contains("late"));
    assert!(late.iter().all(|line| line.ends_with(" cut")), "{late:#?}");
    assert!(others.iter().all(|line| line.ends_with(" done")), "{others:#?}");
}

#[test]
fn an_aborted_download_leaves_no_process_of_cgi_pm() {
    let scripts = Scripts::new();
    let Some(serving) = start(&scripts, &[]) else { return };
    let path = format!("{AT}/large");
    for browser in Browser::each(&serving) {
        let page = browser.head(&path);
        assert_eq!(page.field("content-length").as_deref(), Some("16777216"));
        let page = browser.get(&path);
        assert_eq!(page.field("content-disposition").as_deref(), Some("attachment; filename=\"gross.bin\""));
        assert!(page.body.len() == 16 << 20 && page.body.iter().all(|byte| *byte == b'x'));
    }
    let scripts_mark = mark(&scripts);
    // The responses above used the same path.
    let serving = start(&scripts, &[]).unwrap();
    leaves_no_process(&serving, &path, &scripts_mark);
}

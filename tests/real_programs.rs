//! Programs that were not written for this: git, cgit, gitweb, CGI.pm, PHP, DokuWiki, Adminer, and Python's WSGI.

#[path = "real_programs/adminer.rs"]
mod adminer;
#[path = "real_programs/browser.rs"]
mod browser;
#[path = "real_programs/cgi_pm.rs"]
mod cgi_pm;
#[path = "real_programs/cgit.rs"]
mod cgit;
#[path = "real_programs/dokuwiki.rs"]
mod dokuwiki;
#[path = "real_programs/git.rs"]
mod git;
#[path = "real_programs/gitweb.rs"]
mod gitweb;
#[path = "serve/program.rs"]
#[allow(dead_code, reason = "the tests of the program itself use more of it")]
mod host;
#[path = "support/needed.rs"]
mod needed;
#[path = "real_programs/php.rs"]
mod php;
#[path = "real_programs/php_fpm.rs"]
mod php_fpm;
#[path = "real_programs/python.rs"]
mod python;
#[path = "real_programs/repository.rs"]
mod repository;
#[path = "http_host/wire.rs"]
#[allow(dead_code, reason = "the tests of the host itself use more of it")]
mod wire;

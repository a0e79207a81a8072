//! Programs that know nothing of pushpull: git, cgit, gitweb, CGI.pm, PHP, DokuWiki, Adminer, and Python's WSGI.

mod adminer;
mod browser;
mod cgi_pm;
mod cgit;
mod dokuwiki;
mod git;
mod gitweb;
mod php;
mod php_fpm;
mod python;
mod repository;

//! PHP, which needs REDIRECT_STATUS and SCRIPT_FILENAME.

use crate::host::{Scripts, Serving};
use pushpull_testing::needed::there;
use pushpull_testing::wire::exchange;

const PAGE: &str = r#"<?php
header('X-Made-By: php');
if (isset($_GET['missing'])) { http_response_code(404); }
setcookie('a', '1');
setcookie('b', '2');
echo $_SERVER['REQUEST_METHOD'], ' ', $_SERVER['PATH_INFO'], ' ', $_GET['name'] ?? '-', ' ', $_POST['field'] ?? '-';
"#;

#[test]
fn php_answers() {
    if !there(&["php-cgi"]) {
        return;
    }
    let scripts = Scripts::new();
    let page = format!("SCRIPT_FILENAME={}", scripts.file("page.php", PAGE, 0o644));
    let serving = Serving::start(&["--env", "REDIRECT_STATUS=200", "--env", &page, "--", "php-cgi"]);
    let got =
        exchange(serving.address, "GET /place?name=caf%C3%A9&missing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let text = String::from_utf8_lossy(&got.text).into_owned();
    assert_eq!(got.status(), 404, "{text}");
    assert!(text.contains("x-made-by: php\r\n") && text.matches("set-cookie: ").count() == 2, "{text}");
    assert_eq!(got.chunks(), ("GET /place café -".into(), true));
    let got = exchange(
        serving.address,
        "POST /place HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\nb\r\nfield=value\r\n0\r\n\r\n",
    );
    assert_eq!((got.status(), got.chunks()), (200, (b"POST /place - value".to_vec(), true)));
}

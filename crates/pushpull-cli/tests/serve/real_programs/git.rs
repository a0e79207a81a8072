//! Git's own server program with git's own client.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use crate::host::{Serving, wait_until};
use pushpull_testing::needed::there;

/// Runs git with fixed settings, independent of the machine.
pub fn git(directory: &Path, arguments: &[&str]) -> Output {
    let output = Command::new("git")
        .args(["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "protocol.version=2"])
        .args(arguments)
        .current_dir(directory)
        .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_TERMINAL_PROMPT", "0")])
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "git {arguments:?}: {out}{err}");
    output
}

fn head(directory: &Path) -> String {
    String::from_utf8(git(directory, &["rev-parse", "HEAD"]).stdout).unwrap()
}

/// Returns bytes that do not compress (xorshift64).
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn commit(directory: &Path, name: &str, contents: &[u8]) {
    fs::write(directory.join(name), contents).unwrap();
    git(directory, &["add", name]);
    git(directory, &["commit", "-q", "-m", name]);
}

/// Creates a bare repository of `mib` MiB below `root`.
fn repository(root: &Path, mebibytes: usize) {
    let first = root.join("first");
    git(root, &["init", "-q", "-b", "main", "first"]);
    for n in 0..mebibytes {
        fs::write(first.join(format!("file {n}")), noise(1 << 20, n as u64 + 1)).unwrap();
    }
    git(&first, &["add", "."]);
    git(&first, &["commit", "-q", "-m", "all"]);
    git(root, &["clone", "-q", "--bare", "first", "served.git"]);
    git(&root.join("served.git"), &["config", "http.receivepack", "true"]);
    fs::remove_dir_all(first).unwrap();
}

fn serve(root: &Path, how: &str) -> Serving {
    let project_root = format!("GIT_PROJECT_ROOT={}", root.display());
    // A repository of a test can belong to another user.
    let safe =
        ["--env", "GIT_CONFIG_COUNT=1", "--env", "GIT_CONFIG_KEY_0=safe.directory", "--env", "GIT_CONFIG_VALUE_0=*"];
    let mut arguments = vec!["--request-body", how, "--env", &project_root, "--env", "GIT_HTTP_EXPORT_ALL=1"];
    arguments.extend(safe);
    arguments.extend(["--", "git", "http-backend"]);
    Serving::start(&arguments)
}

#[test]
fn git_clones_fetches_and_pushes_ten_at_a_time() {
    if !there(&["git"]) {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    repository(root.path(), 10);
    let clones = tempfile::tempdir().unwrap();
    let serving = serve(root.path(), "stream");
    let url = format!("http://{}/served.git", serving.address);
    let ten = |act: &(dyn Fn(usize) + Sync)| {
        thread::scope(|scope| (0..10).for_each(|n| drop(scope.spawn(move || act(n)))));
    };
    let place = |n: usize| clones.path().join(n.to_string());
    ten(&|n| {
        git(clones.path(), &["clone", "-q", &url, &n.to_string()]);
        git(&place(n), &["fsck", "--strict"]);
        assert_eq!(fs::read(place(n).join("file 7")).unwrap(), noise(1 << 20, 8));
    });
    ten(&|n| {
        let branch = format!("branch-{n}");
        git(&place(n), &["switch", "-q", "-c", &branch]);
        // Above 1 MiB, git sends chunks without a length.
        commit(&place(n), &branch, &noise(3 << 20, 1000 + n as u64));
        git(&place(n), &["push", "-q", "origin", &branch]);
    });
    let served = root.path().join("served.git");
    git(&served, &["fsck", "--strict"]);
    ten(&|n| {
        git(&place(n), &["fetch", "-q", "origin"]);
        for other in 0..10 {
            let theirs = git(&place(n), &["rev-parse", &format!("origin/branch-{other}")]).stdout;
            assert_eq!(String::from_utf8(theirs).unwrap(), head(&place(other)));
        }
    });
    wait_until("all programs have ended", || serving.children().is_empty());
    let pushes = serving.requests.wait_for("POST /served.git/git-receive-pack HTTP/1.1 200 ", 10);
    assert!(pushes.iter().all(|line| line.ends_with(" done")), "{pushes:#?}");
}

#[test]
fn git_pushes_with_a_spooled_body() {
    if !there(&["git"]) {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    repository(root.path(), 1);
    let serving = serve(root.path(), "spool");
    let url = format!("http://{}/served.git", serving.address);
    let clones = tempfile::tempdir().unwrap();
    git(clones.path(), &["clone", "-q", &url, "clone"]);
    let clone = clones.path().join("clone");
    commit(&clone, "large", &noise(20 << 20, 77));
    git(&clone, &["push", "-q", "origin", "main"]);
    git(&root.path().join("served.git"), &["fsck", "--strict"]);
    assert_eq!(head(&clone), head(&root.path().join("served.git")));
}

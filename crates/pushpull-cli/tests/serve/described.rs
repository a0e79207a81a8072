//! The man page and the completions, which are made from the texts of `--help`.

use std::fs;
use std::process::Command;

use pushpull_testing::needed::{place, there};

use super::host::{PUSHPULL, Scripts, run};

/// Returns the options of a command, as its help names them at the beginning of a line.
fn options(command: &str) -> Vec<String> {
    let (_, text, _) = if command == "serve" { run(&["serve", "--help", "all"]) } else { run(&[command, "--help"]) };
    let lines = text.lines().filter_map(|line| line.strip_prefix("  --"));
    lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

fn printed(arguments: &[&str]) -> String {
    let (code, out, err) = run(arguments);
    assert_eq!((code, &err[..]), (0, ""), "{arguments:?}");
    out
}

#[test]
fn the_man_page_has_every_option_and_is_valid() {
    let page = printed(&["help", "--man"]);
    let (serve, bench) = (options("serve"), options("bench"));
    assert!(serve.len() > 40 && bench.len() > 5);
    for option in serve.iter().chain(&bench) {
        assert!(page.contains(&format!("\\fB\\-\\-{}\\fR", option.replace('-', "\\-"))), "{option}");
    }
    if !there(&["groff"]) {
        return;
    }
    let scripts = Scripts::new();
    let path = scripts.file("pushpull.1", &page, 0o644);
    let formatted = Command::new("groff").args(["-man", "-ww", "-Tascii", "-P-cbou", &path]).output().unwrap();
    let (text, warnings) = (String::from_utf8(formatted.stdout).unwrap(), String::from_utf8(formatted.stderr).unwrap());
    assert_eq!(warnings, "");
    for part in [
        "--trust-proxy NETWORK",
        "pushpull serve --root /srv/www --cgi-bin /cgi-bin/ --cgi '*.cgi,*.pl'",
        "*~ #*#",
        "--upstream fastcgi://",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

#[test]
fn bash_completes_commands_options_and_values() {
    if !there(&["bash"]) {
        return;
    }
    let scripts = Scripts::new();
    let completions = scripts.file("completions", &printed(&["completions", "bash"]), 0o644);
    fs::create_dir(scripts.path().join("directory")).unwrap();
    let complete = |words: &[&str]| {
        let text = format!(
            "source {completions}; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _pushpull; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let mut bash = Command::new(place("bash").unwrap());
        bash.current_dir(scripts.path()).args(["--norc", "-c", &text, "bash", "pushpull"]).args(words);
        String::from_utf8(bash.output().unwrap().stdout)
            .unwrap()
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(complete(&["s"]), ["serve"]);
    assert_eq!(complete(&["completions", ""]), ["bash", "zsh", "fish"]);
    assert_eq!(complete(&["serve", "--protocol", ""]), ["http", "fastcgi", "scgi"]);
    assert_eq!(complete(&["serve", "--exit-status", "l"]), ["log"]);
    assert_eq!(complete(&["serve", "--root", ""]), ["directory"]);
    assert_eq!(complete(&["serve", "--max-body", ""]), [""; 0]);
    assert_eq!(complete(&["serve", "--", "comp"]), ["completions"]);
    let mut completed = complete(&["serve", "--"]);
    let mut expected: Vec<_> = options("serve").iter().map(|option| format!("--{option}")).collect();
    completed.sort();
    expected.sort();
    expected.dedup();
    assert_eq!(completed, expected);
}

#[test]
fn the_other_shells_complete_every_option() {
    for shell in ["zsh", "fish"] {
        let completions = printed(&["completions", shell]);
        for option in options("serve").iter().chain(&options("bench")) {
            let part = if shell == "zsh" { format!("'*--{option}[") } else { format!(" -l {option} ") };
            assert!(completions.contains(&part), "{shell}: {option}");
        }
        if place(shell).is_some() {
            let path = Scripts::new().file("completions", &completions, 0o644);
            assert!(Command::new(shell).args(["-n", &path]).status().unwrap().success(), "{shell}");
        }
    }
    for (arguments, told) in [
        (&["completions"][..], "missing shell: expected bash, zsh or fish"),
        (&["completions", "tcsh"], "unknown shell \"tcsh\""),
        (&["help", "sreve"], "unknown command \"sreve\""),
        (&["help", "--man", "x"], "x"),
    ] {
        let (code, out, err) = run(arguments);
        assert!(code == 2 && out.is_empty() && err.contains(told), "{arguments:?}: {err}");
    }
    assert_eq!(printed(&["help", "serve", "files"]), printed(&["serve", "--help", "files"]));
}

#[test]
fn the_configuration_file_of_the_documentation_is_valid() {
    let scripts = Scripts::new();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/systemd/site.toml");
    let text = fs::read_to_string(file).unwrap().replace("/srv/www", ".");
    let (code, out, err) = run(&["serve", "--check", "--config", &scripts.file("site.toml", &text, 0o644)]);
    assert!(code == 0 && out.starts_with("/: files of "), "{out}{err}");
}

#[test]
fn the_units_of_the_documentation_are_valid_and_hardened() {
    if !there(&["systemd-analyze"]) {
        return;
    }
    let scripts = Scripts::new();
    let units = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/systemd");
    let names = ["pushpull.service", "pushpull.socket"].map(|name| {
        let text = fs::read_to_string(format!("{units}/{name}")).unwrap();
        scripts.file(name, &text.replace("/usr/bin/pushpull", PUSHPULL), 0o644)
    });
    let analyze = |arguments: &[&str]| {
        let output = Command::new("systemd-analyze").args(arguments).args(&names).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (is_valid, told) = analyze(&["verify", "--man=no", "--recursive-errors=no"]);
    assert!(is_valid && !told.contains("pushpull"), "{told}");
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=20", "--no-pager", &names[0]])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

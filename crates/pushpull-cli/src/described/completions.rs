//! Completions for shells.

use std::fmt::Write;

use super::{Described, options};
use crate::{bench, serve};

const COMMANDS: [(&str, &str); 4] = [
    ("bench", "measures bridges"),
    ("completions", "prints completions for a shell"),
    ("help", "prints a help text or the man page"),
    ("serve", "serves files, CGI programs or a FastCGI application"),
];

const SHELLS: &str = "bash zsh fish";

/// What completes the value of an option.
enum Values {
    /// The option has no value.
    None,
    Words(Vec<&'static str>),
    Directories,
    Files,
    /// Nothing that a shell could know.
    Unknown,
}

fn of_serve() -> Vec<Described<'static>> {
    options(&serve::topics())
}

fn of_bench() -> Vec<Described<'static>> {
    options(&[bench::HELP])
}

fn values(option: &Described<'_>) -> Values {
    let Some(value) = option.value.filter(|value| !value.starts_with('[')) else { return Values::None };
    if value == "FILE" && option.name != "index" {
        return Values::Files;
    }
    match serve::expected(option.name) {
        "a directory" => Values::Directories,
        expected => {
            let words: Vec<_> = expected.split(", ").flat_map(|part| part.split(" or ")).collect();
            let is_list = words.len() > 1
                && words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
            if is_list { Values::Words(words) } else { Values::Unknown }
        }
    }
}

/// Returns the first part of a description, for a list of options.
fn short(text: &str) -> &str {
    let end = text.find([';', '(', ':']).unwrap_or(text.len());
    let text = &text[..end];
    text.split(". ").next().unwrap_or(text).trim().trim_end_matches('.')
}

fn names(options: &[Described<'_>]) -> String {
    options.iter().map(|option| format!("--{}", option.name)).collect::<Vec<_>>().join(" ")
}

/// Returns completions for bash.
pub fn bash() -> String {
    let (serve, bench) = (of_serve(), of_bench());
    let mut by_value = String::new();
    for option in serve.iter().chain(&bench) {
        let reply = match values(option) {
            Values::None => continue,
            Values::Words(words) => format!("compgen -W '{}' -- \"$word\"", words.join(" ")),
            Values::Directories => "compgen -d -- \"$word\"".to_owned(),
            Values::Files => "compgen -f -- \"$word\"".to_owned(),
            Values::Unknown => ":".to_owned(),
        };
        let _ = writeln!(by_value, "        --{}) COMPREPLY=($({reply})); return;;", option.name);
    }
    let commands = COMMANDS.map(|(name, _)| name).join(" ");
    format!(
        r#"# Completions of pushpull for bash.
_pushpull() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} words=
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W '{commands} --help --version' -- "$word"))
        return
    fi
    case $before in
{by_value}    esac
    case ${{COMP_WORDS[1]}} in
        serve) words='{serve}';;
        bench) words='{bench}';;
        help) words='serve bench --man';;
        completions) words='{SHELLS}';;
    esac
    if [[ $word == -* || ${{COMP_WORDS[1]}} != serve ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$word"))
    else
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}}
complete -o filenames -F _pushpull pushpull
"#,
        serve = names(&serve),
        bench = names(&bench),
    )
}

/// Returns completions for zsh.
pub fn zsh() -> String {
    // In a specification, these separate its parts.
    let escaped = |text: &str| {
        let text = text.replace('\'', "'\\''");
        text.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]").replace(':', "\\:")
    };
    let specifications = |options: &[Described<'_>]| {
        let mut text = String::new();
        for option in options {
            let value = option.value.map(escaped).unwrap_or_default();
            let action = match values(option) {
                Values::None => String::new(),
                Values::Words(words) => format!(":{value}:({})", words.join(" ")),
                Values::Directories => format!(":{value}:_files -/"),
                Values::Files => format!(":{value}:_files"),
                Values::Unknown => format!(":{value}: "),
            };
            let _ = write!(text, " \\\n            '*--{}[{}]{action}'", option.name, escaped(short(&option.text)));
        }
        text
    };
    let commands: String = COMMANDS.iter().map(|(name, text)| format!(" '{name}:{}'", escaped(text))).collect();
    format!(
        "#compdef pushpull
# Completions of pushpull for zsh.
_pushpull() {{
    local -a commands=({commands} )
    if ((CURRENT == 2)); then
        _describe command commands
        return
    fi
    local command=$words[2]
    shift words
    ((CURRENT--))
    case $command in
        serve) _arguments -S{serve} \\
            '*:program:_files';;
        bench) _arguments{bench};;
        help) _values help serve bench --man;;
        completions) _values shell {SHELLS};;
    esac
}}
_pushpull \"$@\"
",
        serve = specifications(&of_serve()),
        bench = specifications(&of_bench()),
    )
}

/// Returns completions for fish.
pub fn fish() -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let mut text = "# Completions of pushpull for fish.\n".to_owned();
    for (name, description) in COMMANDS {
        let _ = writeln!(text, "complete -c pushpull -f -n __fish_use_subcommand -a {name} -d {}", quoted(description));
    }
    for (command, options) in [("serve", of_serve()), ("bench", of_bench())] {
        for option in options {
            let values = match values(&option) {
                Values::None => String::new(),
                Values::Words(words) => format!(" -x -a {}", quoted(&words.join(" "))),
                Values::Directories => " -x -a '(__fish_complete_directories)'".to_owned(),
                Values::Files => " -r -F".to_owned(),
                Values::Unknown => " -x".to_owned(),
            };
            let (name, description) = (option.name, quoted(short(&option.text)));
            let _ = writeln!(
                text,
                "complete -c pushpull -n '__fish_seen_subcommand_from {command}' -l {name}{values} -d {description}"
            );
        }
    }
    for (command, words) in [("help", "serve bench --man"), ("completions", SHELLS)] {
        let _ = writeln!(text, "complete -c pushpull -f -n '__fish_seen_subcommand_from {command}' -a '{words}'");
    }
    text
}

//! What `--help` tells.

use crate::support::{Server, run, run_with_input};

/// The flags, or the names of arguments, under a heading of a command's help.
fn under(help: &str, heading: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| line.is_empty() || line.starts_with(' '));
    lines.filter_map(name).collect()
}

/// What a line of the help is about, if an argument begins there.
fn name(line: &str) -> Option<String> {
    let text = line.trim_start();
    let name = text.split([' ', '=']).find(|word| word.starts_with("--") || word.starts_with(['<', '[']))?;
    let begins = text.starts_with(['-', '<', '[']) && line.len() - text.len() <= 6;
    begins.then(|| name.trim_end_matches(['.', ',']).to_owned())
}

#[test]
fn each_argument_stands_under_its_own_heading() {
    let tls = ["--insecure", "--ca", "--cert", "--key"];
    for (command, arguments, options) in [
        ("call", &["<URL>", "<METHOD>", "[PARAMS]"][..], &["--session", "--print-session", "--timeout"][..]),
        ("notify", &["<URL>", "<METHOD>", "[PARAMS]"], &["--session", "--print-session", "--timeout"]),
        ("connect", &["<URL>"], &["--session", "--print-session", "--heartbeat", "--timeout", "--no-history"]),
        ("bench", &["<URL>"], &["--connections", "--pipeline", "--requests", "--duration", "--size", "--method", "--timeout", "--threads"]),
    ] {
        let help = run(&[command, "--help"]).expect_code(0).stdout;
        assert_eq!(under(&help, "Arguments:"), arguments, "{help}");
        assert_eq!(under(&help, "TLS:"), tls, "{help}");
        let others = under(&help, "Options:");
        assert!(options.iter().all(|option| others.contains(&(*option).to_owned())), "{others:?} in {help}");
        assert!(help.find("Options:") < help.find("TLS:"), "{help}");
    }
    let help = run(&["serve", "--help"]).expect_code(0).stdout;
    assert!(under(&help, "Options:").contains(&"--threads".to_owned()), "{help}");
    assert_eq!(under(&help, "Limits:").last().map(String::as_str), Some("--failed-connects-per-second"), "{help}");
}

#[test]
fn what_sockjs_client_is_for_can_be_understood() {
    let help = run(&["serve", "--help"]).expect_code(0).stdout;
    let about = help.split("--sockjs-client <URL>").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
    for part in ["script", "iframe.html", "--sockjs", "--allow-origin '*'"] {
        assert!(about.contains(part), "{part:?} is not in:\n{about}");
    }
}

/// The lines of a section behind the options.
fn section<'a>(help: &'a str, heading: &str) -> Vec<&'a str> {
    help.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| !line.is_empty()).collect()
}

#[test]
fn each_demo_method_is_told_with_params_that_it_takes() {
    let help = run(&["serve", "--help"]).expect_code(0).stdout;
    let lines = section(&help, "Methods, with their params and what comes of them:");
    let methods: Vec<_> = lines.iter().map(|line| line.trim_start().split_once(' ').unwrap()).collect();
    assert_eq!(methods.len(), 18, "{help}");
    assert!(lines.iter().all(|line| line.starts_with("  ") && line.len() <= 80), "{help}");
    let server = Server::start(&[]);
    let call = |method: &str, params: &str| run_with_input(&["connect", &server.url("/demo")], &format!("{method} {params}\n")).stdout;
    for (method, about) in methods {
        let params = about.split(';').next().unwrap().trim();
        let params = if params.starts_with('{') { params } else { "" };
        let said = call(method, params);
        assert!(!said.is_empty() && !said.contains("-32601") && !said.contains("-32602"), "{method} {params}: {said}");
    }
}

#[test]
fn the_exit_codes_of_a_server_are_told() {
    for flag in ["-h", "--help"] {
        let help = run(&["serve", flag]).expect_code(0).stdout;
        let codes: Vec<_> = section(&help, "Exit codes:").into_iter().filter_map(|line| line.split_whitespace().next()).collect();
        assert!(["0", "1", "2"].iter().all(|code| codes.contains(code)), "{help}");
        assert_eq!(help.contains("Methods, "), flag == "--help", "{help}");
    }
}

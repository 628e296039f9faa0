use crate::json;
use bowline_tokio::Json;
use std::time::Duration;

pub(super) const HELP: &str = "\
METHOD [PARAMS]          call a method; PARAMS is JSON
/notify METHOD [PARAMS]  send a notification
/session                 show the session's whole id, for --session
/reconnect               drop the connection and come back
/heartbeat 5s|off        ping the server at this interval, or not
/answer                  show how requests of the server are answered
/answer on               answer them with {} (the default)
/answer off              refuse them: method not found
/answer METHOD JSON      answer this method with this result
/help                    show this
/quit                    leave, as Ctrl-D does";

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Nothing,
    Call(Message),
    Notify(Message),
    Session,
    Reconnect,
    Heartbeat(Option<Duration>),
    ShowAnswers,
    Answer(Answer),
    Help,
    Quit,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) method: String,
    pub(super) params: Option<Json<'static>>,
}

/// How requests of the server are answered from now on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Empty,
    Refuse,
    With { method: String, result: Json<'static> },
}

/// What `line` asks for.
///
/// # Errors
///
/// If it cannot be understood; the text is for the person who typed it.
pub(super) fn parse(line: &str) -> Result<Command, String> {
    let line = line.trim();
    let (word, rest) = split(line);
    Ok(match word {
        "" => Command::Nothing,
        "/notify" => Command::Notify(message(rest)?),
        "/session" => Command::Session,
        "/reconnect" => Command::Reconnect,
        "/heartbeat" => Command::Heartbeat(heartbeat(rest)?),
        "/answer" => answer(rest)?,
        "/help" | "/?" => Command::Help,
        "/quit" | "/exit" => Command::Quit,
        other if other.starts_with('/') => return Err(format!("no command {other}; /help shows those there are")),
        _ => Command::Call(message(line)?),
    })
}

/// The first word, and what follows it.
fn split(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

fn message(text: &str) -> Result<Message, String> {
    let (method, params) = split(text);
    if method.is_empty() {
        return Err("the method is missing".into());
    }
    let params = match params {
        "" => None,
        params => Some(json::parse(params).map_err(|error| format!("the params are not JSON: {error}"))?),
    };
    Ok(Message { method: method.into(), params })
}

fn heartbeat(text: &str) -> Result<Option<Duration>, String> {
    if text == "off" {
        return Ok(None);
    }
    match humantime::parse_duration(text) {
        Ok(interval) if !interval.is_zero() => Ok(Some(interval)),
        Ok(_) | Err(_) => Err("an interval is a number with its unit, as in /heartbeat 5s; /heartbeat off ends it".into()),
    }
}

fn answer(text: &str) -> Result<Command, String> {
    let (method, result) = split(text);
    Ok(match (method, result) {
        ("", _) => Command::ShowAnswers,
        ("on", "") => Command::Answer(Answer::Empty),
        ("off", "") => Command::Answer(Answer::Refuse),
        (method, "") => return Err(format!("the result is missing, as in /answer {method} {{\"ok\":true}}")),
        (method, result) => {
            let result = json::parse(result).map_err(|error| format!("the result is not JSON: {error}"))?;
            Command::Answer(Answer::With { method: method.into(), result })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json<'static> {
        json::parse(text).unwrap()
    }

    #[test]
    fn a_line_is_a_call_unless_it_begins_with_a_slash() {
        let call = |method: &str, params: Option<&str>| Command::Call(Message { method: method.into(), params: params.map(json) });
        assert_eq!(parse(" add  {\"a\": 1}  "), Ok(call("add", Some("{\"a\": 1}"))));
        assert_eq!(parse("count"), Ok(call("count", None)));
        let notify = Command::Notify(Message { method: "log".into(), params: Some(json("[1]")) });
        assert_eq!(parse("/notify log [1]"), Ok(notify));
        assert_eq!(parse("  "), Ok(Command::Nothing));
    }

    #[test]
    fn commands_are_understood() {
        assert_eq!(parse("/heartbeat 500ms"), Ok(Command::Heartbeat(Some(Duration::from_millis(500)))));
        assert_eq!(parse("/heartbeat off"), Ok(Command::Heartbeat(None)));
        assert_eq!(parse("/answer"), Ok(Command::ShowAnswers));
        assert_eq!(parse("/answer off"), Ok(Command::Answer(Answer::Refuse)));
        let with = Answer::With { method: "sum".into(), result: json("{\"n\":3}") };
        assert_eq!(parse("/answer sum {\"n\":3}"), Ok(Command::Answer(with)));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (line, told) in [
            ("add {\"a\":}", "not JSON"),
            ("/notify", "method is missing"),
            ("/heartbeat 0s", "/heartbeat 5s"),
            ("/heartbeat often", "/heartbeat 5s"),
            ("/answer sum", "result is missing"),
            ("/answer sum {", "not JSON"),
            ("/nothing", "/help"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(told), "{line}: {error}");
        }
    }
}

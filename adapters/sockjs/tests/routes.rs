//! URLs, by the cases of the protocol's own test.

use bowline_sockjs::{Receiving, Route, Sending, Transport};

#[test]
fn what_stands_below_a_path_says_what_is_asked_for() {
    for (below, expected) in [
        ("", Route::Greeting),
        ("/", Route::Greeting),
        ("/info", Route::Info),
        ("/websocket", Route::RawWebSocket),
        ("/iframe.html", Route::Iframe),
        ("/iframe-a.html", Route::Iframe),
        ("/iframe-.html", Route::Iframe),
        ("/iframe-0.1.2abc-dirty.2144.html", Route::Iframe),
    ] {
        assert_eq!(Route::parse(below), Some(expected), "{below}");
    }
}

#[test]
fn a_session_has_a_server_an_id_and_a_transport() {
    let all = [
        (Transport::WebSocket, false, false),
        (Transport::Receive(Receiving::Xhr), true, false),
        (Transport::Receive(Receiving::XhrStreaming), true, false),
        (Transport::Receive(Receiving::EventSource), false, false),
        (Transport::Receive(Receiving::HtmlFile), false, true),
        (Transport::Receive(Receiving::Jsonp), false, true),
        (Transport::Send(Sending::Xhr), true, false),
        (Transport::Send(Sending::Jsonp), true, true),
    ];
    for (transport, is_posted, hides_origin) in all {
        assert_eq!((transport.is_posted(), transport.hides_origin()), (is_posted, hides_origin), "{transport:?}");
        for (server, id) in [("a", "a"), ("_", "_"), ("1", "websocket"), ("abc_i-j%20", "info"), ("000", &*"x".repeat(128))] {
            let below = format!("/{server}/{id}/{}", transport.as_str());
            assert_eq!(Route::parse(&below), Some(Route::Session { id, transport }), "{below}");
        }
    }
}

#[test]
fn anything_else_is_not_found() {
    let long = format!("/0/{}/xhr", "x".repeat(129));
    for below in [
        "a",
        "info",
        "/a",
        "/a.html",
        "//",
        "///",
        "/a/a",
        "/a/a/",
        "/a/",
        "/info/",
        "/Info",
        "/websocket/",
        "/iframe",
        "/iframe.htm",
        "/IFRAME.HTML",
        "/iframe.HTML",
        "/iframe.xml",
        "/iframe-/.html",
        "/iframe é.html",
        "/x/iframe.html",
        "/iframe.html/",
        "///xhr",
        "/a./a/xhr",
        "/a/a./xhr",
        "/./.xhr",
        "/./a/xhr",
        "/a//xhr",
        "//a/xhr",
        "/a/a/",
        "/a/a/XHR",
        "/a/a/xhr/",
        "/a/a/xhr/a",
        "/a/a/polling",
        &long,
    ] {
        assert_eq!(Route::parse(below), None, "{below}");
    }
}

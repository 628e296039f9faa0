//! `wss://`, for the server and for those who call it.

use crate::support::{Server, run};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::{Path, PathBuf};

/// Certificates in a directory of a test's own.
struct Certificates {
    directory: PathBuf,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    fn new(test: &str) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{test}"));
        std::fs::create_dir_all(&directory).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let certificates = Self { directory, authority };
        certificates.write("ca.pem", &certificates.authority.pem());
        certificates
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().unwrap().to_owned()
    }

    /// A certificate for `host`, and its key.
    fn issue(&self, name: &str, host: &str) -> [String; 2] {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([host.to_owned()]).unwrap().signed_by(&key, &self.authority).unwrap();
        [self.write(&format!("{name}.pem"), &certificate.pem()), self.write(&format!("{name}.key"), &key.serialize_pem())]
    }

    fn server(&self, flags: &[&str]) -> Server {
        let [cert, key] = self.issue("server", "127.0.0.1");
        Server::start(&[&["--tls-cert", &cert, "--tls-key", &key], flags].concat())
    }
}

#[test]
fn a_certificate_that_is_made_up_is_for_the_careless() {
    let server = Server::start(&["--tls-self-signed"]);
    let url = server.url("/demo");
    assert!(url.starts_with("wss://"), "{url}");
    let fingerprint = server.greeting.iter().find_map(|line| line.strip_prefix("certificate: self-signed, SHA-256 ")).unwrap();
    assert_eq!(fingerprint.split(':').count(), 32);
    assert!(server.greeting.last().unwrap().contains(" --insecure wss://"));
    run(&["call", "--insecure", &url, "count"]).expect_code(0);
    run(&["bench", "--insecure", &server.url("/echo"), "--requests", "3"]).expect_code(0);
    run(&["notify", "--insecure", &url, "log"]).expect_code(0);
    let refused = run(&["call", &url, "count"]).expect_code(3);
    for part in ["certificate", "(--ca FILE)", "--insecure"] {
        assert!(refused.stderr.contains(part), "{refused:?}");
    }
    assert!(!refused.stderr.contains("ClientTls"), "{refused:?}");
    server.stop("TERM").expect_code(0);
}

#[test]
fn a_certificate_of_ones_own_is_trusted_by_who_is_told_so() {
    let certificates = Certificates::new("own");
    let server = certificates.server(&[]);
    run(&["call", "--ca", &certificates.path("ca.pem"), &server.url("/demo"), "count"]).expect_code(0);
    run(&["call", &server.url("/demo"), "count"]).expect_code(3);
    // Without TLS nobody gets anywhere.
    run(&["call", "--connect-timeout", "5s", &format!("ws://{}/demo", server.host()), "count"]).expect_code(3);
}

#[test]
fn a_certificate_for_another_name_is_told_with_the_names_that_it_has() {
    let certificates = Certificates::new("names");
    let [cert, key] = certificates.issue("elsewhere", "foo.example");
    let server = Server::start(&["--tls-cert", &cert, "--tls-key", &key]);
    let ended = run(&["call", "--ca", &certificates.path("ca.pem"), &server.url("/demo"), "count"]).expect_code(3);
    assert!(ended.stderr.contains("is not for `127.0.0.1` but for foo.example;"), "{ended:?}");
}

#[test]
fn clients_may_have_to_show_a_certificate() {
    let certificates = Certificates::new("clients");
    let ca = certificates.path("ca.pem");
    let server = certificates.server(&["--tls-client-ca", &ca]);
    let [cert, key] = certificates.issue("client", "somebody.example");
    let url = server.url("/demo");
    run(&["call", "--ca", &ca, "--cert", &cert, "--key", &key, &url, "count"]).expect_code(0);
    run(&["call", "--ca", &ca, &url, "count"]).expect_code(3);
    let strangers = Certificates::new("strangers");
    let [cert, key] = strangers.issue("client", "stranger.example");
    run(&["call", "--ca", &ca, "--cert", &cert, "--key", &key, &url, "count"]).expect_code(3);
}

#[test]
fn a_hang_up_reads_the_certificate_again() {
    let certificates = Certificates::new("reload");
    let mut server = certificates.server(&[]);
    let ca = certificates.path("ca.pem");
    let url = server.url("/demo");
    run(&["call", "--ca", &ca, &url, "count"]).expect_code(0);

    // From another authority, under the same name.
    let others = Certificates::new("reload");
    others.issue("server", "127.0.0.1");
    server.signal("HUP");
    assert!(server.first_word_on_stderr().contains("read again"));
    run(&["call", "--ca", &others.path("ca.pem"), &url, "count"]).expect_code(0);
    let old = Certificates { directory: others.directory.clone(), ..certificates };
    let old_ca = old.write("old-ca.pem", &old.authority.pem());
    run(&["call", "--ca", &old_ca, &url, "count"]).expect_code(3);
}

#[test]
fn one_listener_may_have_tls_and_another_not() {
    let server = Server::start(&["--tls-self-signed", "--listen", "ws://127.0.0.1:0"]);
    let plain = server.greeting.iter().find_map(|line| line.strip_prefix("listening on ws://")).unwrap();
    run(&["call", &format!("ws://{plain}/demo"), "count"]).expect_code(0);
    run(&["call", "--insecure", &server.url("/demo"), "count"]).expect_code(0);
}

#[test]
fn flags_that_do_not_go_together_are_told() {
    let certificates = Certificates::new("flags");
    let [cert, key] = certificates.issue("server", "127.0.0.1");
    let [_, other_key] = certificates.issue("other", "127.0.0.1");
    for (flags, told) in [
        (&["--tls-cert", &cert][..], "--tls-key"),
        (&["--tls-key", &key], "--tls-cert"),
        (&["--tls-cert", &cert, "--tls-key", &key, "--tls-self-signed"], "give one"),
        (&["--tls-client-ca", &cert], "--tls-self-signed"),
        (&["--listen", "wss://127.0.0.1:0"], "--tls-cert"),
        (&["--tls-cert", "/no/such/file", "--tls-key", &key], "/no/such/file"),
        (&["--tls-cert", &cert, "--tls-key", &other_key], "--tls-cert"),
    ] {
        let ended = run(&[&["serve", "--listen", "127.0.0.1:0"], flags].concat()).expect_code(2);
        assert!(ended.stderr.contains(told), "{flags:?}: {ended:?}");
    }
    let ended = run(&["call", "--ca", "/no/such/file", "wss://127.0.0.1:1/demo", "count"]).expect_code(2);
    assert!(ended.stderr.contains("--ca") && ended.stderr.contains("/no/such/file"), "{ended:?}");
    run(&["call", "--cert", &cert, "wss://127.0.0.1:1/demo", "count"]).expect_code(2);
}

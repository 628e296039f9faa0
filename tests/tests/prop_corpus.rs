//! The fuzz targets over their seeds, over their corpora and over some input that proptest makes up (docs/fuzzing.md).
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use bowline_tests::hostile;
use proptest::prelude::*;
use std::fs;
use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let directories = ["seeds", "corpus"].map(|kind| fuzz.join(kind).join(target));
    let files = directories.iter().filter_map(|directory| fs::read_dir(directory).ok()).flatten();
    let mut inputs: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(inputs.len() > 5, "{target} has an input or two");
    for input in inputs {
        // Shown if the test fails.
        println!("{}", input.display());
        run(&fs::read(input).unwrap());
    }
}

#[test]
fn every_frame_of_the_corpus_means_what_the_reference_says() {
    replay("message", hostile::message);
}

#[test]
fn a_server_survives_its_corpus() {
    replay("server", hostile::server);
}

#[test]
fn a_client_survives_its_corpus() {
    replay("client", hostile::client);
}

#[test]
fn two_sides_survive_the_corpus_of_networks() {
    replay("pair", hostile::pair);
}

#[test]
fn a_house_survives_the_corpus_of_crowds() {
    replay("directory", hostile::directory);
}

#[cfg(feature = "websocket")]
#[test]
fn a_codec_survives_its_corpus() {
    replay("websocket", hostile::websocket);
}

#[cfg(feature = "sockjs")]
#[test]
fn sockjs_survives_its_corpus() {
    replay("sockjs", hostile::sockjs);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn operations_out_of_thin_air_break_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        hostile::server(&bytes);
        hostile::client(&bytes);
        hostile::directory(&bytes);
    }

    #[test]
    fn a_network_out_of_thin_air_loses_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        hostile::pair(&bytes);
    }

    #[cfg(feature = "websocket")]
    #[test]
    fn frames_out_of_thin_air_are_borne(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        hostile::websocket(&bytes);
    }

    #[cfg(feature = "sockjs")]
    #[test]
    fn sockjs_out_of_thin_air_is_borne(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        hostile::sockjs(&bytes);
    }
}

//! Time from a frame in to the frame that it causes out: `cargo bench -p bowline-core --bench echo`.

mod cases;

use cases::{Bare, Echo, KINDS, Kind};
use divan::{Bencher, counter::ItemsCount};

const ECHOES: usize = 1000;

fn main() {
    divan::main();
}

fn kind_of(name: &str) -> Kind {
    KINDS.into_iter().find(|kind| kind.name == name).expect("one of the kinds")
}

#[divan::bench(args = KINDS.map(|kind| kind.name))]
fn thousand_echoes(bencher: Bencher<'_, '_>, name: &str) {
    let kind = kind_of(name);
    let config = kind.config();
    bencher.counter(ItemsCount::new(ECHOES)).with_inputs(|| Echo::new(kind, &config, ECHOES)).bench_local_refs(|echo| {
        while echo.left() > 0 {
            echo.step();
        }
    });
}

#[divan::bench(args = [100, 4096])]
fn thousand_without_sessions(bencher: Bencher<'_, '_>, payload: usize) {
    bencher.counter(ItemsCount::new(ECHOES)).with_inputs(|| Bare::new(payload)).bench_local_refs(|bare| {
        for _ in 0..ECHOES {
            bare.step();
        }
    });
}

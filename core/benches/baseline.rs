//! The figures that are exact, and the gate that keeps them: instructions (under valgrind's callgrind), allocations, bytes.
//!
//! ```sh
//! cargo bench -p bowline-core --bench baseline                # print them beside core/benches/baseline.toml
//! cargo bench -p bowline-core --bench baseline -- --check     # fail if one has grown by more than 3 %
//! cargo bench -p bowline-core --bench baseline -- --update    # write them down as the new baseline
//! ```
//!
//! The program runs itself under callgrind twice, once with twice as many echoes, so that what is counted is the echoes' difference
//! and neither the start nor the end. Figures of another compiler may differ; those in the file are of the compiler that it names.

mod cases;

use allocation_counter::measure;
use bowline_core::Endpoint;
use cases::{Bare, Echo, KINDS, Kind, Repeated};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fs};

/// Echoes in the shorter run. By then every table has the size that it keeps.
const ECHOES: usize = 1024;
/// What a figure may grow by before the gate closes.
const TOLERANCE_PERCENT: u64 = 3;

type Figures = BTreeMap<String, u64>;

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["--run", case, echoes] => run(case, echoes.parse().unwrap_or(0)).map(|()| true),
        [] => report().map(|_| true),
        ["--check"] => report(),
        ["--update"] => update().map(|()| true),
        _ => Err("expected nothing, --check or --update".into()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("baseline: {error}");
            ExitCode::FAILURE
        }
    }
}

fn file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/baseline.toml")
}

/// Prints the figures beside the baseline. False if one has grown too much.
fn report() -> Result<bool, Box<dyn Error>> {
    let (figures, baseline) = (figures()?, read(&file())?);
    let mut good = true;
    println!("{:<44} {:>10} {:>10}", "", "baseline", "now");
    for (name, now) in &figures {
        let before = baseline.get(name);
        let verdict = match before {
            None => "new",
            Some(before) if now * 100 > before * (100 + TOLERANCE_PERCENT) => {
                good = false;
                "GROWN"
            }
            Some(before) if now * (100 + TOLERANCE_PERCENT) < before * 100 => "smaller: run with --update to keep it so",
            Some(_) => "",
        };
        println!("{name:<44} {:>10} {now:>10}  {verdict}", before.map_or(String::from("-"), u64::to_string));
    }
    if !good {
        println!(
            "\nMore than {TOLERANCE_PERCENT} % over core/benches/baseline.toml. If that is the price of something worth it, say so in the commit and run"
        );
        println!("    cargo bench -p bowline-core --bench baseline -- --update");
    }
    Ok(good)
}

fn update() -> Result<(), Box<dyn Error>> {
    let compiler = Command::new("rustc").arg("--version").output()?.stdout;
    let mut text = format!(
        "# Written by `cargo bench -p bowline-core --bench baseline -- --update`, with {}# Per echo: instructions; per 1,000 echoes: allocations.\n",
        String::from_utf8(compiler)?
    );
    for (name, figure) in figures()? {
        writeln!(text, "{name} = {figure}")?;
    }
    fs::write(file(), text)?;
    Ok(())
}

fn read(file: &Path) -> Result<Figures, Box<dyn Error>> {
    let mut figures = Figures::new();
    for line in fs::read_to_string(file)?.lines().filter(|line| !line.starts_with('#')) {
        let (name, figure) = line.split_once(" = ").ok_or("baseline.toml: expected `name = figure`")?;
        figures.insert(name.into(), figure.parse()?);
    }
    Ok(figures)
}

fn figures() -> Result<Figures, Box<dyn Error>> {
    let mut figures = Figures::new();
    let names = KINDS.iter().map(|kind| kind.name).chain(["bare-100", "bare-4k", "repeated"]);
    for name in names {
        figures.insert(format!("instructions.{name}"), instructions(name)?);
    }
    for kind in KINDS {
        figures.insert(format!("allocations.{}", kind.name), allocations(kind));
        figures.insert(format!("bytes.after-echo.{}", kind.name), held_after_echo(kind, Duration::ZERO));
        figures.insert(format!("bytes.after-a-minute.{}", kind.name), held_after_echo(kind, Duration::from_secs(61)));
    }
    figures.insert("bytes.endpoint".into(), size_of::<Endpoint<()>>() as u64);
    let config = Arc::default();
    figures.insert("bytes.client".into(), held(|| Endpoint::<()>::client(Arc::clone(&config), 7)));
    Ok(figures)
}

/// What one echo costs, from two runs under callgrind.
fn instructions(case: &str) -> Result<u64, Box<dyn Error>> {
    let (once, twice) = (collected(case, ECHOES)?, collected(case, 2 * ECHOES)?);
    Ok((twice - once) / ECHOES as u64)
}

fn collected(case: &str, echoes: usize) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["--run", case, &echoes.to_string()])
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("valgrind failed:\n{said}").into());
    }
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")).ok_or("valgrind says no figure")?.1;
    Ok(collected.trim().parse()?)
}

/// The body of a run under callgrind. Both runs prepare the same frames, so that preparing them cancels out.
fn run(case: &str, echoes: usize) -> Result<(), Box<dyn Error>> {
    if let Some(kind) = KINDS.into_iter().find(|kind| kind.name == case) {
        let mut echo = Echo::new(kind, &kind.config(), 2 * ECHOES);
        let steps = if echoes == ECHOES { echo.left() / 2 } else { echo.left() };
        (0..steps).for_each(|_| echo.step());
        return Ok(());
    }
    if case == "repeated" {
        let mut repeated = Repeated::new();
        (0..echoes).for_each(|_| repeated.step());
        return Ok(());
    }
    let mut bare = Bare::new(match case {
        "bare-100" => 100,
        "bare-4k" => 4096,
        _ => return Err(format!("no case is called {case}").into()),
    });
    (0..echoes).for_each(|_| bare.step());
    Ok(())
}

/// Allocations in a thousand echoes, once every table has its size.
fn allocations(kind: Kind) -> u64 {
    let mut echo = Echo::new(kind, &kind.config(), 2048);
    (0..1024).for_each(|_| echo.step());
    measure(|| (0..1000).for_each(|_| echo.step())).count_total
}

/// Bytes that an endpoint holds beside itself `later` after one echo, when it has been told that it is idle.
fn held_after_echo(kind: Kind, later: Duration) -> u64 {
    let config = kind.config();
    held(|| {
        let mut echo = Echo::new(kind, &config, 1);
        echo.step();
        if !later.is_zero() {
            echo.wait(later);
        }
        let mut server = echo.into_endpoint();
        server.shrink();
        server
    })
}

fn held<T>(make: impl FnOnce() -> T) -> u64 {
    let mut made = None;
    let bytes = measure(|| made = Some(make())).bytes_current;
    drop(made);
    u64::try_from(bytes).unwrap_or(0)
}

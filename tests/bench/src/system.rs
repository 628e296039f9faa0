//! What the operating system knows: cores, processor time, memory, file limits.

use anyhow::{Context, Result, bail};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::time::ClockId;
use nix::unistd::Pid;
use std::time::{Duration, SystemTime};

/// The core that a server runs on, and the core of the load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    pub(crate) load: usize,
}

impl Cores {
    /// The first two that this process may use. With only one, both share it, and times say little.
    pub(crate) fn find() -> Result<Self> {
        let allowed = sched_getaffinity(Pid::from_raw(0)).context("which cores may be used")?;
        let mut cores = (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false));
        let server = cores.next().context("no core may be used")?;
        Ok(Self { server, load: cores.next().unwrap_or(server) })
    }
}

/// Binds the calling thread, and all that it starts from now on, to one core.
pub(crate) fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core).with_context(|| format!("core {core}"))?;
    sched_setaffinity(Pid::from_raw(0), &set).with_context(|| format!("binding to core {core}"))
}

/// Ends this process with the one that started it, however that ends.
pub(crate) fn end_with_parent() -> Result<()> {
    set_pdeathsig(Signal::SIGKILL).context("asking to end with the parent")
}

/// The processor time that all threads of a process have had, user's and kernel's, also of those that have ended.
pub(crate) fn processor_time(process: u32) -> Result<Duration> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(process.try_into()?)).context("the clock of a server's process")?;
    Ok(clock.now().context("reading the clock of a server's process")?.into())
}

/// Bytes of memory that are the process' own, and in RAM: heap and stacks, not the program's file and not the kernel's buffers.
pub(crate) fn memory(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("no RssAnon")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// Lets this process, and each that it starts, have as many connections open, and the few files that it needs besides.
pub(crate) fn allow_files(connections: usize) -> Result<()> {
    let wanted = u64::try_from(connections)? + 1000;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= wanted {
        return Ok(());
    }
    if setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).is_err() {
        bail!("{wanted} open files are needed, and {hard} allowed; see `ulimit -n`");
    }
    Ok(())
}

/// What a reader of the figures wants to know of the machine.
pub(crate) fn description() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("");
    let model = model.trim_start_matches([' ', '\t', ':']);
    // Not `available_parallelism`: this process has bound itself to one.
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    format!("{model}, {cores} cores, Linux {}", read("/proc/sys/kernel/osrelease").trim())
}

/// The date in UTC, as ISO 8601 writes it.
pub(crate) fn today() -> String {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let (year, month, day) = date(seconds / 86_400);
    format!("{year}-{month:02}-{day:02}")
}

/// The date of a day since 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let (mut rest, mut year) = (days, 1970);
    while rest >= if leap(year) { 366 } else { 365 } {
        rest -= if leap(year) { 366 } else { 365 };
        year += 1;
    }
    let mut month = 1;
    for length in [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    (year, month, rest + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_dates() {
        assert_eq!([0, 31, 11_016, 19_782, 20_088].map(date), [(1970, 1, 1), (1970, 2, 1), (2000, 2, 29), (2024, 2, 29), (2024, 12, 31)]);
    }
}

//! What a process holds, and what it has used.

use std::io;
use std::time::Duration;

/// Bytes of memory that are the process' own and in use (Linux: `RssAnon`). What the system keeps for its sockets is not among them.
///
/// # Errors
///
/// If there is no such process, or the system does not tell.
pub fn own_memory(process: u32) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.map(|kilobytes| kilobytes * 1024).ok_or_else(|| io::Error::other("no RssAnon"))
}

/// The processors' time that the process has used, to a hundredth of a second (Linux: `utime` and `stime`).
///
/// # Errors
///
/// If there is no such process, or the system does not tell.
pub fn own_time(process: u32) -> io::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name of the program stands in brackets, and may have any character in it. The times are the 14th and the 15th of all fields.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let mut ticks = fields.split_whitespace().skip(11).map_while(|field| field.parse::<u64>().ok());
    match (ticks.next(), ticks.next()) {
        (Some(user), Some(system)) => Ok(Duration::from_millis(10 * (user + system))),
        (None, _) | (_, None) => Err(io::Error::other("no utime and stime")),
    }
}

//! What a process holds.

use std::io;

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

//! Processor time and memory of a process.

use std::fs;
use std::time::Duration;

use crate::failure::Failure;

/// The kernel's figures of a process. Pages: `proc_pid_stat(5)` and `proc_pid_status(5)`.
#[derive(Clone, Copy)]
pub(crate) struct Meter(pub(crate) u32);

impl Meter {
    /// Processor time so far, in user and kernel mode.
    pub(crate) fn cpu(self) -> Result<Duration, Failure> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        // The name, in parentheses, may hold spaces; user and system time are fields 14 and 15.
        let after_name = stat.rsplit_once(')').ok_or("unreadable stat")?.1;
        let fields: Vec<u64> = after_name.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
        let ticks = fields.get(11).zip(fields.get(12)).map(|(user, system)| user + system).ok_or("unreadable stat")?;
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Resident memory now, in bytes.
    pub(crate) fn resident(self) -> Result<u64, Failure> {
        self.status("VmRSS:")
    }

    /// The peak of the resident memory, in bytes.
    pub(crate) fn peak(self) -> Result<u64, Failure> {
        self.status("VmHWM:")
    }

    fn status(self, field: &str) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)).ok_or("unreadable status")?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes * 1024)
    }
}

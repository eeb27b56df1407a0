//! The resource usage of a process, from the kernel.

use std::fs;

/// The resource usage of a process so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Usage {
    /// Seconds of processor time, its threads' together.
    pub(super) cpu_seconds: f64,
    /// Memory that it occupies, in bytes.
    pub(super) resident_bytes: u64,
}

/// The usage of a process; `None` if the kernel does not tell.
pub(super) fn usage(process: u32) -> Option<Usage> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    parse(&stat, &status, rustix::param::clock_ticks_per_second())
}

fn parse(stat: &str, status: &str, ticks_per_second: u64) -> Option<Usage> {
    // The name, in parentheses, may have spaces; the times are the 14th and 15th field.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = |at: usize| fields.split_whitespace().nth(at)?.parse::<u64>().ok();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(Usage {
        cpu_seconds: (ticks(11)? + ticks(12)?) as f64 / ticks_per_second as f64,
        resident_bytes: kib * 1024,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_memory_are_read() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 5 6 7";
        let status = "Name:\ta\nVmHWM:\t  9 kB\nVmRSS:\t   2048 kB\nThreads:\t9\n";
        let used = Usage { cpu_seconds: 3.0, resident_bytes: 2 << 20 };
        assert_eq!(parse(stat, status, 100), Some(used));
        assert_eq!(parse("7 (a", status, 100), None);
        assert_eq!(parse(stat, "Name:\ta\n", 100), None);
    }
}

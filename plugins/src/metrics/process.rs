//! Metrics of the process, read from `/proc` at every scrape. There are none on systems other than
//! Linux.

use std::fs;

use quintet_components::metrics::client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

/// The number of ticks per second in `/proc`, on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Memory, processor time, threads and files of the process, with the names of Prometheus' own
/// libraries.
#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut gauge = |name: &str, help: &str, value: Option<i64>| match value {
            Some(value) => {
                let gauge = ConstGauge::new(value);
                let kind = gauge.metric_type();
                gauge.encode(encoder.encode_descriptor(name, help, None, kind)?)
            }
            None => Ok(()),
        };
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let bytes = |name| number(&status, name).map(|kib| kib * 1024);
        gauge("process_resident_memory_bytes", "Resident memory.", bytes("VmRSS:"))?;
        gauge("process_virtual_memory_bytes", "Virtual memory.", bytes("VmSize:"))?;
        gauge("process_threads", "Threads.", number(&status, "Threads:"))?;
        let files = fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
        let files = files.and_then(|files| i64::try_from(files).ok());
        gauge("process_open_fds", "Open files.", files)?;
        if let Some(seconds) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(cpu) {
            let counter = ConstCounter::new(seconds);
            let kind = counter.metric_type();
            let help = "Processor time.";
            counter.encode(encoder.encode_descriptor(
                "process_cpu_seconds",
                help,
                None,
                kind,
            )?)?;
        }
        Ok(())
    }
}

/// The first number behind a name at the beginning of a line.
fn number(text: &str, name: &str) -> Option<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Processor time in seconds, from `/proc/self/stat`.
fn cpu(stat: &str) -> Option<f64> {
    // The command's name may contain spaces; it ends with the last parenthesis.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_where_linux_has_them() {
        assert_eq!(number("Name:\tx\nVmRSS:\t  123 kB\n", "VmRSS:"), Some(123));
        assert_eq!(number("Name:\tx\n", "VmRSS:"), None);
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 9 0 1 2 3";
        assert_eq!(cpu(stat), Some(3.0));
        assert_eq!(cpu("7 (a"), None);
    }
}

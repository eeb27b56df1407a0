//! Converts `OpenMetrics` to Prometheus' text format 0.0.4: counters are named with `_total` in
//! their comments too, integer bucket bounds have no fraction, and there are no units and no end
//! marker.

use std::fmt::Write;

/// Writes an `OpenMetrics` text without exemplars in the older format.
pub(super) fn to_classic(text: &str) -> String {
    let mut classic = String::with_capacity(text.len() + text.len() / 8);
    let mut help = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').or(Some((rest, "")));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "unknown"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            let help = help.take().map_or("", |(_, help)| help);
            write!(classic, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n")
                .expect("a string takes everything");
        } else if !line.starts_with('#') {
            push_sample(&mut classic, line);
        }
    }
    classic
}

/// The library writes a bucket's bound as its first label.
const BOUND: &str = "_bucket{le=\"";

fn push_sample(classic: &mut String, line: &str) {
    let bound = line.find(BOUND).map(|at| at + BOUND.len());
    let end = bound.and_then(|start| Some(start + line[start..].find('"')?));
    match end.filter(|end| line[..*end].ends_with(".0")) {
        Some(end) => {
            classic.push_str(&line[..end - 2]);
            classic.push_str(&line[end..]);
        }
        None => classic.push_str(line),
    }
    classic.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_format_names_counters_whole_and_ends_without_a_mark() {
        let text = "# HELP a_b Things that happened.\n\
                    # TYPE a_b counter\n\
                    a_b_total{x=\"1.0\"} 1\n\
                    # HELP c_seconds Time.\n\
                    # TYPE c_seconds histogram\n\
                    # UNIT c_seconds seconds\n\
                    c_seconds_sum 1.0\n\
                    c_seconds_count 1\n\
                    c_seconds_bucket{le=\"0.25\"} 0\n\
                    c_seconds_bucket{le=\"1.0\",x=\"2.0\"} 1\n\
                    c_seconds_bucket{le=\"+Inf\"} 1\n\
                    # HELP d Info.\n\
                    # TYPE d info\n\
                    d_info{v=\"1\"} 1\n\
                    # HELP e What.\n\
                    # TYPE e unknown\n\
                    e 1\n\
                    # EOF\n";
        let classic = "# HELP a_b_total Things that happened.\n\
                       # TYPE a_b_total counter\n\
                       a_b_total{x=\"1.0\"} 1\n\
                       # HELP c_seconds Time.\n\
                       # TYPE c_seconds histogram\n\
                       c_seconds_sum 1.0\n\
                       c_seconds_count 1\n\
                       c_seconds_bucket{le=\"0.25\"} 0\n\
                       c_seconds_bucket{le=\"1\",x=\"2.0\"} 1\n\
                       c_seconds_bucket{le=\"+Inf\"} 1\n\
                       # HELP d_info Info.\n\
                       # TYPE d_info gauge\n\
                       d_info{v=\"1\"} 1\n\
                       # HELP e What.\n\
                       # TYPE e untyped\n\
                       e 1\n";
        assert_eq!(to_classic(text), classic);
    }
}

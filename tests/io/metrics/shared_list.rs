//! The list of metrics that all clients share.

use std::{fs, path::Path};

/// One line of the list.
#[derive(Debug, PartialEq, Eq)]
pub struct Listed {
    pub name: String,
    /// In lower case, as a scrape says it.
    pub kind: String,
    /// The labels' names, each with its values where they are listed.
    pub labels: Vec<(String, Vec<String>)>,
    /// The buckets' bounds as they are written.
    pub buckets: Vec<String>,
}

/// Reads the list: the checkout's copy, or the one that `LEAN_METRICS` names.
pub fn read() -> Vec<Listed> {
    let path = std::env::var_os("LEAN_METRICS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/io/metrics/lean-metrics.csv"),
        Into::into,
    );
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("name,type,labels,buckets,sampled"));
    lines.filter(|line| !line.is_empty()).map(listed).collect()
}

fn listed(line: &str) -> Listed {
    let fields = fields(line);
    let [name, kind, labels, buckets, _] = fields.as_slice() else { panic!("{line:?}") };
    let parts = |text: &str, separator: char| -> Vec<String> {
        let parts = text.split(separator).map(str::trim).filter(|part| !part.is_empty());
        parts.map(ToOwned::to_owned).collect()
    };
    // Either names alone, or `name=value,value; name=value`.
    let labels = if labels.contains('=') {
        let label = |label: String| match label.split_once('=') {
            Some((name, values)) if values.contains('<') => (name.to_owned(), Vec::new()),
            Some((name, values)) => (name.to_owned(), parts(values, ',')),
            None => panic!("{line:?}"),
        };
        parts(labels, ';').into_iter().map(label).collect()
    } else {
        parts(labels, ',').into_iter().map(|name| (name, Vec::new())).collect()
    };
    Listed {
        name: name.clone(),
        kind: kind.to_ascii_lowercase(),
        labels,
        buckets: parts(buckets, ','),
    }
}

/// The fields of a line; one in quotes may have commas.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut is_quoted = false;
    for c in line.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(String::new()),
            c => fields.last_mut().expect("there is one").push(c),
        }
    }
    fields
}

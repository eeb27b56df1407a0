//! A scrape, read as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};

use bevy_app::App;
use quintet_components::metrics::MetricsRegistry;

/// The metrics of a scrape by their names.
#[derive(Debug, Default)]
pub struct Scrape {
    pub families: BTreeMap<String, Family>,
}

/// One metric.
#[derive(Debug, Default)]
pub struct Family {
    pub kind: String,
    pub samples: Vec<Sample>,
}

/// One line of a scrape.
#[derive(Debug)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Scrape {
    /// A scrape of a node, in the older format.
    pub fn of(app: &App) -> Self {
        let (content_type, text) = app.world().resource::<MetricsRegistry>().encode(None);
        assert_eq!(content_type, "text/plain; version=0.0.4; charset=utf-8");
        Self::parse(&text)
    }

    /// Reads the older format strictly: every sample belongs to the metric that was named last.
    pub fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line ends");
        let mut scrape = Self::default();
        let mut open = String::new();
        let mut helped = BTreeSet::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help text");
                assert!(!help.trim().is_empty(), "{name} has a help text");
                assert!(helped.insert(name.to_owned()), "{name} is named once");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                assert!(helped.contains(name), "{name} is explained");
                open = name.to_owned();
                let family = Family { kind: kind.to_owned(), samples: Vec::new() };
                assert!(scrape.families.insert(open.clone(), family).is_none(), "{name} once");
            } else {
                assert!(!line.starts_with('#') && !line.is_empty(), "{line:?}");
                let sample = sample(line);
                let family = scrape.families.get_mut(&open).expect("a metric is open");
                let suffix = sample.name.strip_prefix(&open).expect("a sample of the open metric");
                let known = match family.kind.as_str() {
                    "histogram" => ["_sum", "_count", "_bucket"].contains(&suffix),
                    _ => suffix.is_empty(),
                };
                assert!(known, "{line:?} in {open}");
                family.samples.push(sample);
            }
        }
        scrape
    }

    pub fn family(&self, name: &str) -> &Family {
        self.families.get(name).unwrap_or_else(|| panic!("no {name}"))
    }

    /// The value of a metric without labels, or a histogram's count.
    pub fn value(&self, name: &str) -> f64 {
        self.labelled(name, &[])
    }

    /// The value with these labels; for a histogram its count.
    pub fn labelled(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let family = self.family(name);
        let sought = if family.kind == "histogram" { format!("{name}_count") } else { name.into() };
        let labels: BTreeMap<String, String> =
            labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let found = family.samples.iter().find(|s| s.name == sought && s.labels == labels);
        found.unwrap_or_else(|| panic!("no {name} {labels:?} in {:?}", family.samples)).value
    }

    /// The sum of all values of a metric, whatever their labels; for a histogram of its counts.
    pub fn total(&self, name: &str) -> f64 {
        let family = self.family(name);
        let is_meant =
            |sample: &&Sample| family.kind != "histogram" || sample.name.ends_with("_count");
        family.samples.iter().filter(is_meant).map(|sample| sample.value).sum()
    }

    /// A histogram's sum.
    pub fn sum(&self, name: &str) -> f64 {
        let sum = format!("{name}_sum");
        self.family(name).samples.iter().filter(|s| s.name == sum).map(|s| s.value).sum()
    }

    /// The values of one label of a metric.
    pub fn label_values(&self, name: &str, label: &str) -> Vec<String> {
        let values = self.family(name).samples.iter().filter_map(|s| s.labels.get(label).cloned());
        values.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

fn sample(line: &str) -> Sample {
    let (head, value) = line.rsplit_once(' ').expect("a value");
    let value = value.parse().unwrap_or_else(|_| panic!("{line:?} has a number"));
    let (name, labels) = match head.split_once('{') {
        None => (head, BTreeMap::new()),
        Some((name, rest)) => {
            let rest = rest.strip_suffix('}').expect("labels end");
            let pair = |pair: &str| {
                let (key, value) = pair.split_once('=').expect("a label has a value");
                let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
                (key.to_owned(), value.expect("in quotes").to_owned())
            };
            // No value of ours has a comma.
            (name, rest.split(',').map(pair).collect())
        }
    };
    Sample { name: name.to_owned(), labels, value }
}

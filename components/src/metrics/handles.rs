//! Handles of metrics, and their registration.

use std::sync::atomic::Ordering;

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder},
    metrics::{MetricType, counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Metric, Registry},
};

/// Label values that are known when the metric is made.
pub type Labels<const N: usize> = [(&'static str, &'static str); N];

/// A metric per set of label values.
pub type Labelled<const N: usize, M> = Family<Labels<N>, M>;

/// A number per value of one label.
pub(super) type ByName = Family<[(&'static str, String); 1], Gauge>;

/// Buckets for times from a tenth of a millisecond to a minute, in seconds.
pub(super) const WIDE_SECONDS: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0, 60.0,
];
/// Buckets for sizes from 256 bytes to 16 MiB.
pub(super) const WIDE_BYTES: &[f64] = &[
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    2_097_152.0,
    4_194_304.0,
    8_388_608.0,
    16_777_216.0,
];
/// Buckets for numbers of blocks.
pub(super) const WIDE_COUNTS: &[f64] =
    &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0];

/// Two histograms of the same values. The first has the buckets that all clients share and is named
/// `lean_…`. The second has buckets wide enough for all values and is named `quintet_…`.
#[derive(Clone, Debug)]
pub struct WideHistogram {
    shared: Histogram,
    wide: Histogram,
}

impl WideHistogram {
    /// Adds a value to both.
    pub fn observe(&self, value: f64) {
        self.shared.observe(value);
        self.wide.observe(value);
    }
}

/// Sets a counter to a count that is kept elsewhere.
pub fn set_counter(counter: &Counter, value: u64) {
    counter.inner().store(value, Ordering::Relaxed);
}

/// Registers metrics.
pub(super) struct Registrar<'a>(pub(super) &'a mut Registry);

impl Registrar<'_> {
    /// A counter; its name ends in `_total`.
    pub(super) fn counter(&mut self, name: &str, help: &str) -> Counter {
        self.add(counter_name(name), help, Counter::default())
    }

    /// A counter for each of these sets of label values. All of them exist from the beginning.
    pub(super) fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: impl IntoIterator<Item = Labels<N>>,
    ) -> Labelled<N, Counter> {
        let family = Labelled::default();
        for labels in labels {
            let _ = family.get_or_create(&labels);
        }
        self.add(counter_name(name), help, family)
    }

    /// A number that goes up and down.
    pub(super) fn gauge(&mut self, name: &str, help: &str) -> Gauge {
        self.add(name, help, Gauge::default())
    }

    /// A number for each of these sets of label values.
    pub(super) fn gauges<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: impl IntoIterator<Item = Labels<N>>,
    ) -> Labelled<N, Gauge> {
        let family = Labelled::default();
        for labels in labels {
            let _ = family.get_or_create(&labels);
        }
        self.add(name, help, family)
    }

    /// A number per value of one label. No value is known at the beginning.
    pub(super) fn gauges_by_name(&mut self, name: &str, help: &str) -> ByName {
        let family = ByName::default();
        self.0.register(name, help, Shown(family.clone()));
        family
    }

    /// A histogram with these upper bounds.
    pub(super) fn histogram(&mut self, name: &str, help: &str, bounds: &[f64]) -> Histogram {
        self.add(name, help, Histogram::new(bounds.iter().copied()))
    }

    /// A histogram of times for each of these sets of label values.
    pub(super) fn times<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: impl IntoIterator<Item = Labels<N>>,
    ) -> Times<N> {
        let family: Times<N> = Family::new_with_constructor(wide_times);
        for labels in labels {
            let _ = family.get_or_create(&labels);
        }
        self.add(name, help, family)
    }

    /// A shared histogram named `lean_…`, and its wide twin.
    pub(super) fn twins(
        &mut self,
        name: &str,
        help: &str,
        shared: &[f64],
        wide: &[f64],
    ) -> WideHistogram {
        let own = name.strip_prefix("lean_").expect("shared names begin so");
        WideHistogram {
            shared: self.histogram(name, help, shared),
            wide: self.histogram(&format!("quintet_{own}"), &format!("{help}, wide buckets"), wide),
        }
    }

    /// A metric of another kind.
    pub(super) fn add<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register(name, help, metric.clone());
        metric
    }
}

/// A histogram of times for each set of label values.
pub(super) type Times<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

fn wide_times() -> Histogram {
    Histogram::new(WIDE_SECONDS.iter().copied())
}

/// The library appends `_total` itself.
fn counter_name(name: &str) -> &str {
    name.strip_suffix("_total").expect("a counter's name ends so")
}

/// A metric that appears in a scrape even while it has no values.
#[derive(Debug)]
struct Shown<M>(M);

impl<M: EncodeMetric> EncodeMetric for Shown<M> {
    fn encode(&self, encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        self.0.metric_type()
    }
}
